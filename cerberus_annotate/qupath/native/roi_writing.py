"""Shapely geometries as regions of interest of the stream, checked and mended on the way.

New vertices of areas lie on a grid of 0.01 px and are float32 numbers: what QuPath's readers round to, so that every
version reads the same. A ring that crosses itself, is empty or not finite never gets into a file.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native.node_building import Nodes, float_bytes
from cerberus_annotate.qupath.native.roi_reading import Plane, ellipses
from cerberus_annotate.qupath.path_object import InvalidObjectError

GRID = 0.01
_POINT, _LINE, _POLYGON = 0, 1, 3
_MULTIPOINT, _MULTILINE, _MULTIPOLYGON = 4, 5, 6


#: How to call the object in a place of the list, for an error's sentence.
Where = Callable[[int], str]


def write_rois(
    nodes: Nodes, geometries: Sequence[BaseGeometry], kinds: Sequence[str], planes: Sequence[Plane], where: Where
) -> list[Any]:
    """A ROI node for each geometry.

    kinds: `Rectangle` and `Ellipse` are kept where the geometry is one; else the geometry decides (a polygon without
    holes is a PolygonROI). Raises InvalidObjectError.
    """
    if not geometries:
        return []
    array = np.empty(len(geometries), dtype=object)
    array[:] = geometries
    for place, plane in enumerate(planes):
        if plane[0] < -1 or plane[1] < 0 or plane[2] < 0:
            raise InvalidObjectError(
                f"{where(place)} lies on plane c, z, t = {plane}; z and t start at 0, c at -1 (all channels)."
            )
    rois: list[Any] = [None] * len(array)
    types = shapely.get_type_id(array)
    simple = (types == _POLYGON) & (shapely.get_num_interior_rings(array) == 0)
    plain = simple & [kind not in ("Rectangle", "Ellipse") for kind in kinds]
    for place in np.flatnonzero(~plain).tolist():
        rois[place] = _write_one(nodes, array[place], kinds[place], planes[place], where(place))
    with np.errstate(invalid="ignore", over="ignore"):
        _write_polygons(nodes, array, np.flatnonzero(plain), planes, where, rois)
    return rois


def _write_polygons(
    nodes: Nodes,
    geometries: np.ndarray,
    chosen: np.ndarray,
    planes: Sequence[Plane],
    where: Where,
    rois: list[Any],
) -> None:
    """Polygons without holes, all at once; those that need mending one by one."""
    if not len(chosen):
        return
    points, owner = shapely.get_coordinates(geometries[chosen], return_index=True)
    points = on_grid(points)
    lengths = np.bincount(owner, minlength=len(chosen))
    starts = np.cumsum(lengths) - lengths
    sound = lengths > 3
    sound[owner[~np.isfinite(points).all(axis=1)]] = False
    # A vertex equal to the one before it is left out, and so the closing one, which equals the first.
    before = np.roll(points, 1, axis=0)
    first = starts[lengths > 0]
    before[first] = points[(starts + lengths - 1)[lengths > 0] - 1]
    closing = np.zeros(len(points), dtype=bool)
    closing[(starts + lengths - 1)[lengths > 0]] = True
    kept = (points != before).any(axis=1) & ~closing
    points, owner = points[kept], owner[kept]
    lengths = np.bincount(owner, minlength=len(chosen))
    sound &= lengths >= 3
    use = sound[owner]
    numbers = np.cumsum(sound) - 1
    if sound.any():
        rings = shapely.linearrings(points[use], indices=numbers[owner[use]])
        sound[np.flatnonzero(sound)[~shapely.is_valid(shapely.polygons(rings))]] = False
    ends = np.cumsum(lengths)
    x, y = float_bytes(points[:, 0]), float_bytes(points[:, 1])
    for place, (target, start, end) in enumerate(
        zip(chosen.tolist(), (4 * (ends - lengths)).tolist(), (4 * ends).tolist(), strict=True)
    ):
        if sound[place]:
            rois[target] = nodes.polygon(x[start:end], y[start:end], planes[target])
        else:
            mended = mend(geometries[target], where(target))
            rois[target] = _write_area(nodes, mended, planes[target])


def on_grid(points: np.ndarray) -> np.ndarray:
    """float64 coordinates that are float32 numbers nearest to the grid of 0.01 px."""
    return np.round(points, 2).astype(np.float32).astype(np.float64)


def _gridded(geometry: BaseGeometry) -> BaseGeometry:
    return shapely.transform(geometry, on_grid)


def mend(geometry: BaseGeometry, where: str) -> BaseGeometry:
    """A valid area on the grid that is what `geometry` was meant to be.

    Raises InvalidObjectError when it is empty or not finite, or when mending would tear it into parts (crumbs of
    less than a hundredth of it do not count). A valid shape with a neck thinner than the grid may come in parts. A
    plain polygon that the grid would shorten, because an end is thinner, keeps its own vertices off the grid.
    """
    if geometry.is_empty:
        raise InvalidObjectError(f"{where} has an empty shape; QuPath has no place for it.")
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise InvalidObjectError(f"{where} has coordinates that are not numbers.")
    snapped = shapely.set_precision(shapely.make_valid(geometry), GRID)
    # float32 may be coarser than the grid far out, which can cross lines again: then once more.
    for _ in range(3):
        area = _areas_only(_gridded(snapped))
        if area.is_valid:
            break
        snapped = shapely.make_valid(area)
    if area.is_empty or not area.is_valid:
        raise InvalidObjectError(f"{where} has a shape without area, or one that cannot be mended.")
    if geometry.is_valid or shapely.get_num_geometries(area) <= shapely.get_num_geometries(geometry):
        return _own_vertices(geometry) if _is_shortened(geometry, area) else area
    largest = max(shapely.get_parts(area), key=lambda part: part.area)
    if geometry.geom_type == "Polygon" and largest.area >= 0.99 * area.area:
        return largest
    raise InvalidObjectError(
        f"{where} has an outline that crosses itself; mended, it would fall into "
        f"{shapely.get_num_geometries(area)} parts. Make each an object of its own."
    )


def _is_shortened(geometry: BaseGeometry, area: BaseGeometry) -> bool:
    """Whether `area`, a plain polygon on the grid, misses an end of a valid one that float32 can hold as it is."""
    plain = all(shape.geom_type == "Polygon" and not shape.interiors for shape in (geometry, area))
    if not plain or not geometry.is_valid or shapely.hausdorff_distance(area, geometry) <= 2 * GRID:
        return False
    return bool(_own_vertices(geometry).is_valid)


def _own_vertices(geometry: BaseGeometry) -> BaseGeometry:
    return shapely.transform(geometry, lambda points: points.astype(np.float32).astype(np.float64))


def _areas_only(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry as a Polygon (one) or MultiPolygon (several), holes kept."""
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in ("Polygon", "MultiPolygon")]
    polygons = [polygon for part in parts for polygon in shapely.get_parts(part) if polygon.area > 0]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _write_area(nodes: Nodes, area: BaseGeometry, plane: Plane) -> Any:
    if area.geom_type == "Polygon" and not area.interiors:
        points = shapely.get_coordinates(area)[:-1]
        return nodes.polygon(float_bytes(points[:, 0]), float_bytes(points[:, 1]), plane)
    return _geometry_node(nodes, area, plane)


def _geometry_node(nodes: Nodes, geometry: BaseGeometry, plane: Plane) -> Any:
    c, z, t = plane
    # 0: big-endian, as QuPath writes it.
    wkb = shapely.to_wkb(geometry, byte_order=0, output_dimension=2)
    return nodes.roi(names.GEOMETRY, (c, t, z, None, nodes.byte_array(wkb)))


def _write_one(nodes: Nodes, geometry: BaseGeometry, kind: str, plane: Plane, where: str) -> Any:
    """Everything but plain polygons."""
    if geometry is None or geometry.is_empty:
        raise InvalidObjectError(f"{where} has an empty shape; QuPath has no place for it.")
    points = shapely.get_coordinates(geometry)
    if not np.isfinite(points).all():
        raise InvalidObjectError(f"{where} has coordinates that are not numbers.")
    c, z, t = plane
    x, y, x2, y2 = geometry.bounds
    corners = (c, t, x, x2, y, y2, z, None)
    shape = shapely.get_type_id(geometry)
    if kind == "Rectangle" and shape == _POLYGON and geometry.equals(shapely.box(x, y, x2, y2)):
        return nodes.roi(names.RECTANGLE, corners)
    if kind == "Ellipse" and shape == _POLYGON and _is_ellipse(geometry):
        return nodes.roi(names.ELLIPSE, corners)
    if shape in (_POLYGON, _MULTIPOLYGON):
        area = _gridded(geometry)
        if not area.is_valid or _areas_only(area).geom_type != area.geom_type:
            area = mend(geometry, where)
        return _write_area(nodes, area, plane)
    if shape == _LINE and kind != "Polyline" and len(points) == 2:
        (x, y), (x2, y2) = points
        return nodes.roi(names.LINE, (c, t, x, x2, y, y2, z, None))
    # Nothing is rounded here: QuPath reads the vertices of lines and points as they are.
    vertices = nodes.vertices(float_bytes(points[:, 0]), float_bytes(points[:, 1]))
    if shape == _LINE:
        return nodes.roi(names.POLYLINE, (c, t, z, *vertices))
    if shape in (_POINT, _MULTIPOINT):
        return nodes.roi(names.POINTS, (c, t, z, None, *vertices))
    if shape == _MULTILINE:
        return _geometry_node(nodes, _gridded(geometry), plane)
    raise InvalidObjectError(
        f"{where} has a shape of the kind {geometry.geom_type}, which QuPath does not take; use one of polygons, "
        "lines or points."
    )


def _is_ellipse(geometry: BaseGeometry) -> bool:
    """Is it the very polygon that we read an ellipse as?"""
    points = shapely.get_coordinates(geometry)
    own = shapely.get_coordinates(ellipses(np.array([geometry.bounds]))[0])
    return points.shape == own.shape and bool(np.allclose(points, own, rtol=0, atol=1e-6))
