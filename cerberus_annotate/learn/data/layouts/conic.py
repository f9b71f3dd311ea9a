"""CoNIC as it is downloaded: images.npy, labels.npy (instance and type) and patch_info.csv."""

import csv
from functools import partial
from pathlib import Path

import numpy as np

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.lizard import MPP, TYPES
from cerberus_annotate.learn.data.layouts.patch_arrays import check_aligned, map_array
from cerberus_annotate.learn.data.nucleus_types import nucleus_table
from cerberus_annotate.learn.data.published import LICENCES

IMAGES, LABELS, INFO = "images.npy", "labels.npy", "patch_info.csv"


def recognise(folder: Path) -> bool:
    """Whether images.npy and labels.npy lie in the folder."""
    return (folder / IMAGES).is_file() and (folder / LABELS).is_file()


def read(folder: Path) -> DataSet:
    """Nuclei and types, no split. The image that a patch was cut from (`consep_1` of `consep_1-0003`) stands as its
    patient, so that patches of one image stay together."""
    images, labels = map_array(folder / IMAGES, 3), map_array(folder / LABELS, 2)
    check_aligned(folder / IMAGES, images, folder / LABELS, labels)
    names = _read_names(folder / INFO, len(images))
    entries = []
    for index, name in enumerate(names):
        source = name.rpartition("-")[0] or None
        entries.append(Entry(name, "", source, None, partial(_read, folder, index, name, source)))
    licence = LICENCES["conic"]
    return DataSet("conic", "conic", licence.terms, licence.source, tuple(entries))


def _read_names(path: Path, count: int) -> list[str]:
    """A name a patch from the file's only column, or by number where there is no file."""
    if not path.is_file():
        return [f"patch_{index:04d}" for index in range(count)]
    with path.open(newline="", encoding="utf-8-sig") as file:
        names = [row[0] for row in csv.reader(file) if row][1:]
    if len(names) != count:
        raise UsageError(f"{path} names {len(names)} patches, but {IMAGES} beside it has {count}. Copy both again.")
    return names


def _read(folder: Path, index: int, name: str, source: str | None) -> LabelledImage:
    rgb = np.array(map_array(folder / IMAGES, 3)[index], np.uint8)
    label = np.array(map_array(folder / LABELS, 2)[index], np.int32)
    types = nucleus_table(TYPES)[label[..., 1]]
    return LabelledImage(name, "conic", "", MPP, rgb, nuclei=label[..., 0], nucleus_types=types, patient=source)
