"""Comparing outlines in bulk: is it still the shape that we wrote, and do two outlines mean the same thing?"""

import numpy as np
import shapely

TOLERANCE = 0.05  # px; QuPath's float32 and its 0.01 px grid move a vertex by less


def same_shape(first: np.ndarray, second: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Whether each pair of geometries is the same area up to `tolerance` px (Hausdorff distance of outlines).

    first, second: object arrays of n shapely geometries or None. Start vertex, winding and ring order do not
    matter; None and what is no polygon is never the same.
    """
    same = np.zeros(len(first), bool)
    polygonal = _is_polygonal(first) & _is_polygonal(second)
    candidates = np.flatnonzero(polygonal)
    if not len(candidates):
        return same
    boxes = np.abs(shapely.bounds(first[candidates]) - shapely.bounds(second[candidates])).max(axis=1)
    candidates = candidates[boxes <= tolerance]
    exact = shapely.equals_exact(first[candidates], second[candidates], tolerance)
    same[candidates] = exact
    rest = candidates[~exact]
    if len(rest):
        # only the outlines: a hole that is gone must count, so the distance is between boundaries; with points between
        # the vertices, because both ends of a cut through an object lie on its former outline
        distance = shapely.hausdorff_distance(shapely.boundary(first[rest]), shapely.boundary(second[rest]), 0.25)
        same[rest] = distance <= tolerance
    return same


def valid_polygons(geometries: np.ndarray) -> np.ndarray:
    """The polygonal geometries made valid where they are not; None for what has no area."""
    out = np.array(geometries, object, copy=True)
    out[~_is_polygonal(out)] = None
    broken = np.flatnonzero(~shapely.is_missing(out) & ~shapely.is_valid(out))
    for at in broken:
        mended = shapely.make_valid(out[at])
        parts = [part for part in shapely.get_parts(mended) if part.area > 0]
        out[at] = shapely.union_all(parts) if parts else None
    return out


def twins(
    geometries: np.ndarray, others: np.ndarray, minimum: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs with an intersection over union of at least `minimum`.

    geometries, others: object arrays of valid shapely polygons or None.
    Returns (index into geometries, index into others, IoU), unordered.
    """
    nothing = np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    if not len(geometries) or not len(others):
        return nothing
    left, right = shapely.STRtree(others).query(geometries)
    if not len(left):
        return nothing
    area, other_area = shapely.area(geometries)[left], shapely.area(others)[right]
    box, other_box = shapely.bounds(geometries)[left], shapely.bounds(others)[right]
    sides = np.minimum(box[:, 2:], other_box[:, 2:]) - np.maximum(box[:, :2], other_box[:, :2])
    # the intersection is at most that of the boxes and at most the smaller area
    most = np.minimum(np.prod(np.clip(sides, 0, None), axis=1), np.minimum(area, other_area))
    possible = most * (1 + minimum) >= minimum * (area + other_area) * (1 - 1e-9)
    left, right = left[possible], right[possible]
    area, other_area = area[possible], other_area[possible]
    common = np.array(area)
    differ = ~shapely.equals_exact(geometries[left], others[right], 0)
    common[differ] = shapely.area(shapely.intersection(geometries[left[differ]], others[right[differ]]))
    union = area + other_area - common
    overlap = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    found = overlap >= minimum
    return left[found], right[found], overlap[found]


def geometry_array(geometries: list) -> np.ndarray:
    """A one-dimensional object array of geometries (numpy would look into multi-part ones)."""
    out = np.empty(len(geometries), object)
    out[:] = geometries
    return out


def _is_polygonal(geometries: np.ndarray) -> np.ndarray:
    """Polygons and multipolygons that are not empty."""
    kinds = shapely.get_type_id(geometries)
    return ((kinds == 3) | (kinds == 6)) & ~shapely.is_empty(geometries)
