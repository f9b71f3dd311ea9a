"""Lizard as it is downloaded: PNG images, MATLAB labels with a class for each nucleus, and info.csv with the split.

Its images are from GlaS, CRAG, CoNSeP, DigestPath and PanNuke: who tests on those does not train on this.
"""

import csv
from functools import partial
from pathlib import Path

import numpy as np

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.files import Pair, find, pair_up
from cerberus_annotate.learn.data.nucleus_types import nucleus_table
from cerberus_annotate.learn.data.published import LICENCES
from cerberus_annotate.learn.data.reading import as_label, check_size, mat_variables, read_mat, read_picture

MPP = 0.5
VARIABLES = ("inst_map", "id", "class")
DEPTH = 3
"""Of files below a folder with lizard_images1/Lizard_Images1 and lizard_labels/Lizard_Labels/Labels."""

TYPES = {1: "neutrophil", 2: "epithelial", 3: "lymphocyte", 4: "plasma", 5: "eosinophil", 6: "connective"}
"""Of Lizard and CoNIC alike."""


def recognise(folder: Path) -> bool:
    """Whether there are MATLAB labels with a class for each nucleus."""
    first = next(find(folder, (".mat",), DEPTH), None)
    return first is not None and set(VARIABLES) <= mat_variables(first)


def read(folder: Path) -> DataSet:
    """Nuclei and types; splits `split1` to `split3` as in info.csv, of which the sources' patients are not known."""
    images = {path.stem: path for path in find(folder, (".png",), DEPTH)}
    labels = {path.stem: path for path in find(folder, (".mat",), DEPTH)}
    pairs, left_out = pair_up(images, labels)
    splits = _read_splits(folder)
    entries = []
    for pair in pairs:
        split = splits.get(pair.key, "")
        entries.append(Entry(pair.key, split, None, None, partial(_read, pair, split)))
    licence = LICENCES["lizard"]
    return DataSet("lizard", "lizard", licence.terms, licence.source, tuple(entries), left_out=left_out)


def _read_splits(folder: Path) -> dict[str, str]:
    path = next((path for path in find(folder, (".csv",), DEPTH) if path.name == "info.csv"), None)
    if path is None:
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"Filename", "Split"} <= rows[0].keys():
        raise UsageError(f"{path}: has no columns Filename and Split. Copy it again from its source.")
    return {row["Filename"]: f"split{row['Split']}" for row in rows}


def _read(pair: Pair, split: str) -> LabelledImage:
    rgb, _ = read_picture(pair.image)
    content = read_mat(pair.label, VARIABLES)
    nuclei = as_label(content["inst_map"], pair.label).astype(np.int32)
    check_size(nuclei.shape, pair.label, rgb.shape[:2], pair.image.name)
    ids, classes = np.ravel(content["id"]).astype(np.int64), np.ravel(content["class"]).astype(np.int64)
    of_nucleus = np.zeros(max(nuclei.max(initial=0), ids.max(initial=0)) + 1, np.uint8)
    of_nucleus[ids] = nucleus_table(TYPES)[classes]
    return LabelledImage(pair.key, "lizard", split, MPP, rgb, nuclei=nuclei, nucleus_types=of_nucleus[nuclei])
