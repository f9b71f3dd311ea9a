"""MoNuSeg as it is downloaded: TIFF images and ImageScope XML, in two folders (train) or side by side (test)."""

from functools import partial
from pathlib import Path

from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.files import Pair, find, pair_up, tcga_patient
from cerberus_annotate.learn.data.layouts.imagescope import draw_instances, read_outlines
from cerberus_annotate.learn.data.published import LICENCES
from cerberus_annotate.learn.data.reading import read_picture

MPP = 0.25
DEPTH = 2
"""Of files below a folder that holds both `MoNuSeg 2018 Training Data` and `MoNuSegTestData`."""


def recognise(folder: Path) -> bool:
    """Whether there is a TIFF image for an XML file."""
    images = {path.stem for path in find(folder, (".tif", ".tiff"), DEPTH)}
    return any(path.stem in images for path in find(folder, (".xml",), DEPTH))


def read(folder: Path) -> DataSet:
    """Nuclei without types; split `test` where a folder's name says so (MoNuSegTestData), else `train`."""
    images = {path.stem: path for path in find(folder, (".tif", ".tiff"), DEPTH)}
    labels = {path.stem: path for path in find(folder, (".xml",), DEPTH)}
    pairs, left_out = pair_up(images, labels)
    entries = []
    for pair in pairs:
        above = pair.label.relative_to(folder.parent).parts[:-1]
        split = "test" if any("test" in part.lower() for part in above) else "train"
        patient = tcga_patient(pair.key)
        entries.append(Entry(pair.key, split, patient, None, partial(_read, pair, split, patient)))
    licence = LICENCES["monuseg"]
    return DataSet("monuseg", "monuseg", licence.terms, licence.source, tuple(entries), left_out=left_out)


def _read(pair: Pair, split: str, patient: str | None) -> LabelledImage:
    rgb, _ = read_picture(pair.image)
    nuclei = draw_instances(read_outlines(pair.label), rgb.shape[:2])
    return LabelledImage(pair.key, "monuseg", split, MPP, rgb, nuclei=nuclei, patient=patient)
