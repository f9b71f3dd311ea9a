"""NCT-CRC-HE-100K and CRC-VAL-HE-7K as they are downloaded: nine folders of patches, one a class."""

from functools import partial
from pathlib import Path

from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.files import PICTURES, find, natural_order, tcga_patient
from cerberus_annotate.learn.data.published import LICENCES, NCT_CRC_CLASSES
from cerberus_annotate.learn.data.reading import read_picture

MPP = 0.5


def recognise(folder: Path) -> bool:
    """Whether a folder, or each of the sets in it, has the nine class folders."""
    return bool(_sets(folder))


def read(folder: Path) -> DataSet:
    """The class of each patch; split `test` for CRC-VAL-HE-7K, whose file names hold `TCGA`, and `train` for
    NCT-CRC-HE-100K. Patients are not published."""
    entries = []
    for one in _sets(folder):
        for patch_class in NCT_CRC_CLASSES:
            for path in sorted(find(one / patch_class, PICTURES, 0), key=natural_order):
                split = "test" if "-TCGA-" in path.stem else "train"
                patient = tcga_patient(path.stem)
                read = partial(_read, path, split, patch_class, patient)
                entries.append(Entry(f"{patch_class}/{path.stem}", split, patient, patch_class, read))
    licence = LICENCES["nct-crc-he"]
    return DataSet("nct-crc-he", "nct-crc-he", licence.terms, licence.source, tuple(entries), NCT_CRC_CLASSES)


def _sets(folder: Path) -> list[Path]:
    """The folders that have all nine class folders: this one, or those in it."""
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    return [path for path in candidates if all((path / name).is_dir() for name in NCT_CRC_CLASSES)]


def _read(path: Path, split: str, patch_class: str, patient: str | None) -> LabelledImage:
    rgb, _ = read_picture(path)
    return LabelledImage(
        f"{patch_class}/{path.stem}", "nct-crc-he", split, MPP, rgb, patch_class=patch_class, patient=patient
    )
