"""Data sets as folders with a `manifest.csv`: one row an image, columns that say what labels it has."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.label_names import GLAND_LABELS, NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import UNLABELLED, DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.nucleus_types import nucleus_table
from cerberus_annotate.learn.data.published import COLUMNS, FOREGROUND_CLASSES, LICENCES, NOT_STATED, Columns, Licence
from cerberus_annotate.learn.data.reading import read_classes, read_foreground, read_instances, read_picture

MANIFEST = "manifest.csv"
POINTS = "points.csv"

TASK_COLUMNS = {
    "nuclei": Columns(nuclei="label"),
    "gland": Columns(glands="label"),
    "lumen": Columns(lumina="label"),
    "mask": Columns(mask="label"),
}
"""What `label` holds in a set that we do not know, by its column `task`."""

LABEL_COLUMNS = ("nuclei", "nucleus_types", "glands", "gland_types", "lumina", "mask", "patch_class")
"""Columns that a set that we do not know may have instead, each for the label that it is named after."""

ADD_COLUMNS = (
    "Add the columns image, label and task (nuclei, gland, lumen or mask), or image and any of "
    f"{', '.join(LABEL_COLUMNS)}."
)

OWN = "own"
"""Name of the data set where the manifest gives none."""

Row = Mapping[str, str]
Point = tuple[float, float, str]
"""x and y in px, and the class as points.csv names it."""


@dataclass(frozen=True)
class _Place:
    """A row and where it stands."""

    folder: Path
    line: int
    row: Row

    def refused(self, reason: str) -> UsageError:
        return UsageError(f"{self.folder / MANIFEST}, line {self.line}: {reason}")

    def file(self, column: str) -> Path:
        """The file that a column names. Raises UsageError where it names none."""
        if not self.row.get(column):
            raise self.refused(f"the column {column} is empty or missing; it names a file.")
        return self.folder / self.row[column]


def recognise(folder: Path) -> bool:
    """Whether a folder has a manifest."""
    return (folder / MANIFEST).is_file()


def read_manifest(folder: Path) -> DataSet:
    """The data set of a manifest; pictures and labels are read when asked for, at their own resolution.

    Data set, mpp and split come from the manifest's columns, never from the folder's name. A data set of our table
    (`published.COLUMNS`) is read by it; any other needs the column `task`, or columns named after labels:
    `nuclei`, `glands`, `lumina` (instance maps), `nucleus_types` and `gland_types` (maps of indices of the names in the
    columns `nucleus_labels` and `gland_labels`, without them of `NUCLEUS_LABELS` and `GLAND_LABELS`), `mask` (map of
    indices of the names in the column `mask_classes`), `patch_class` (a word). Names are separated by semicolons. The
    column `ignore` names a map of what does not count, where it is not 0.
    Raises UsageError where a column is missing or holds what cannot be.
    """
    places = _rows(folder)
    columns = [_columns(place) for place in places]
    points = _read_points(folder)
    entries = []
    for place, meaning in zip(places, columns, strict=True):
        _mpp(place)
        name = _name(place)
        patient = place.row.get("patient") or None
        split = place.row.get("split", "")
        if not split and patient and meaning.split:
            split = meaning.split(patient)
        patch_class = place.row.get(meaning.patch_class) or None if meaning.patch_class else None
        read = partial(_read, place, meaning, split, points.get(name, []))
        entries.append(Entry(name, split, patient, patch_class, read, place.row.get("region", "")))
    names = sorted({place.row["dataset"] for place in places})
    licence = _licence(names, places[0].row)
    return DataSet(
        " + ".join(names), "manifest", licence.terms, licence.source, tuple(entries), _patch_classes(columns, entries)
    )


def _rows(folder: Path) -> list[_Place]:
    manifest = folder / MANIFEST
    try:
        text = manifest.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{manifest}: is no UTF-8 text. Save it as CSV in UTF-8.") from None
    header = text.partition("\n")[0]
    # spreadsheets write semicolons where a comma stands in decimals
    reader = csv.DictReader(text.splitlines(), delimiter=";" if header.count(";") > header.count(",") else ",")
    places = []
    for row in reader:
        content = {(key or "").strip(): (value or "").strip() for key, value in row.items() if isinstance(value, str)}
        places.append(_Place(folder, reader.line_num, {**content, "dataset": content.get("dataset") or OWN}))
    if not places:
        raise UsageError(f"{manifest}: has no rows; it names one image a row. {ADD_COLUMNS}")
    return places


def _columns(place: _Place) -> Columns:
    """What the columns of a row mean."""
    known = COLUMNS.get(place.row["dataset"])
    meaning = known if known is not None else _own_columns(place)
    if not place.row.get(meaning.image):
        raise place.refused(f"has no {meaning.image}. {ADD_COLUMNS}")
    return meaning


def _own_columns(place: _Place) -> Columns:
    row = place.row
    task = row.get("task", "")
    if task:
        if task not in TASK_COLUMNS:
            raise place.refused(f"the task '{task}' is none of {', '.join(TASK_COLUMNS)}.")
        meaning = TASK_COLUMNS[task]
    else:
        own = {name: name for name in LABEL_COLUMNS if row.get(name)}
        meaning = Columns(
            nuclei=own.get("nuclei"),
            nucleus_types=own.get("nucleus_types"),
            glands=own.get("glands"),
            lumina=own.get("lumina"),
            mask=own.get("mask"),
            patch_class=own.get("patch_class"),
            gland_types=own.get("gland_types"),
        )
        if meaning == Columns():
            raise place.refused(f"does not say what its labels are (data set '{row['dataset']}'). {ADD_COLUMNS}")
    if meaning.mask:
        meaning = replace(meaning, mask_classes=_names(row, "mask_classes") or FOREGROUND_CLASSES)
    return replace(
        meaning,
        ignore="ignore" if row.get("ignore") else None,
        nucleus_labels=_names(row, "nucleus_labels") or NUCLEUS_LABELS,
        gland_labels=_names(row, "gland_labels") or GLAND_LABELS,
    )


def _names(row: Row, column: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in row.get(column, "").split(";") if name.strip())


def _name(place: _Place) -> str:
    """The column `name`, else the image's path without its suffix."""
    named = place.row.get("name")
    return named or str(Path(place.row["image"]).with_suffix("").as_posix())


def _mpp(place: _Place) -> float | None:
    text = place.row.get("mpp", "")
    try:
        mpp = float(text) if text else None
    except ValueError:
        mpp = float("nan")
    if mpp is not None and not 0.01 <= mpp <= 20:
        raise place.refused(f"the mpp '{text}' is no pixel size; give µm per pixel such as 0.5, or leave it empty.")
    return mpp


def _licence(names: list[str], row: Row) -> Licence:
    """What the manifest's own columns `licence` and `source` say, else what we know."""
    known = [LICENCES.get(name, NOT_STATED) for name in names]
    return Licence(
        row.get("licence") or " + ".join(dict.fromkeys(licence.terms for licence in known)),
        row.get("source") or " + ".join(dict.fromkeys(licence.source for licence in known)),
    )


def _patch_classes(columns: list[Columns], entries: list[Entry]) -> tuple[str, ...]:
    """The published order, then whatever else there is by name."""
    published = dict.fromkeys(name for meaning in columns for name in meaning.patch_classes)
    others = sorted({entry.patch_class for entry in entries if entry.patch_class} - set(published))
    return (*published, *others)


def _read(place: _Place, columns: Columns, split: str, points: list[Point]) -> LabelledImage:
    row = place.row
    path = place.file(columns.image)
    rgb, file_mpp = read_picture(path)
    size = rgb.shape[:2]
    picture = row[columns.image]

    def instances(column: str | None) -> NDArray[np.int32] | None:
        return read_instances(place.file(column), size, picture) if column else None

    glands = instances(columns.glands)
    return LabelledImage(
        name=_name(place),
        dataset=row["dataset"],
        split=split,
        mpp=_mpp(place) or file_mpp,
        rgb=rgb,
        nuclei=instances(columns.nuclei),
        nucleus_types=_nucleus_types(place, columns, size),
        nucleus_points=_nucleus_points(place, columns, points, size),
        glands=glands,
        gland_types=_gland_types(place, columns, glands),
        lumina=instances(columns.lumina),
        mask=_mask(place, columns, size),
        mask_classes=columns.mask_classes,
        patch_class=(row.get(columns.patch_class) or None) if columns.patch_class else None,
        patient=row.get("patient") or None,
        ignore=read_classes(place.file(columns.ignore), size, picture) > 0 if columns.ignore else None,
        nucleus_labels=columns.nucleus_labels,
        gland_labels=columns.gland_labels,
    )


def _nucleus_types(place: _Place, columns: Columns, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    if not columns.nucleus_types:
        return None
    path = place.file(columns.nucleus_types)
    types = read_classes(path, size, place.row[columns.image])
    if columns.nucleus_type_names:
        return nucleus_table(columns.nucleus_type_names)[types]
    return _within(place, path, types, columns.nucleus_labels)


def _within(place: _Place, path: Path, types: NDArray[np.uint8], labels: tuple[str, ...]) -> NDArray[np.uint8]:
    if types.max(initial=0) >= len(labels):
        raise place.refused(
            f"{path.name} holds the type {types.max()}; the types are 0 to {len(labels) - 1}: {', '.join(labels)}."
        )
    return types


def _nucleus_points(
    place: _Place, columns: Columns, points: list[Point], size: tuple[int, int]
) -> NDArray[np.float64] | None:
    """Points of an image, those on its far border moved inside it."""
    if columns.point_types is None:
        return None
    unknown = sorted({klass for _, _, klass in points} - set(columns.point_types))
    if unknown:
        raise UsageError(
            f"{place.folder / POINTS}: the class '{unknown[0]}' at {_name(place)} is none of "
            f"{', '.join(columns.point_types)}."
        )
    labels = [(x, y, NUCLEUS_LABELS.index(columns.point_types[klass])) for x, y, klass in points]
    found = np.array(labels, np.float64).reshape(-1, 3)
    height, width = size
    found[:, 0] = found[:, 0].clip(0, np.nextafter(width, 0))
    found[:, 1] = found[:, 1].clip(0, np.nextafter(height, 0))
    return found


def _gland_types(place: _Place, columns: Columns, glands: NDArray[np.int32] | None) -> NDArray[np.uint8] | None:
    if columns.gland_types and glands is not None:
        path = place.file(columns.gland_types)
        types = read_classes(path, (glands.shape[0], glands.shape[1]), place.row[columns.image])
        return _within(place, path, types, columns.gland_labels)
    if not columns.gland_type or glands is None:
        return None
    name = place.row.get(columns.gland_type)
    if not name:
        return None
    if name not in GLAND_LABELS:
        raise place.refused(f"the {columns.gland_type} '{name}' is none of {', '.join(GLAND_LABELS[1:])}.")
    return np.where(glands > 0, GLAND_LABELS.index(name), 0).astype(np.uint8)


def _mask(place: _Place, columns: Columns, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    if not columns.mask:
        return None
    path = place.file(columns.mask)
    if columns.mask_values is None and len(columns.mask_classes) == 2:
        return read_foreground(path, size, place.row[columns.image])
    values = read_classes(path, size, place.row[columns.image])
    own = {**{index: index for index in range(len(columns.mask_classes))}, UNLABELLED: UNLABELLED}
    table = own if columns.mask_values is None else columns.mask_values
    unknown = sorted(set(np.unique(values).tolist()) - set(table))
    if unknown:
        raise place.refused(
            f"{path.name} holds the values {', '.join(map(str, unknown))}, which name no class; "
            f"the classes are {', '.join(columns.mask_classes)}, from 0 on."
        )
    lookup = np.zeros(256, np.uint8)
    for value, index in table.items():
        lookup[value] = index
    return lookup[values]


def _read_points(folder: Path) -> dict[str, list[Point]]:
    """The points of points.csv (name, x, y, klass) by image, empty where there is no such file."""
    path = folder / POINTS
    points: dict[str, list[Point]] = {}
    if not path.is_file():
        return points
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                points.setdefault(row["name"], []).append((float(row["x"]), float(row["y"]), row["klass"]))
        except (KeyError, ValueError, TypeError):
            raise UsageError(
                f"{path}, line {reader.line_num}: is no point; each row has name, x, y (px) and klass."
            ) from None
    return points
