"""Geometries of GeoJSON as shapely's and back, many at once, with the kinds of ROI that QuPath makes of them."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.qupath.native.roi_reading import ellipses

TYPES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)
DECIMALS = 2  # as many as QuPath writes


def to_texts(geometries: Sequence[BaseGeometry]) -> list[str]:
    """GeoJSON of each geometry, coordinates rounded to 0.01 px."""
    array = np.empty(len(geometries), object)
    array[:] = geometries
    # QuPath has points in one list, however many, and writes a single one as a Point
    single = (shapely.get_type_id(array) == shapely.GeometryType.MULTIPOINT) & (shapely.get_num_geometries(array) == 1)
    array[single] = shapely.get_geometry(array[single], 0)
    texts: list[str] = shapely.to_geojson(shapely.transform(array, lambda points: points.round(DECIMALS))).tolist()
    return texts


def to_shapes(geometries: Sequence[Mapping[str, Any]]) -> tuple[list[BaseGeometry], list[str]]:
    """The shapely geometry of each GeoJSON geometry, and the kind of ROI that QuPath makes of it.

    A third coordinate is dropped; of a collection the parts of the highest dimension count. Raises ValueError,
    TypeError, KeyError or shapely's errors for what is no geometry.
    """
    shapes: list[Any] = [None] * len(geometries)
    kinds = [""] * len(geometries)
    plain = []
    for place, geometry in enumerate(geometries):
        if geometry["type"] == "Polygon" and len(geometry["coordinates"]) == 1 and not geometry.get("isEllipse"):
            plain.append(place)
        else:
            shapes[place], kinds[place] = _one(geometry)
    if plain:
        polygons, are_boxes = _polygons([geometries[place]["coordinates"][0] for place in plain])
        for place, polygon, is_box in zip(plain, polygons.tolist(), are_boxes.tolist(), strict=True):
            shapes[place], kinds[place] = polygon, "Rectangle" if is_box else "Polygon"
    return shapes, kinds


def _polygons(rings: Sequence[Sequence[Sequence[float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Polygons without holes, and which of them are boxes along the axes."""
    lengths = np.array([len(ring) for ring in rings])
    if (lengths < 3).any():
        raise ValueError("an outline has fewer than three points")
    points = _points(list(chain.from_iterable(rings)))
    shapes = shapely.polygons(shapely.linearrings(points, indices=np.repeat(np.arange(len(rings)), lengths)))
    are_boxes = np.zeros(len(rings), bool)
    five = np.flatnonzero(lengths == 5)
    corners = points[(np.cumsum(lengths) - lengths)[five, None] + np.arange(5)]
    across = np.diff(corners, axis=1) != 0
    # each side along one axis, the axes taking turns, and back to the start
    turns = across[:, :, 0] != across[:, :, 1]
    takes_turns = across[:, 1:, 0] != across[:, :-1, 0]
    closed = (corners[:, 0] == corners[:, 4]).all(axis=1)
    are_boxes[five] = turns.all(axis=1) & takes_turns.all(axis=1) & closed
    return shapes, are_boxes


def _points(rows: list[Sequence[float]]) -> np.ndarray:
    """float64 (n, 2)."""
    try:
        points = np.array(rows, np.float64)
    except ValueError:
        # some rows have a third coordinate
        points = np.array([row[:2] for row in rows], np.float64)
    if points.ndim != 2 or points.shape[1] < 2:
        raise ValueError("a point has fewer than two coordinates")
    return points[:, :2]


def _one(geometry: Mapping[str, Any]) -> tuple[BaseGeometry, str]:
    """Everything but plain polygons."""
    if geometry["type"] not in TYPES:
        raise ValueError(f"it has a geometry of the type {geometry['type']!r}")
    # GEOS reads the text ten times faster than Python the lists
    shape = _of_one_dimension(shapely.force_2d(shapely.from_geojson(json.dumps(geometry))))
    if geometry.get("isEllipse") and not shape.is_empty:
        return ellipses(np.array([shape.bounds]))[0], "Ellipse"
    if shape.geom_type == "Point" and not shape.is_empty:
        shape = shapely.MultiPoint([shape])
    return shape, _kind(shape)


def _of_one_dimension(shape: BaseGeometry) -> BaseGeometry:
    """A collection's parts of the highest dimension, as QuPath takes them."""
    if shape.geom_type != "GeometryCollection":
        return shape
    parts = shapely.get_parts(shapely.get_parts(shape)) if not shape.is_empty else np.array([])
    while any(part.geom_type == "GeometryCollection" for part in parts):
        parts = shapely.get_parts(parts)
    if not len(parts):
        return shapely.Polygon()
    dimensions = shapely.get_dimensions(parts)
    chosen = parts[dimensions == dimensions.max()]
    if len(chosen) == 1:
        return chosen[0]
    build = (shapely.multipoints, shapely.multilinestrings, shapely.multipolygons)[int(dimensions.max())]
    return build(chosen)


def _kind(shape: BaseGeometry) -> str:
    if shape.geom_type == "Polygon":
        return "Geometry" if shape.interiors else "Polygon"
    if shape.geom_type == "LineString":
        return "Line" if len(shape.coords) == 2 else "Polyline"
    return "Points" if shape.geom_type == "MultiPoint" else "Geometry"
