"""CoNSeP as it is downloaded: Train and Test, each with Images (PNG) and Labels (MATLAB files)."""

from functools import partial
from pathlib import Path

from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts.files import PICTURES, Pair, find, pair_up
from cerberus_annotate.learn.data.nucleus_types import nucleus_table
from cerberus_annotate.learn.data.published import CONSEP_TYPES, LICENCES
from cerberus_annotate.learn.data.reading import as_label, check_size, mat_variables, read_mat, read_picture

MPP = 0.25
VARIABLES = ("inst_map", "type_map")


def recognise(folder: Path) -> bool:
    """Whether there are folders Images and Labels, the labels with a map of types."""
    labels = (path for part in _parts(folder) for path in find(part / "Labels", (".mat",), 0))
    first = next(labels, None)
    return first is not None and set(VARIABLES) <= mat_variables(first)


def read(folder: Path) -> DataSet:
    """Nuclei and types; the split is the name of the folder, in lower case (train, test)."""
    entries: list[Entry] = []
    left_out: tuple[str, ...] = ()
    for part in _parts(folder):
        split = part.name.lower()
        images = {path.stem: path for path in find(part / "Images", PICTURES, 0)}
        labels = {path.stem: path for path in find(part / "Labels", (".mat",), 0)}
        pairs, alone = pair_up(images, labels)
        left_out += alone
        entries += [Entry(pair.key, split, None, None, partial(_read, pair, split)) for pair in pairs]
    licence = LICENCES["consep"]
    return DataSet("consep", "consep", licence.terms, licence.source, tuple(entries), left_out=left_out)


def _parts(folder: Path) -> list[Path]:
    """Train and Test, or the folder itself where it is one of them."""
    candidates = [folder, *sorted((path for path in folder.iterdir() if path.is_dir()), reverse=True)]
    return [path for path in candidates if (path / "Images").is_dir() and (path / "Labels").is_dir()]


def _read(pair: Pair, split: str) -> LabelledImage:
    rgb, _ = read_picture(pair.image)
    content = read_mat(pair.label, VARIABLES)
    nuclei = as_label(content["inst_map"], pair.label).astype("int32")
    types = as_label(content["type_map"], pair.label).astype("uint8")
    for label in (nuclei, types):
        check_size(label.shape, pair.label, rgb.shape[:2], pair.image.name)
    return LabelledImage(
        pair.key, "consep", split, MPP, rgb, nuclei=nuclei, nucleus_types=nucleus_table(CONSEP_TYPES)[types]
    )
