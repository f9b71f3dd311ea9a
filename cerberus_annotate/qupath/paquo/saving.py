"""Putting what QuPath writes in place: whole, and holding what was asked, or not at all."""

import contextlib
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import shapely

from cerberus_annotate.errors import DataFileError
from cerberus_annotate.files import copy_file, replace_file, sync_folder, temporary_beside
from cerberus_annotate.qupath.native import new_data
from cerberus_annotate.qupath.native.commit import replace_unchanged
from cerberus_annotate.qupath.object_rules import describe
from cerberus_annotate.qupath.paquo.data_file import read_hierarchy, write_image_data
from cerberus_annotate.qupath.paquo.editing import JavaEdit
from cerberus_annotate.qupath.paquo.image import PaquoImage
from cerberus_annotate.qupath.paquo.reading import ClassReader, read_objects, walk
from cerberus_annotate.qupath.paquo.virtual_machine import java_errors, reason
from cerberus_annotate.qupath.path_object import PathObject

#: px by which vertices may move when QuPath reads them (it rounds geometries to 0.01 px and then to float32).
_ROUNDING = 0.02


def save(image: PaquoImage, edit: JavaEdit, *, expected: str, backup: Path | None) -> None:
    """Let QuPath write the image's data, read them back with QuPath, compare, and put the file in place.

    expected: fingerprint that the present file must still have. backup: where a copy of it is kept.
    Raises DataFileError, ProjectChangedError; the present file is then as it was, whatever the moment.
    """
    path = image.data_path
    made_folder = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary:
            write_image_data(edit.image_data, temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            _check(image.name, temporary, edit.expected)
            if backup is not None and path.exists():
                copy_file(path, backup)
            replace_unchanged(temporary, path, image.name, expected)
        sync_folder(path.parent)
    except java_errors(OSError, MemoryError, ValueError) as error:
        raise DataFileError(
            f"The data file of image '{image.name}' ({path}) could not be written: {_why(error)}. "
            "It is as it was before."
        ) from error
    finally:
        if made_folder:
            # Only when nothing came into it.
            with contextlib.suppress(OSError):
                path.parent.rmdir()
    _write_summary(image, edit)


def _why(error: BaseException) -> str:
    if isinstance(error, java_errors()):
        return reason(error)
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error) or type(error).__name__


def _check(image_name: str, path: Path, expected: Mapping[int, PathObject]) -> None:
    """Raise ValueError when QuPath does not read from the file what it was asked to write."""
    items = list(walk(read_hierarchy(image_name, path)))
    found = {item.uuid.int: item for item in read_objects(items, ClassReader(()))}
    if found.keys() != expected.keys() or len(items) != len(expected):
        raise ValueError(f"QuPath wrote {len(items)} objects of {len(expected)}, or others than those asked for")
    for number, item in expected.items():
        part = difference(item, found[number])
        if part:
            raise ValueError(f"QuPath wrote another {part} than was asked for: {describe(item)}")


def difference(asked: PathObject, found: PathObject) -> str:
    """The first part in which an object that QuPath reads is not what was asked for, "" when there is none.

    Measurements may have lost what float32 does not hold; vertices may have moved by QuPath's rounding.
    """
    for part in ("kind", "name", "locked", "colour", "plane", "parent", "path_class"):
        if getattr(asked, part) != getattr(found, part):
            return part.replace("_", " ")
    if dict(asked.metadata) != dict(found.metadata):
        return "metadata"
    if list(asked.measurements) != list(found.measurements) or not all(
        map(_same_number, asked.measurements.values(), found.measurements.values())
    ):
        return "measurements"
    if not _same_number(asked.class_probability, found.class_probability):
        return "class probability"
    if asked.roi_kind != found.roi_kind or not _same_shape(asked.roi, found.roi):
        return "shape"
    return "" if _same_shape(asked.nucleus, found.nucleus) else "nucleus"


def _same_number(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-37) or (math.isnan(one) and math.isnan(other))


def _same_shape(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(shapely.equals_exact(one, other, _ROUNDING))


def _write_summary(image: PaquoImage, edit: JavaEdit) -> None:
    """summary.json is for QuPath's display only: when it cannot be written the data are none the worse."""
    image_type = str(edit.image_data.getImageType().name())
    hierarchy = new_data.hierarchy_summary(Counter((item.kind, item.path_class) for item in edit.expected.values()))
    with contextlib.suppress(OSError):
        moment = image.data_path.stat().st_mtime_ns // 1_000_000
        text = new_data.summary(image_type, image.server.metadata, hierarchy, moment)
        replace_file(image.folder / "summary.json", text.encode("utf-8"))
