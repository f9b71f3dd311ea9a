"""The images of a fine-tune: what teaches, what ends it, what it is measured on, and what is kept from the parent."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import Entry, LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.data.manifest import MANIFEST
from cerberus_annotate.learn.finetuning.hold_out import Place, hold_out
from cerberus_annotate.learn.training.batches import INSTANCES
from cerberus_annotate.learn.training.heads import Heads
from cerberus_annotate.learn.training.sources import LazyImages

KEPT_IN_MEMORY = 120
"""Patches (about 15 MB each) up to which all are kept; of more, each is read when it is drawn."""


@dataclass(frozen=True)
class Harvested:
    """The images of all harvests by what they are for.

    train_places: of the training images.  held_out_slides: whose every image is for test.  by: what was held out as a
    whole.  notes: sentences for the user.  digest: of the manifests.
    """

    train: Sequence[LabelledImage]
    val: Sequence[LabelledImage]
    test: Sequence[LabelledImage]
    train_places: tuple[Place, ...]
    held_out_slides: frozenset[str]
    by: Literal["slide", "region"]
    notes: tuple[str, ...]
    digest: str


def read_harvests(folders: Sequence[Path]) -> Harvested:
    """The harvests' images. Raises UsageError for one that is missing or empty."""
    entries: list[Entry] = []
    digest = hashlib.sha256()
    for folder in folders:
        entries += _entries(folder)
        manifest = folder / MANIFEST
        digest.update(manifest.read_bytes() if manifest.is_file() else str(len(entries)).encode())
    places = [Place(e.patient or e.name, e.region or e.name, e.split) for e in entries]
    held = hold_out(places)

    def of(role: str) -> list[Entry]:
        return [entry for entry, mine in zip(entries, held.roles, strict=True) if mine == role]

    learnt = of("train")
    return Harvested(
        train=LazyImages(learnt) if len(learnt) > KEPT_IN_MEMORY else [entry.read() for entry in learnt],
        val=LazyImages(of("val")),
        test=LazyImages(of("test")),
        train_places=tuple(p for p, role in zip(places, held.roles, strict=True) if role == "train"),
        held_out_slides=frozenset(
            p.group for p, role in zip(places, held.roles, strict=True) if role == "test" and held.by == "slide"
        ),
        by=held.by,
        notes=held.notes,
        digest=digest.hexdigest(),
    )


def read_replay(folder: Path) -> Sequence[LabelledImage]:
    """The images of a data set's training split, all where it has none. Raises UsageError where there is no image."""
    entries = read_data_set(folder).entries
    entries = tuple(e for e in entries if e.split.startswith("train")) or entries
    if not entries:
        raise UsageError(f"{folder} has no image to learn from; leave it out of --replay.")
    return LazyImages(entries) if len(entries) > KEPT_IN_MEMORY else [entry.read() for entry in entries]


@dataclass(frozen=True)
class Seen:
    """What an image teaches. name: as batches call it.  tasks: those that it has labels for.  types: task → names of
    the types that its pixels have.  area: of the pixels that count, µm².
    """

    name: str
    tasks: frozenset[str]
    types: Mapping[str, frozenset[str]]
    area: float


def look_at(image: LabelledImage, heads: Heads) -> Seen:
    """What an image teaches the heads of a network, types that they do not have yet included."""
    tasks = {task for task, field in INSTANCES.items() if getattr(image, field) is not None}
    types = {}
    for task, values, labels in (
        ("nucleus-types", image.nucleus_types, image.nucleus_labels),
        ("gland-types", image.gland_types, image.gland_labels),
    ):
        if values is not None:
            counted = values if image.ignore is None else values[~image.ignore]
            present = np.flatnonzero(np.bincount(counted.ravel(), minlength=1)[1:]) + 1
            types[task] = frozenset(labels[index] for index in present)
            if types[task]:
                tasks.add(task)
    if image.nucleus_points is not None:
        tasks.add("nucleus-types")
    if image.mask is not None:
        tasks.add("mask")
    if image.patch_class in heads.patch_classes:
        tasks.add("patch")
    pixels = image.rgb.shape[0] * image.rgb.shape[1] if image.ignore is None else int((~image.ignore).sum())
    return Seen(batch_name(image), frozenset(tasks & set(heads.tasks)), types, pixels * (image.mpp or 0.25) ** 2)


def kept_tasks(
    seen: Sequence[Seen], places: Sequence[Place], weights: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """By a training image's name the tasks that it keeps from the parent: those of `weights` that nobody reviewed in
    its region, with their weights. places: of the images."""
    reviewed: dict[tuple[str, str], set[str]] = defaultdict(set)
    for image, place in zip(seen, places, strict=True):
        reviewed[place.group, place.region] |= image.tasks
    kept: dict[str, dict[str, float]] = {}
    for image, place in zip(seen, places, strict=True):
        rest = [task for task in weights if task not in reviewed[place.group, place.region]]
        kept[image.name] = {task: weights[task] for task in rest if task in kept.get(image.name, rest)}
    return kept


def batch_name(image: LabelledImage) -> str:
    """What a batch calls an image."""
    return f"{image.dataset}/{image.name}"


def _entries(folder: Path) -> Sequence[Entry]:
    manifest = folder / MANIFEST
    if manifest.is_file() and len(manifest.read_bytes().splitlines()) < 2:
        raise UsageError(
            f"The harvest {folder} is empty: nothing was reviewed when it was made. In QuPath, give an annotation "
            "around what you have looked at the class Reviewed, save, and run `harvest` again."
        )
    entries = read_data_set(folder).entries
    if not entries:
        raise UsageError(f"{folder} has no image to learn from.")
    return entries
