"""Regions of interest of the stream as shapely geometries, many at once."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.qupath.java.values import ClassDesc, JavaObject
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native.object_parts import MalformedError

Plane = tuple[int, int, int]
Geometries = list[BaseGeometry]

#: Vertices of the polygon that stands for an ellipse: at most 4e-5 of its radius away from it.
ELLIPSE_VERTICES = 360


def read_rois(nodes: Sequence[JavaObject]) -> tuple[Geometries, list[str], list[Plane]]:
    """Geometry (level-0 px), QuPath's name of the kind, and plane (c, z, t) of each ROI.

    Vertices are the file's numbers, exactly. Raises MalformedError for an unknown class or impossible contents.
    """
    geometries: list[Any] = [None] * len(nodes)
    kinds = [""] * len(nodes)
    planes: list[Plane] = [(-1, 0, 0)] * len(nodes)
    groups: dict[ClassDesc, list[int]] = {}
    for position, node in enumerate(nodes):
        if type(node) is not JavaObject:
            raise MalformedError("a region of interest is no object")
        groups.setdefault(node.desc, []).append(position)
    shared_planes: dict[Plane, Plane] = {}
    for descriptor, positions in groups.items():
        if descriptor.name not in _READERS:
            raise MalformedError(f"{descriptor.name} is no known region of interest")
        kind, read, wanted = _READERS[descriptor.name]
        fields = _getter(descriptor, ("c", "z", "t", *wanted))
        rows = [fields(nodes[position].data[-1].values) for position in positions]
        # NaN and infinities are allowed in files; numpy would warn of them.
        with np.errstate(invalid="ignore", over="ignore"):
            found = read([row[3:] for row in rows])
        for position, row, geometry in zip(positions, rows, found, strict=True):
            geometries[position] = geometry
            kinds[position] = kind
            planes[position] = shared_planes.setdefault(row[:3], row[:3])
    return geometries, kinds, planes


def _getter(descriptor: ClassDesc, wanted: tuple[str, ...]) -> Callable[[list[Any]], tuple[Any, ...]]:
    """What takes the fields called `wanted`, in that order, from an object's values."""
    places = {field.name: place for place, field in enumerate(descriptor.fields)}
    if any(name not in places for name in wanted):
        raise MalformedError(f"{descriptor.name} has other fields than QuPath writes")
    return operator.itemgetter(*[places[name] for name in wanted])


def _corners(rows: list[tuple[Any, ...]]) -> np.ndarray:
    """float64 (n, 4): x, y, x2, y2."""
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _rectangles(rows: list[tuple[Any, ...]]) -> Geometries:
    corners = _corners(rows)
    boxes = shapely.box(*corners.T)
    boxes[~np.isfinite(corners).all(axis=1)] = shapely.Polygon()
    return list(boxes)


def ellipses(corners: np.ndarray) -> Geometries:
    """Polygons close to the ellipses in the boxes x, y, x2, y2 (float64, (n, 4))."""
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_VERTICES, endpoint=False)
    unit = np.column_stack([np.cos(angles), np.sin(angles)])
    finite = np.isfinite(corners).all(axis=1)
    corners = np.where(finite[:, None], corners, 0)
    centre, radius = (corners[:, 2:] + corners[:, :2]) / 2, (corners[:, 2:] - corners[:, :2]) / 2
    rings = np.asarray(shapely.polygons(centre[:, None] + radius[:, None] * unit[None]))
    rings[~finite] = shapely.Polygon()
    return list(rings)


def _ellipses(rows: list[tuple[Any, ...]]) -> Geometries:
    return ellipses(_corners(rows))


def _lines(rows: list[tuple[Any, ...]]) -> Geometries:
    corners = _corners(rows)
    lines = shapely.linestrings(corners.reshape(-1, 2, 2), handle_nan="allow")
    lines[~np.isfinite(corners).all(axis=1)] = shapely.LineString()
    return list(lines)


def _vertices(rows: list[tuple[Any, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """float64 (sum of n, 2) of all float[] pairs one after another, and n of each."""
    xs, ys = [row[0].encoded() for row in rows], [row[1].encoded() for row in rows]
    lengths = np.array([len(x) for x in xs])
    if (lengths != [len(y) for y in ys]).any():
        raise MalformedError("a region of interest has more x than y coordinates, or the reverse")
    flat = [np.frombuffer(b"".join(parts), dtype=">f4").astype(np.float64) for parts in (xs, ys)]
    return np.column_stack(flat), lengths // 4


def _sequences(
    rows: list[tuple[Any, ...]],
    least: int,
    build: Callable[..., Any],
    empty: BaseGeometry,
) -> Geometries:
    """Geometries of vertex lists: those with `least` or more finite vertices at once, the odd ones one by one."""
    points, lengths = _vertices(rows)
    owner = np.repeat(np.arange(len(rows)), lengths)
    odd = lengths < least
    odd[owner[~np.isfinite(points).all(axis=1)]] = True
    result = np.full(len(rows), empty, dtype=object)
    usual = np.flatnonzero(~odd)
    if len(usual):
        chosen = ~odd[owner]
        renumbered = np.cumsum(~odd) - 1
        result[usual] = build(points[chosen], indices=renumbered[owner[chosen]])
    ends = np.cumsum(lengths)
    for place in np.flatnonzero(odd):
        own = points[ends[place] - lengths[place] : ends[place]]
        own = own[np.isfinite(own).all(axis=1)]
        if len(own):
            # Too few vertices for a shape: the last is repeated, so that the place and the bounds stay.
            own = np.concatenate([own, np.repeat(own[-1:], max(0, least - len(own)), axis=0)])
            result[place] = build(own, indices=np.zeros(len(own), dtype=np.intp))[0]
    return list(result)


def _polygons(rows: list[tuple[Any, ...]]) -> Geometries:
    def build(points: np.ndarray, indices: np.ndarray) -> Any:
        return shapely.polygons(shapely.linearrings(points, indices=indices))

    return _sequences(rows, 3, build, shapely.Polygon())


def _polylines(rows: list[tuple[Any, ...]]) -> Geometries:
    return _sequences(rows, 2, shapely.linestrings, shapely.LineString())


def _points(rows: list[tuple[Any, ...]]) -> Geometries:
    def build(points: np.ndarray, indices: np.ndarray) -> Any:
        return shapely.multipoints(shapely.points(points), indices=indices)

    return _sequences(rows, 1, build, shapely.MultiPoint())


def _geometries(rows: list[tuple[Any, ...]]) -> Geometries:
    wkb = np.array([bytes(row[0].values) for row in rows], dtype=object)
    geometries = shapely.from_wkb(wkb, on_invalid="ignore")
    if shapely.is_missing(geometries).any():
        raise MalformedError("the WKB of a geometry cannot be read")
    # QuPath drops a third coordinate and an SRID.
    return list(shapely.set_srid(shapely.force_2d(geometries), 0))


def _areas(rows: list[tuple[Any, ...]]) -> Geometries:
    """Rings of one area each, filled by the even-odd rule."""
    areas: Geometries = []
    for xs, ys in rows:
        area: BaseGeometry = shapely.Polygon()
        rings = list(zip(xs.values, ys.values, strict=True))
        for ring in _polygons(rings) if rings else ():
            area = area.symmetric_difference(shapely.make_valid(ring))
        areas.append(area)
    return areas


_READERS: dict[str, tuple[str, Callable[[list[tuple[Any, ...]]], Geometries], tuple[str, ...]]] = {
    names.RECTANGLE: ("Rectangle", _rectangles, ("x", "y", "x2", "y2")),
    names.ELLIPSE: ("Ellipse", _ellipses, ("x", "y", "x2", "y2")),
    names.LINE: ("Line", _lines, ("x", "y", "x2", "y2")),
    names.POLYGON: ("Polygon", _polygons, ("x", "y")),
    names.POLYLINE: ("Polyline", _polylines, ("x", "y")),
    names.POINTS: ("Points", _points, ("x", "y")),
    names.GEOMETRY: ("Geometry", _geometries, ("wkb",)),
    names.AREA: ("Area", _areas, ("x", "y")),
}
