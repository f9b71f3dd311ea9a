"""GlaS / Warwick-QU as it is downloaded: train_1.bmp with train_1_anno.bmp, and Grade.csv."""

import csv
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cerberus_annotate.learn.data.label_names import GLAND_LABELS
from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.files import PICTURES, Pair, find, pair_up
from cerberus_annotate.learn.data.published import LICENCES
from cerberus_annotate.learn.data.reading import read_instances, read_picture

MPP = 0.62
"""Of the challenge's paper (Sirinukunwattana et al. 2017); the files do not say it."""

SPLIT_AND_NUMBER = re.compile(r"(train|testA|testB)_\d+")
ANNOTATION = "_anno"


@dataclass(frozen=True)
class Grade:
    """What Grade.csv says of an image; gland_type is one of `GLAND_LABELS`."""

    patient: str | None = None
    gland_type: str | None = None


def recognise(folder: Path) -> bool:
    """Whether a folder has images named train_N or testA_N with annotations beside them."""
    return any(SPLIT_AND_NUMBER.match(path.stem) for path in folder.glob(f"*{ANNOTATION}.*"))


def read(folder: Path) -> DataSet:
    """The official split train, testA, testB by file name; patients of it stand in several parts, as its authors have
    it. Glands are benign or malignant by the grade of their image."""
    named = {path.stem: path for path in find(folder, PICTURES, 0) if SPLIT_AND_NUMBER.match(path.stem)}
    labels = {stem.removesuffix(ANNOTATION): path for stem, path in named.items() if stem.endswith(ANNOTATION)}
    images = {stem: path for stem, path in named.items() if not stem.endswith(ANNOTATION)}
    pairs, left_out = pair_up(images, labels)
    grades = _read_grades(folder / "Grade.csv")
    entries = []
    for pair in pairs:
        grade = grades.get(pair.key, Grade())
        split = pair.key.partition("_")[0]
        entries.append(Entry(pair.key, split, grade.patient, None, partial(_read, pair, split, grade)))
    licence = LICENCES["glas"]
    return DataSet("glas", "glas", licence.terms, licence.source, tuple(entries), left_out=left_out)


def _read(pair: Pair, split: str, grade: Grade) -> LabelledImage:
    rgb, _ = read_picture(pair.image)
    glands = read_instances(pair.label, rgb.shape[:2], pair.image.name)
    types = None
    if grade.gland_type:
        types = np.where(glands > 0, GLAND_LABELS.index(grade.gland_type), 0).astype(np.uint8)
    return LabelledImage(pair.key, "glas", split, MPP, rgb, glands=glands, gland_types=types, patient=grade.patient)


def _read_grades(path: Path) -> dict[str, Grade]:
    """Grades by image; the file's columns are name, patient ID, grade (GlaS) and a finer grade."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    return {
        row[0]: Grade(row[1] or None, row[2] if row[2] in GLAND_LABELS else None) for row in rows[1:] if len(row) > 2
    }
