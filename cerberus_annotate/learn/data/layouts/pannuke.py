"""PanNuke as it is downloaded: a folder a fold with images.npy, masks.npy (a channel a type) and types.npy."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.files import find, natural_order
from cerberus_annotate.learn.data.layouts.patch_arrays import check_aligned, map_array
from cerberus_annotate.learn.data.published import LICENCES

MPP = 0.25
DEPTH = 3
"""Of files below a folder with `Fold 1/images/fold1/images.npy`."""

CHANNEL_TYPES = ("epithelial", "inflammatory", "connective", "unlabelled", "epithelial")
"""Neoplastic, inflammatory, connective, dead, epithelial; the sixth channel is the background.

Neoplastic nuclei of this set are of epithelial tumours with few exceptions; dead has no counterpart."""


@dataclass(frozen=True)
class Fold:
    """The two files of a fold."""

    name: str
    images: Path
    masks: Path


def recognise(folder: Path) -> bool:
    """Whether there are images.npy with masks.npy."""
    return any(_folds(folder))


def read(folder: Path) -> DataSet:
    """Nuclei and types of 256 px patches; the split is the fold (`fold1`). Patients are not published."""
    entries = []
    for fold in sorted(_folds(folder), key=lambda fold: natural_order(fold.images)):
        images, masks = map_array(fold.images, 3), map_array(fold.masks, 6)
        check_aligned(fold.images, images, fold.masks, masks)
        for index in range(len(images)):
            name = f"{fold.name}_{index:04d}" if fold.name else f"{index:04d}"
            entries.append(Entry(name, fold.name, None, None, partial(_read, fold, index, name)))
    licence = LICENCES["pannuke"]
    return DataSet("pannuke", "pannuke", licence.terms, licence.source, tuple(entries))


def _folds(folder: Path) -> Iterator[Fold]:
    """images.npy with masks.npy beside it, or in a folder masks where it lies in a folder images."""
    for images in find(folder, (".npy",), DEPTH):
        if images.name != "images.npy":
            continue
        above = images.relative_to(folder).parent.parts
        swapped = folder.joinpath(*("masks" if part == "images" else part for part in above))
        for masks in (images.with_name("masks.npy"), swapped / "masks.npy"):
            if masks.is_file():
                number = re.search(r"fold[ _-]*(\d+)", str(images.relative_to(folder.parent)), re.IGNORECASE)
                yield Fold(f"fold{number[1]}" if number else "", images, masks)
                break


def _read(fold: Fold, index: int, name: str) -> LabelledImage:
    rgb = np.array(map_array(fold.images, 3)[index]).clip(0, 255).astype(np.uint8)
    nuclei, types = _join_channels(np.array(map_array(fold.masks, 6)[index]))
    return LabelledImage(name, "pannuke", fold.name, MPP, rgb, nuclei=nuclei, nucleus_types=types)


def _join_channels(masks: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """One instance map and one type map (H, W) from (H, W, 6); ids are numbered anew, as channels may share them."""
    nuclei = np.zeros(masks.shape[:2], np.int32)
    types = np.zeros(masks.shape[:2], np.uint8)
    for channel, label in enumerate(CHANNEL_TYPES):
        free = (masks[..., channel] > 0) & (nuclei == 0)
        if free.any():
            numbers = np.unique(masks[..., channel][free], return_inverse=True)[1]
            nuclei[free] = numbers.reshape(-1) + 1 + nuclei.max()
            types[free] = NUCLEUS_LABELS.index(label)
    return nuclei, types
