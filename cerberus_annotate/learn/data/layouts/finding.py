"""Which of the known layouts a folder has."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data import manifest
from cerberus_annotate.learn.data.labelled_image import DataSet
from cerberus_annotate.learn.data.layouts import (
    conic,
    consep,
    ebhi_seg,
    glas,
    lizard,
    monusac,
    monuseg,
    nct_crc,
    pannuke,
)


@dataclass(frozen=True)
class Layout:
    """A way in which a data set lies on disk. shape: what a folder of it has, for people to read."""

    name: str
    shape: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path], DataSet]


LAYOUTS = (
    Layout("manifest", "manifest.csv, one row an image", manifest.recognise, manifest.read_manifest),
    Layout("glas", "train_1.bmp with train_1_anno.bmp …, Grade.csv", glas.recognise, glas.read),
    Layout("ebhi-seg", "Normal/image and Normal/label, Polyp/image …", ebhi_seg.recognise, ebhi_seg.read),
    Layout("nct-crc-he", "the nine folders ADI, BACK, … TUM of patches", nct_crc.recognise, nct_crc.read),
    Layout("conic", "images.npy and labels.npy", conic.recognise, conic.read),
    Layout("pannuke", "Fold 1/images/fold1/images.npy with masks.npy", pannuke.recognise, pannuke.read),
    Layout("consep", "Train/Images and Train/Labels with .mat files", consep.recognise, consep.read),
    Layout("lizard", "PNG images, and .mat files with inst_map, id and class", lizard.recognise, lizard.read),
    Layout("monusac", "patients' folders of .svs with .xml", monusac.recognise, monusac.read),
    Layout("monuseg", "Tissue Images/*.tif with Annotations/*.xml", monuseg.recognise, monuseg.read),
)
"""In the order in which they are tried; the first that recognises a folder reads it."""


def read_data_set(folder: Path) -> DataSet:
    """The data set in a folder, in whichever layout it lies there; only its index is read.

    A folder in no layout that has one other folder in it, as archives unpack to, stands for that one. Raises
    UsageError, which names the layouts, where none fits, and where an index is damaged.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    for layout in LAYOUTS:
        if layout.recognise(folder):
            return layout.read(folder)
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))]
    if len(inside) == 1:
        return read_data_set(inside[0])
    known = "\n".join(f"  {layout.name}: {layout.shape}" for layout in LAYOUTS)
    raise UsageError(f"{folder}: is no data set in a layout that we know. It needs one of\n{known}")
