"""Writing GeoJSON, in the form that QuPath 0.4 to 0.7 write or in the older one that all versions from 0.3 on read."""

import functools
import gzip
import json
import math
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.files import write_in_one_step
from cerberus_annotate.qupath.colours import Colour, default_colour, to_argb
from cerberus_annotate.qupath.geojson.shapes import to_texts
from cerberus_annotate.qupath.path_object import PathObject

Form = Literal["0.4", "0.3"]

BATCH = 1000
"""Features that are written at once."""

GZIP_LEVEL = 5

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def write_geojson(objects: Iterable[PathObject], path: str | Path, form: Form = "0.4") -> int:
    """Write a FeatureCollection, feature by feature, compressed when the name ends in .gz; returns how many.

    The file is complete or not there (the former one stays). Coordinates are rounded to 0.01 px, as QuPath does.
    Objects without a shape are left out, and nesting is not written (QuPath can resolve it again).
    form: `0.4` is what QuPath 0.4 and later write. `0.3` is read by 0.3 too, which takes the other's detections for
    annotations and loses their measurements, and by 0.4, which fails on the other's measurements that are no numbers.
    Raises ProjectError when the file cannot be written.
    """
    path = Path(path)
    written = 0

    def write_all(file: BinaryIO) -> None:
        nonlocal written
        file.write(b'{"type":"FeatureCollection","features":[')
        separator = b"\n"
        shaped = (item for item in objects if item.roi is not None and not item.roi.is_empty)
        while batch := list(islice(shaped, BATCH)):
            text = ",\n".join(_features(batch, form))
            # half a pair of surrogates becomes an escape, which JSON knows
            file.write(separator + text.encode("utf-8", "backslashreplace"))
            separator = b",\n"
            written += len(batch)
        file.write(b"\n]}\n")

    def write(file: BinaryIO) -> None:
        if path.suffix.lower() != ".gz":
            write_all(file)
            return
        # no name and no time, so that the same objects make the same file
        with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed:
            write_all(packed)  # type: ignore[arg-type]

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_in_one_step(path, write)
    except OSError as error:
        raise ProjectError(f"The GeoJSON file {path} could not be written: {error.strerror or error}.") from error
    return written


def _features(batch: Sequence[PathObject], form: Form) -> Iterable[str]:
    outlines = to_texts([item.roi for item in batch])
    nuclei = iter(to_texts([item.nucleus for item in batch if item.nucleus is not None]))
    for item, outline in zip(batch, outlines, strict=True):
        place = _with_plane(outline, item.plane, item.roi_kind == "Ellipse")
        nucleus = f'"nucleusGeometry":{_with_plane(next(nuclei), item.plane)},' if item.nucleus is not None else ""
        properties = _encode(_properties(item, form))
        yield f'{{"type":"Feature","id":"{item.uuid}","geometry":{place},{nucleus}"properties":{properties}}}'


def _with_plane(geometry: str, plane: tuple[int, int, int], is_ellipse: bool = False) -> str:
    extra = ""
    if plane != (-1, 0, 0):
        c, z, t = plane
        extra = f',"plane":{{"c":{c},"z":{z},"t":{t}}}'
    if is_ellipse:
        extra += ',"isEllipse":true'
    return f"{geometry[:-1]}{extra}}}" if extra else geometry


def _properties(item: PathObject, form: Form) -> dict[str, Any]:
    old = form == "0.3"
    properties: dict[str, Any] = (
        {"object_type": item.kind} if old else {"objectType": "tmaCore" if item.kind == "tma_core" else item.kind}
    )
    if item.name is not None:
        properties["name"] = item.name
    if item.colour is not None:
        properties["color"] = list(item.colour)
    if item.path_class is not None:
        classify = _old_classification if old else _classification
        properties["classification"] = classify(item.path_class.names, item.path_class.colour)
    if item.locked:
        properties["isLocked"] = True
    if item.measurements:
        numbers = {name: _number(value) for name, value in item.measurements.items()}
        properties["measurements"] = (
            [{"name": name, "value": value} for name, value in numbers.items()] if old else numbers
        )
    if item.metadata:
        properties["metadata"] = dict(item.metadata)
    return properties


@functools.lru_cache(4096)
def _classification(names: tuple[str, ...], colour: Colour | None) -> dict[str, Any]:
    """QuPath refuses the whole file where a classification has no colour, so there always is one."""
    named: dict[str, Any] = {"name": names[0]} if len(names) == 1 else {"names": list(names)}
    return named | {"color": list(colour or default_colour(names))}


@functools.lru_cache(4096)
def _old_classification(names: tuple[str, ...], colour: Colour | None) -> dict[str, Any]:
    level: dict[str, Any] = {"name": names[-1], "colorRGB": to_argb(colour or default_colour(names))}
    if len(names) > 1:
        level["parentClass"] = _old_classification(names[:-1], None)
    return level


def _number(value: float) -> float | str:
    # JSON has no NaN; QuPath's reader takes the words
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
