"""Labelled images for training and evaluation, read from a folder with a `manifest.csv`."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cerberus_annotate.errors import UsageError

TRAINING_SPLITS = {
    "consep": ("train",),
    "monuseg": ("train",),
    "dsb2018-brightfield": ("stage1_train",),
    "glas": ("train",),
}
"""The published training splits; whatever else a manifest holds is never trained on."""

CONSEP_TYPES = {1: 4, 2: 2, 3: 1, 4: 1, 5: 3, 6: 3, 7: 3}
"""CoNSeP's classes to the bundled model's (1 epithelial, 2 inflammatory, 3 connective, 4 other)."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with the labels that it has; what it has no label for is None.

    rgb: uint8 (H, W, 3).  nuclei, glands: int32 instance maps (H, W), 0 is background.  nucleus_types: uint8 (H, W)
    with the bundled model's type indices, 0 where unlabelled.  mpp: µm/px of all of them.
    """

    name: str
    dataset: str
    split: str
    mpp: float
    rgb: NDArray[np.uint8]
    nuclei: NDArray[np.int32] | None = None
    glands: NDArray[np.int32] | None = None
    nucleus_types: NDArray[np.uint8] | None = None


def read_manifest(folder: Path, splits: tuple[str, ...] | None = None) -> Iterator[LabelledImage]:
    """The labelled images of a data set folder, at their own resolution.

    `splits` None gives all. Data set and mpp come from the manifest's columns. Raises UsageError when there is no
    manifest, an image has no pixel size, or a label's size differs from its image's.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise UsageError(f"{folder} has no manifest.csv; give a data set folder as the documentation describes it.")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if splits is None or row.get("split", "") in splits:
            yield _read_row(folder, row)


def _read_row(folder: Path, row: dict[str, str]) -> LabelledImage:
    name = row.get("name") or row["image"]
    if not row.get("mpp"):
        raise UsageError(f"{name} in {folder}/manifest.csv has no mpp (µm/px); fill that column.")
    rgb = np.asarray(Image.open(folder / row["image"]).convert("RGB"))
    image = LabelledImage(name, row["dataset"], row.get("split", ""), float(row["mpp"]), rgb)
    label_path = row.get("instances") or row["label"]
    label = np.asarray(Image.open(folder / label_path)).astype(np.int32)
    if label.shape != rgb.shape[:2]:
        raise UsageError(f"The label {label_path} in {folder} has another size than its image.")
    if row["dataset"] == "glas":
        return replace(image, glands=label)
    image = replace(image, nuclei=label)
    if row["dataset"] == "consep":
        types = np.asarray(Image.open(folder / row["types"]))
        table = np.zeros(256, np.uint8)
        table[list(CONSEP_TYPES)] = list(CONSEP_TYPES.values())
        image = replace(image, nucleus_types=table[types])
    return image


def at_mpp(image: LabelledImage, mpp: float) -> LabelledImage:
    """The image and its labels resampled to `mpp`; labels by nearest neighbour."""
    factor = image.mpp / mpp
    size = (round(image.rgb.shape[1] * factor), round(image.rgb.shape[0] * factor))
    shrink = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC

    def nearest(label: NDArray | None) -> NDArray | None:
        if label is None:
            return None
        return cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT)

    return replace(
        image,
        mpp=mpp,
        rgb=cv2.resize(image.rgb, size, interpolation=shrink).astype(np.uint8),
        nuclei=nearest(image.nuclei),
        glands=nearest(image.glands),
        nucleus_types=nearest(image.nucleus_types),
    )
