"""EBHI-Seg as it is downloaded: a folder a class, with the folders image and label in it."""

import re
from functools import partial
from pathlib import Path

from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.files import PICTURES, Pair, find, pair_up
from cerberus_annotate.learn.data.published import EBHI_SEG_CLASSES, FOREGROUND_CLASSES, LICENCES
from cerberus_annotate.learn.data.reading import read_foreground, read_picture
from cerberus_annotate.learn.data.splits import ebhi_seg_split

CLASS_FOLDERS = {
    "normal": "normal",
    "polyp": "polyp",
    "low-grade in": "low_grade_in",
    "high-grade in": "high_grade_in",
    "adenocarcinoma": "adenocarcinoma",
    "serrated adenoma": "serrated_adenoma",
}
"""Names of the folders, in lower case, to those of the classes."""


def recognise(folder: Path) -> bool:
    """Whether a folder has a class's folder with image and label in it."""
    return any((path / "image").is_dir() and (path / "label").is_dir() for path in _class_folders(folder))


def read(folder: Path) -> DataSet:
    """A binary mask and the class of each patch, split by patient (`splits.ebhi_seg_split`).

    The patient is the number that a file name starts with (the authors' case number), whatever letters it has.
    """
    entries: list[Entry] = []
    left_out: tuple[str, ...] = ()
    for class_folder in _class_folders(folder):
        images = {path.stem: path for path in find(class_folder / "image", PICTURES, 0)}
        labels = {path.stem: path for path in find(class_folder / "label", PICTURES, 0)}
        pairs, alone = pair_up(images, labels)
        left_out += alone
        patch_class = CLASS_FOLDERS[class_folder.name.lower()]
        for pair in pairs:
            number = re.search(r"\d+", pair.key)
            patient = f"P{number[0]}" if number else None
            split = ebhi_seg_split(patient) if patient else ""
            name = f"{patch_class}/{pair.key}"
            read = partial(_read, pair, name, split, patch_class, patient)
            entries.append(Entry(name, split, patient, patch_class, read))
    licence = LICENCES["ebhi-seg"]
    return DataSet("ebhi-seg", "ebhi-seg", licence.terms, licence.source, tuple(entries), EBHI_SEG_CLASSES, left_out)


def _class_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.lower() in CLASS_FOLDERS and path.is_dir())


def _read(pair: Pair, name: str, split: str, patch_class: str, patient: str | None) -> LabelledImage:
    rgb, _ = read_picture(pair.image)
    return LabelledImage(
        name,
        "ebhi-seg",
        split,
        None,
        rgb,
        mask=read_foreground(pair.label, rgb.shape[:2], pair.image.name),
        mask_classes=FOREGROUND_CLASSES,
        patch_class=patch_class,
        patient=patient,
    )
