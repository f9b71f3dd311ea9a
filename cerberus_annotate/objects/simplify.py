"""Traced outlines to few vertices without stairs, the error bounded.

The corners of a traced outline are cut half a pixel before and after the turn, and edges get a point in their middle;
these points lie on the outline itself. Of them Douglas and Peucker's method (1973) keeps as few as needed, where an
error is measured at the outline's own corners. A chord and the stretch of outline that it replaces share their ends,
so no point of either is further from the other than the worst corner is from the chord: the Hausdorff distance
between the outlines is at most the tolerance.
"""

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.polygons import (
    Polygons,
    largest_polygon,
    polygons_of_rings,
    rings_of_polygons,
)

DEFAULT_TOLERANCE = 0.5
CORNER_CUT = 0.5

Points = NDArray[np.float64]
Indices = NDArray[np.intp]


def simplify_polygons(polygons: Polygons, tolerance: float = DEFAULT_TOLERANCE) -> Polygons:
    """Polygons (n,) with fewer vertices, none further than `tolerance` (px of the polygons) from the given outline.

    Valid polygons stay valid, holes stay holes. Where the simplified rings of one polygon would cross, that polygon is
    done again with half the tolerance and at last only has its corners cut.
    """
    simplified = np.array(polygons, object)
    pending = np.flatnonzero(~shapely.is_empty(simplified))
    given = simplified.copy()
    for attempt in (tolerance, tolerance / 2, 0.0):
        if len(pending) == 0:
            return simplified
        simplified[pending] = _simplify_once(given[pending], min(CORNER_CUT, tolerance), attempt)
        pending = pending[~shapely.is_valid(simplified[pending])]
    for index in pending:
        simplified[index] = largest_polygon(shapely.make_valid(given[index]))
    return simplified


def _simplify_once(polygons: Polygons, cut: float, tolerance: float) -> Polygons:
    corners, ring_of_corner, owner = rings_of_polygons(polygons)
    points, is_corner, ring = _points_along(corners, ring_of_corner, cut, tolerance)
    return polygons_of_rings(*_few_points(points, is_corner, ring, tolerance), owner)


def _points_along(
    corners: Points, ring: Indices, cut: float, tolerance: float
) -> tuple[Points, NDArray[np.bool_], Indices]:
    """The corners and, after each, the points of its edge that may become vertices: the middle, and `cut` px from a
    corner of two edges so long that going from middle to middle could miss the corner by more than the tolerance.
    The steps of a slanted line so keep only their middles, which lie on that line."""
    begin = np.flatnonzero(np.diff(ring, prepend=-1))
    following = np.arange(1, len(corners) + 1)
    following[np.append(begin[1:], len(corners)) - 1] = begin
    edge = corners[following] - corners
    length = np.hypot(edge[:, 0], edge[:, 1])
    before = np.empty_like(following)
    before[following] = np.arange(len(corners))
    turn = np.sign(edge[before, 0] * edge[:, 1] - edge[before, 1] * edge[:, 0])
    on_slant = turn != turn[following]
    sharp = ~(on_slant & on_slant[before]) | (np.minimum(length, length[before]) / 2 > tolerance)
    near = np.where(length > 2 * cut, cut / length, 0.5)
    fraction = np.column_stack((np.zeros_like(near), near, np.full_like(near, 0.5), 1 - near))
    everywhere = np.ones_like(sharp)
    wanted = np.column_stack((everywhere, sharp & (near < 0.5), everywhere, sharp[following] & (near < 0.5)))
    points = (corners[:, None, :] + fraction[:, :, None] * edge[:, None, :])[wanted]
    is_corner = np.zeros(wanted.shape, bool)
    is_corner[:, 0] = True
    return points, is_corner[wanted], np.repeat(ring, wanted.sum(axis=1))


def _few_points(
    points: Points, is_corner: NDArray[np.bool_], ring: Indices, tolerance: float
) -> tuple[Points, Indices]:
    """The points to keep, ring by ring, and their rings: Douglas-Peucker on all rings at once, level by level."""
    walk, first = _closed_walk(points, is_corner, ring)
    points, may_stay, ring = points[walk], ~is_corner[walk], ring[walk]
    plane = points[:, 0] + 1j * points[:, 1]
    last = np.append(first[1:], len(walk)) - 1
    kept = np.zeros(len(walk), bool)
    kept[first] = True
    between = np.ones(len(walk), bool)
    between[first] = between[last] = False
    inner = np.flatnonzero(between)
    start, end = first[ring[inner]], last[ring[inner]]
    level = 0
    while len(inner):
        segment = np.flatnonzero(np.diff(start, prepend=-1))
        segment_of = np.repeat(np.arange(len(segment)), np.diff(segment, append=len(inner)))
        distance = _to_chords(plane[inner], plane[start], plane[end])
        # The first two levels always split, so that a ring keeps three vertices or more.
        split = (np.maximum.reduceat(distance, segment) > tolerance) | (level < 2)
        pivot = _first_highest(np.where(may_stay[inner], distance, -1.0), segment, segment_of)
        split &= may_stay[inner[pivot]]
        kept[inner[pivot[split]]] = True
        middle = inner[pivot][segment_of]
        goes_on = split[segment_of] & (inner != middle)
        start = np.where(inner > middle, middle, start)[goes_on]
        end = np.where(inner < middle, middle, end)[goes_on]
        inner = inner[goes_on]
        level += 1
    return points[kept], ring[kept]


def _closed_walk(points: Points, is_corner: NDArray[np.bool_], ring: Indices) -> tuple[Indices, Indices]:
    """Indices that walk every ring once from its point furthest from the middle of its box and back to it, and where
    in them each ring begins. No corner of the traced outline is such a point."""
    begin = np.flatnonzero(np.diff(ring, prepend=-1))
    length = np.diff(begin, append=len(points))
    middle = (np.minimum.reduceat(points, begin) + np.maximum.reduceat(points, begin)) / 2
    reach = np.where(is_corner, -1.0, np.hypot(*(points - middle[ring]).T))
    shift = _first_highest(reach, begin, ring) - begin
    first = begin + np.arange(len(begin))
    place = np.arange(len(points) + len(begin)) - np.repeat(first, length + 1)
    walk = np.repeat(begin, length + 1) + (place + np.repeat(shift, length + 1)) % np.repeat(length, length + 1)
    return walk, first


def _first_highest(value: NDArray[np.float64], segment: Indices, segment_of: Indices) -> Indices:
    """The index of the first highest value of each segment; segments start at `segment`, one after the other."""
    at_top = np.flatnonzero(value == np.maximum.reduceat(value, segment)[segment_of])
    return at_top[np.flatnonzero(np.diff(segment_of[at_top], prepend=-1))]


def _to_chords(
    points: NDArray[np.complex128], start: NDArray[np.complex128], end: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """Distance of each point to its own line segment, which may be a single point; x + iy each."""
    along = end - start
    squared = along.real**2 + along.imag**2
    squared[squared == 0] = 1
    fraction = ((points - start) * along.conj()).real / squared
    return np.abs(points - start - np.clip(fraction, 0, 1) * along)
