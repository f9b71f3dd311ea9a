"""MoNuSAC as it is downloaded: a folder a patient, in it Aperio slides with ImageScope XML, an annotation a class."""

from functools import partial
from pathlib import Path

import numpy as np

from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.files import Pair, find, pair_up, tcga_patient
from cerberus_annotate.learn.data.layouts.imagescope import draw_instances, read_outlines
from cerberus_annotate.learn.data.published import LICENCES
from cerberus_annotate.learn.data.reading import read_picture

MPP = 0.25
"""Where a slide does not say its own."""

DEPTH = 2
"""Of files below a folder that holds both the training and the testing patients."""

TYPES = {
    "Epithelial": "epithelial",
    "Lymphocyte": "lymphocyte",
    "Neutrophil": "neutrophil",
    "Macrophage": "macrophage",
    "Ambiguous": "unlabelled",
}
"""Names of annotations to `NUCLEUS_LABELS`; a name that is not here is unlabelled too."""


def recognise(folder: Path) -> bool:
    """Whether there is an Aperio slide with an XML file of its name beside it."""
    return any(path.with_suffix(".xml").is_file() for path in find(folder, (".svs",), DEPTH))


def read(folder: Path) -> DataSet:
    """Nuclei and types; split `test` where a folder's name says so, else `train`.

    An ambiguous region (in the test part) counts as a nucleus without a type.
    """
    slides = {_key(path, folder): path for path in find(folder, (".svs",), DEPTH)}
    labels = {_key(path, folder): path for path in find(folder, (".xml",), DEPTH)}
    pairs, left_out = pair_up(slides, labels)
    entries = []
    for pair in pairs:
        above = pair.image.relative_to(folder.parent).parts[:-1]
        split = "test" if any("test" in part.lower() for part in above) else "train"
        name = pair.image.stem
        patient = tcga_patient(name)
        entries.append(Entry(name, split, patient, None, partial(_read, pair, name, split, patient)))
    licence = LICENCES["monusac"]
    return DataSet("monusac", "monusac", licence.terms, licence.source, tuple(entries), left_out=left_out)


def _key(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _read(pair: Pair, name: str, split: str, patient: str | None) -> LabelledImage:
    rgb, mpp = read_picture(pair.image)
    outlines = read_outlines(pair.label)
    nuclei = draw_instances(outlines, rgb.shape[:2])
    of_outline = [NUCLEUS_LABELS.index(TYPES.get(outline.name, "unlabelled")) for outline in outlines]
    types = np.array([0, *of_outline], np.uint8)[nuclei]
    return LabelledImage(name, "monusac", split, mpp or MPP, rgb, nuclei=nuclei, nucleus_types=types, patient=patient)
