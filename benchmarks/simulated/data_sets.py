"""The sets that a start model has not seen: which images are corrected, which are only measured on."""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.review.candidates import squares
from cerberus_annotate.review.ranking import Candidate

REGION = 125.0
"""µm a side of a region; images are cut evenly into as many as come nearest, a small image is one region."""

POOL_SHARE = 0.6
"""Of images that no published split puts on one side."""


@dataclass(frozen=True)
class KnownSet:
    """A set that the start model was trained on, whose test images must not get worse. most: images that are scored."""

    title: str
    folder: str
    splits: tuple[str, ...]
    task: str
    measures: tuple[str, ...]
    most: int | None = None


MONUSEG = KnownSet("MoNuSeg", "monuseg", ("test",), "nuclei", ("pq", "aji", "dice"))
GLAS = KnownSet("GlaS", "glas", ("testA",), "gland", ("object_f1", "object_dice"), 20)
CONSEP = KnownSet("CoNSeP", "consep", ("test",), "nuclei", ("pq", "aji", "dice", "type_macro_f1"))
DSB = KnownSet("DSB 2018, bright field", "dsb2018-brightfield", ("stage1_test",), "nuclei", ("pq", "aji", "dice"))


@dataclass(frozen=True)
class LeftOut:
    """A set that the start model has not seen. known: sets that it has."""

    title: str
    folder: str
    pool_splits: tuple[str, ...]
    held_out_splits: tuple[str, ...]
    known: tuple[KnownSet, ...]


LEFT_OUT = {
    "consep": LeftOut("CoNSeP", "consep", ("train",), ("test",), (MONUSEG, DSB, GLAS)),
    "dsb2018-brightfield": LeftOut(
        "DSB 2018, bright field", "dsb2018-brightfield", (), ("stage1_test",), (MONUSEG, CONSEP, GLAS)
    ),
}


@dataclass(frozen=True)
class Material:
    """pool: images whose regions may be corrected, by name; files: their pictures. regions: of the pool. held_out:
    images that are only measured on.
    """

    pool: Mapping[str, LabelledImage]
    files: Mapping[str, Path]
    regions: tuple[Candidate, ...]
    held_out: tuple[LabelledImage, ...]


def read_material(data: Path, left_out: LeftOut) -> Material:
    """Reads the set's images into memory.  Raises UsageError where a side has none."""
    folder = data / left_out.folder
    pool: dict[str, LabelledImage] = {}
    held_out = []
    for image in read_data_set(folder).images():
        if in_pool(image, left_out):
            pool[image.name] = image
        else:
            held_out.append(image)
    if not pool or not held_out:
        raise UsageError(f"{folder} needs images to correct and others to measure on; it has {len(pool) or 'none'}.")
    regions = tuple(region for image in pool.values() for region in regions_of(image))
    return Material(pool, picture_files(folder), regions, tuple(held_out))


def in_pool(image: LabelledImage, left_out: LeftOut) -> bool:
    """Whether an image's regions may be corrected: by its split, else by a hash of its name."""
    if image.split in left_out.held_out_splits:
        return False
    if image.split in left_out.pool_splits:
        return True
    digest = hashlib.sha256(f"simulated pathologist {image.name}".encode()).hexdigest()
    return int(digest[:8], 16) / 2**32 < POOL_SHARE


def regions_of(image: LabelledImage) -> list[Candidate]:
    """The regions that cover an image."""
    height, width = image.rgb.shape[:2]
    side = REGION / mpp_of(image)
    return [Candidate(image.name, bounds) for bounds in squares((0, 0, width, height), (side, side))]


def mpp_of(image: LabelledImage) -> float:
    """µm/px.  Raises UsageError where the set does not say it."""
    if image.mpp is None:
        raise UsageError(f"The image {image.name} of {image.dataset} has no pixel size.")
    return image.mpp


def picture_files(folder: Path) -> dict[str, Path]:
    """Where the picture of each image of a manifest lies."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: folder / row["image"] for row in csv.DictReader(file)}


def known_images(data: Path, known: KnownSet) -> list[LabelledImage]:
    """The test images of a set that the start model knows, evenly chosen where there are more than are scored."""
    images = list(read_data_set(data / known.folder).images(known.splits))
    if known.most is None or len(images) <= known.most:
        return images
    return [images[at] for at in evenly(len(images), known.most)]


def evenly(count: int, chosen: int) -> Sequence[int]:
    """`chosen` of `count` places at even steps."""
    return np.linspace(0, count - 1, chosen).round().astype(int).tolist()
