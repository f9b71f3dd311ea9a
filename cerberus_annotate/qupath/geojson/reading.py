"""Reading GeoJSON: what QuPath 0.2 to 0.7 wrote, and what other tools write for it."""

import functools
import json
import math
import sys
import uuid as uuid_module
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath.colours import Colour, from_argb
from cerberus_annotate.qupath.geojson.features import features, open_text
from cerberus_annotate.qupath.geojson.shapes import TYPES, to_shapes
from cerberus_annotate.qupath.path_object import Kind, PathClass, PathObject

BATCH = 1000
"""Features whose outlines are made at once."""

#: What QuPath 0.2 wrote, as the feature's id.
_OLD_KINDS: dict[str, Kind | Literal["root"]] = {
    "PathAnnotationObject": "annotation",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tma_core",
    "PathRootObject": "root",
}
_KINDS: dict[str, Kind | Literal["root"]] = {
    **{kind: kind for kind in get_args(Kind)},
    **_OLD_KINDS,
    # what QuPath writes since 0.4; 0.3 wrote tma_core
    "tmaCore": "tma_core",
    "root": "root",
}

#: Names the ids of features that have none, so that the same file gives the same ids each time.
_NAMESPACE = uuid_module.UUID("6f1c2c52-6f0e-5c6b-9d0e-0f3f7f0b7a51")

_UNREADABLE = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    ShapelyError,
    TypeError,
    ValueError,
)


class _Found(NamedTuple):
    """A feature with a shape, on the way to an object."""

    feature: Mapping[str, Any]
    properties: Mapping[str, Any]
    kind: Kind
    parent: uuid_module.UUID | None
    uuid: uuid_module.UUID


def read_geojson(path: str | Path) -> list[PathObject]:
    """All objects of a file; see `iterate_geojson`."""
    return list(iterate_geojson(path))


def iterate_geojson(path: str | Path) -> Iterator[PathObject]:
    """The objects of a FeatureCollection, a Feature, a bare geometry or a list of any of them; parents come first.

    The file may be compressed with gzip. Shapes are in the file's coordinates, which QuPath has in level-0 px. What
    does not say its kind is an annotation; what has no shape is left out, and its children take its place. A feature
    without a UUID gets one that follows from its content, the same each time that the file is read.
    Raises UsageError when the file cannot be read, when the reading comes to the place.
    """
    path = Path(path)
    try:
        with open_text(path) as file:
            found = _found(features(file))
            while batch := list(islice(found, BATCH)):
                yield from _path_objects(batch)
    except (EOFError, zlib.error) as error:
        raise UsageError(f"The GeoJSON file {path} is damaged or cut off: {error}.") from error
    except OSError as error:
        raise UsageError(f"The GeoJSON file {path} cannot be read: {error.strerror or error}.") from error
    except _UNREADABLE as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path} is not GeoJSON as QuPath writes it: {reason}.") from error


def _found(content: Iterator[Any]) -> Iterator[_Found]:
    """The features that are objects, those in `childObjects` after the one that they stand in."""
    seen: Counter[str] = Counter()
    for outer in content:
        stack: list[tuple[Any, uuid_module.UUID | None]] = [(outer, None)]
        while stack:
            item, parent = stack.pop()
            if isinstance(item, list):
                stack += [(part, parent) for part in reversed(item)]
            elif not isinstance(item, Mapping):
                raise ValueError("it holds something that is no feature and no geometry")
            elif item.get("type") == "FeatureCollection":
                stack.append((item["features"], parent))
            elif item.get("type") in TYPES:
                yield _Found({"geometry": item}, {}, "annotation", parent, _uuid({}, item, seen))
            elif item.get("type") == "Feature":
                properties = item.get("properties") or {}
                kind = _kind(item, properties)
                # QuPath writes {} for an object without ROI
                if kind != "root" and item.get("geometry"):
                    uuid = _uuid(item, item, seen)
                    yield _Found(item, properties, kind, parent, uuid)
                    parent = uuid
                stack.append((properties.get("childObjects") or properties.get("children") or [], parent))
            else:
                raise ValueError(f"it holds something of the type {item.get('type')!r}")


def _kind(feature: Mapping[str, Any], properties: Mapping[str, Any]) -> Kind | Literal["root"]:
    """The object's kind; a root has no place of its own."""
    text = properties.get("objectType") or properties.get("object_type") or properties.get("type")
    if isinstance(text, str):
        return _KINDS.get(text, "annotation")
    given = feature.get("id")
    return _OLD_KINDS.get(given, "annotation") if isinstance(given, str) else "annotation"


def _uuid(feature: Mapping[str, Any], content: Mapping[str, Any], seen: Counter[str]) -> uuid_module.UUID:
    """The feature's id where it is a UUID; else one that follows from the content and how often it came before."""
    given = feature.get("id")
    if isinstance(given, str) and len(given) == 36:
        try:
            return uuid_module.UUID(given)
        except ValueError:
            pass
    text = str(uuid_module.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True)))
    seen[text] += 1
    return uuid_module.uuid5(_NAMESPACE, f"{text} {seen[text]}")


def _path_objects(batch: Sequence[_Found]) -> Iterator[PathObject]:
    shapes, roi_kinds = to_shapes([found.feature["geometry"] for found in batch])
    nuclei: list[BaseGeometry | None] = [None] * len(batch)
    cells = [
        place for place, found in enumerate(batch) if found.kind == "cell" and found.feature.get("nucleusGeometry")
    ]
    for place, nucleus in zip(cells, to_shapes([batch[at].feature["nucleusGeometry"] for at in cells])[0], strict=True):
        nuclei[place] = nucleus
    for found, shape, roi_kind, nucleus in zip(batch, shapes, roi_kinds, nuclei, strict=True):
        if not shape.is_empty:
            yield _path_object(found, shape, roi_kind, nucleus)


def _path_object(found: _Found, roi: BaseGeometry, roi_kind: str, nucleus: BaseGeometry | None) -> PathObject:
    feature, properties = found.feature, found.properties
    name = properties.get("name")
    return PathObject(
        roi=roi,
        kind=found.kind,
        roi_kind=roi_kind,
        plane=_plane(feature["geometry"].get("plane") or properties.get("plane")),
        nucleus=nucleus,
        path_class=_path_class(properties.get("classification")),
        name=None if name is None else str(name),
        locked=properties.get("isLocked") is True or properties.get("locked") is True,
        colour=_colour(properties),
        measurements=_measurements(properties.get("measurements")),
        metadata=_metadata(properties.get("metadata")),
        parent=found.parent,
        uuid=found.uuid,
    )


def _plane(plane: Mapping[str, Any] | None) -> tuple[int, int, int]:
    return (-1, 0, 0) if not plane else (int(plane.get("c", -1)), int(plane.get("z", 0)), int(plane.get("t", 0)))


def _colour(owner: Mapping[str, Any]) -> Colour | None:
    """[red, green, blue], with or without alpha, or a packed number."""
    colour = owner.get("color")
    if isinstance(colour, list) and len(colour) >= 3:
        red, green, blue = (int(part) & 255 for part in colour[:3])
        return red, green, blue
    packed = owner.get("colorRGB", colour)
    return from_argb(packed) if isinstance(packed, int) else None


def _path_class(classification: Any) -> PathClass | None:
    """A text, {"name" or "names", "color"} as since 0.4, or {"name", "colorRGB", "parentClass"} as before."""
    if not classification:
        return None
    if isinstance(classification, str):
        return _shared_class(classification, None)
    names = classification.get("names")
    if not names:
        names = []
        level = classification
        while level and level.get("name"):
            names.insert(0, level["name"])
            level = level.get("parentClass")
    return _shared_class(": ".join(names), _colour(classification)) if names else None


@functools.lru_cache(4096)
def _shared_class(text: str, colour: Colour | None) -> PathClass:
    return PathClass.of(text, colour)


def _measurements(measurements: Any) -> dict[str, float]:
    """{name: value} as since 0.4, or [{"name", "value"}] as before; QuPath writes NaN and Infinity as words."""
    if not measurements:
        return {}
    if isinstance(measurements, list):
        measurements = {entry["name"]: entry["value"] for entry in measurements}
    # a million objects have the same few names
    return {sys.intern(str(name)): math.nan if value is None else float(value) for name, value in measurements.items()}


def _metadata(metadata: Any) -> dict[str, str]:
    """Texts as they are, numbers and truths as JSON has them; the rest QuPath drops as well."""
    return {
        sys.intern(str(key)): value if isinstance(value, str) else json.dumps(value)
        for key, value in (metadata or {}).items()
        if isinstance(value, str | int | float)
    }
