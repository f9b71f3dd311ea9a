"""GeoJSON as QuPath writes and reads it (File > Import objects from file): objects in level-0 pixels."""

import json
import math
import uuid as uuid_module
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, get_args

import shapely
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.errors import ProjectError, UsageError
from cerberus_annotate.files import write_in_one_step
from cerberus_annotate.qupath.colours import Colour, from_argb
from cerberus_annotate.qupath.path_object import Kind, PathClass, PathObject

_GEOMETRY_TYPES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)
_KINDS: dict[str, Kind] = {
    **{kind: kind for kind in get_args(Kind)},
    # What QuPath writes since 0.4; it reads tma_core as well.
    "tmaCore": "tma_core",
    # What QuPath 0.2 and 0.3 wrote under `id` and `object_type`.
    "PathAnnotationObject": "annotation",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tma_core",
}


def write_geojson(objects: Iterable[PathObject], path: str | Path) -> None:
    """Write a FeatureCollection, feature by feature; the file is complete or not there (the former one stays).

    Objects without a shape are left out, and nesting is not written (QuPath can resolve it again).
    Raises ProjectError when the file cannot be written.
    """
    path = Path(path)

    def write(file: BinaryIO) -> None:
        file.write(b'{"type":"FeatureCollection","features":[')
        separator = b"\n"
        for item in objects:
            if item.roi is not None:
                file.write(separator + _feature(item).encode("utf-8", "backslashreplace"))
                separator = b",\n"
        file.write(b"\n]}\n")

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_in_one_step(path, write)
    except OSError as error:
        raise ProjectError(f"The GeoJSON file {path} could not be written: {error.strerror or error}.") from error


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _feature(item: PathObject) -> str:
    properties: dict[str, Any] = {"objectType": "tmaCore" if item.kind == "tma_core" else item.kind}
    if item.name is not None:
        properties["name"] = item.name
    if item.colour is not None:
        properties["color"] = list(item.colour)
    if item.path_class is not None:
        names = item.path_class.names
        classification: dict[str, Any] = {"name": names[0]} if len(names) == 1 else {"names": list(names)}
        if item.path_class.colour is not None:
            classification["color"] = list(item.path_class.colour)
        properties["classification"] = classification
    if item.locked:
        properties["isLocked"] = True
    if item.measurements:
        properties["measurements"] = {name: _number(value) for name, value in item.measurements.items()}
    if item.metadata:
        properties["metadata"] = dict(item.metadata)
    nucleus = "" if item.nucleus is None else f'"nucleusGeometry":{_geometry(item.nucleus, item, False)},'
    return (
        f'{{"type":"Feature","id":"{item.uuid}","geometry":{_geometry(item.roi, item, item.roi_kind == "Ellipse")},'
        f'{nucleus}"properties":{_dump(properties)}}}'
    )


def _number(value: float) -> float | str:
    # JSON has no NaN; QuPath's reader takes the words.
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _geometry(geometry: BaseGeometry | None, item: PathObject, is_ellipse: bool) -> str:
    text = shapely.to_geojson(geometry)
    extra = ',"isEllipse":true' if is_ellipse else ""
    if item.plane != (-1, 0, 0):
        c, z, t = item.plane
        extra += f',"plane":{_dump({"c": c, "z": z, "t": t})}'
    return f"{text[:-1]}{extra}}}" if extra else text


def read_geojson(path: str | Path) -> list[PathObject]:
    """Read a FeatureCollection, a Feature, a bare geometry or a list of any of them.

    What does not say its kind is an annotation. Raises UsageError when the file cannot be read.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
        return list(_objects(content))
    except OSError as error:
        raise UsageError(f"The GeoJSON file {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, ShapelyError) as error:
        raise UsageError(f"{path} is not GeoJSON as QuPath writes it: {error}.") from error


def _objects(content: Any) -> Iterator[PathObject]:
    stack: list[tuple[Any, uuid_module.UUID | None]] = [(content, None)]
    while stack:
        item, parent = stack.pop()
        if isinstance(item, list):
            stack += [(part, parent) for part in reversed(item)]
        elif not isinstance(item, Mapping):
            raise ValueError("it holds something that is no feature and no geometry")
        elif item.get("type") == "FeatureCollection":
            stack.append((item["features"], parent))
        elif item.get("type") in _GEOMETRY_TYPES:
            yield _path_object({"geometry": item}, {}, "annotation", parent)
        elif item.get("type") == "Feature":
            properties = item.get("properties") or {}
            kind = _kind(item, properties)
            if kind is not None and item.get("geometry") is not None:
                found = _path_object(item, properties, kind, parent)
                yield found
                parent = found.uuid
            stack.append((properties.get("childObjects") or [], parent))
        else:
            raise ValueError(f"it holds something of the type {item.get('type')!r}")


def _kind(feature: Mapping[str, Any], properties: Mapping[str, Any]) -> Kind | None:
    """The object's kind; None for a root, which has no place of its own."""
    text = properties.get("objectType") or properties.get("object_type") or feature.get("id")
    if text == "root":
        return None
    return _KINDS.get(text, "annotation") if isinstance(text, str) else "annotation"


def _path_object(
    feature: Mapping[str, Any], properties: Mapping[str, Any], kind: Kind, parent: uuid_module.UUID | None
) -> PathObject:
    geometry = feature["geometry"]
    roi = _shape(geometry)
    plane = geometry.get("plane") or properties.get("plane") or {}
    nucleus = feature.get("nucleusGeometry")
    try:
        uuid = uuid_module.UUID(str(feature.get("id")))
    except ValueError:
        uuid = uuid_module.uuid4()
    name = properties.get("name")
    return PathObject(
        roi=roi,
        kind=kind,
        roi_kind="Ellipse" if geometry.get("isEllipse") else _roi_kind(roi),
        plane=(int(plane.get("c", -1)), int(plane.get("z", 0)), int(plane.get("t", 0))),
        nucleus=None if nucleus is None else _shape(nucleus),
        path_class=_path_class(properties.get("classification")),
        name=None if name is None else str(name),
        locked=properties.get("isLocked") is True or properties.get("locked") is True,
        colour=_colour(properties),
        measurements=_measurements(properties.get("measurements")),
        metadata={str(key): str(value) for key, value in (properties.get("metadata") or {}).items()},
        parent=parent,
        uuid=uuid,
    )


def _shape(geometry: Any) -> BaseGeometry:
    # GEOS reads the text ten times faster than Python the lists.
    return shapely.force_2d(shapely.from_geojson(json.dumps(geometry)))


def _roi_kind(roi: BaseGeometry) -> str:
    if roi.geom_type == "Polygon":
        return "Geometry" if roi.interiors else "Polygon"
    if roi.geom_type == "LineString":
        return "Line" if len(roi.coords) == 2 else "Polyline"
    return "Points" if roi.geom_type in ("Point", "MultiPoint") else "Geometry"


def _colour(owner: Mapping[str, Any]) -> Colour | None:
    colour = owner.get("color")
    if isinstance(colour, list) and len(colour) >= 3:
        red, green, blue = (int(part) & 255 for part in colour[:3])
        return red, green, blue
    packed = owner.get("colorRGB", colour)
    return from_argb(packed) if isinstance(packed, int) else None


def _path_class(classification: Any) -> PathClass | None:
    if not classification:
        return None
    if isinstance(classification, str):
        return PathClass.of(classification)
    names = classification.get("names")
    text = ": ".join(names) if names else classification.get("name")
    return PathClass.of(text, _colour(classification)) if text else None


def _measurements(measurements: Any) -> dict[str, float]:
    if isinstance(measurements, list):
        measurements = {entry["name"]: entry["value"] for entry in measurements}
    return {str(name): float("nan") if value is None else float(value) for name, value in (measurements or {}).items()}
