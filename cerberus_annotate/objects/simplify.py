"""Traced outlines to few vertices without stairs, the error bounded.

The corners of a traced outline are cut half a pixel before and after the turn, and edges get a point in their middle;
these points lie on the outline itself. Of them Douglas and Peucker's method (1973) keeps as few as needed, where an
error is measured at the outline's own corners. A chord and the stretch of outline that it replaces share their ends,
so no point of either is further from the other than the worst corner is from the chord: the Hausdorff distance
between the outlines is at most the tolerance.
"""

from typing import NamedTuple

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

AT_A_TIME = 1000
"""Polygons; the arrays of more do not fit into a processor's cache."""

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
        for begin in range(0, len(pending), AT_A_TIME):
            some = pending[begin : begin + AT_A_TIME]
            simplified[some] = _simplify_once(given[some], min(CORNER_CUT, tolerance), attempt)
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
    long = near < 0.5
    wanted = np.ones((len(corners), 4), np.bool_)
    wanted[:, 1], wanted[:, 3] = sharp & long, sharp[following] & long
    fraction = np.zeros(wanted.shape)
    fraction[:, 1], fraction[:, 2], fraction[:, 3] = near, 0.5, 1 - near
    chosen = np.flatnonzero(wanted)
    of, nth = chosen // 4, chosen % 4
    return corners[of] + fraction.ravel()[chosen, None] * edge[of], nth == 0, ring[of]


def _few_points(
    points: Points, is_corner: NDArray[np.bool_], ring: Indices, tolerance: float
) -> tuple[Points, Indices]:
    """The points to keep, ring by ring, and their rings: Douglas-Peucker on all rings at once, level by level."""
    walk, first = _closed_walk(points, is_corner, ring)
    points, may_stay, ring = points[walk], ~is_corner[walk], ring[walk]
    x, y = np.ascontiguousarray(points.T)
    kept = np.zeros(len(walk), bool)
    kept[first] = True
    # The segments that are left: from one kept point to the next, with points between.
    start, end = first, np.append(first[1:], len(walk)) - 1
    level = 0
    while len(start):
        inside = _segments(start, end)
        distance = _to_chords(x, y, inside)
        # The first two levels always split, so that a ring keeps three vertices or more.
        split = (np.maximum.reduceat(distance, inside.place) > tolerance) | (level < 2)
        if not split.all():
            distance = distance[np.repeat(split, inside.length)]
            inside = _segments(start[split], end[split])
        distance[~may_stay[inside.point]] = -1.0
        pivot = inside.point[_first_highest(distance, inside.place, inside.length)]
        stays = may_stay[pivot]
        pivot = pivot[stays]
        kept[pivot] = True
        start = np.column_stack((inside.start[stays], pivot)).ravel()
        end = np.column_stack((pivot, inside.end[stays])).ravel()
        more = end - start > 1
        start, end = start[more], end[more]
        level += 1
    return points[kept], ring[kept]


def _closed_walk(points: Points, is_corner: NDArray[np.bool_], ring: Indices) -> tuple[Indices, Indices]:
    """Indices that walk every ring once from its point furthest from the middle of its box and back to it, and where
    in them each ring begins. No corner of the traced outline is such a point."""
    begin = np.flatnonzero(np.diff(ring, prepend=-1))
    length = np.diff(begin, append=len(points))
    middle = (np.minimum.reduceat(points, begin) + np.maximum.reduceat(points, begin)) / 2
    off = points - np.repeat(middle, length, axis=0)
    reach = np.hypot(off[:, 0], off[:, 1])
    reach[is_corner] = -1.0
    shift = _first_highest(reach, begin, length) - begin
    first = begin + np.arange(len(begin))
    # Each ring's points from the furthest on, then those before it, then the furthest again.
    walk = np.arange(len(points) + len(begin)) + np.repeat(begin + shift - first, length + 1)
    stop = np.repeat(begin + length, length + 1)
    return np.where(walk < stop, walk, walk - np.repeat(length, length + 1)), first


class _Segments(NamedTuple):
    """`start` and `end` (n,) of segments of the walk; of the points between, one segment's after the other's: `point`
    their indices, and by segment the `place` of its first and the `length`, how many there are, 1 or more."""

    start: Indices
    end: Indices
    point: Indices
    place: Indices
    length: Indices


def _segments(start: Indices, end: Indices) -> _Segments:
    length = end - start - 1
    place = np.cumsum(length) - length
    point = np.arange(length.sum()) + np.repeat(start + 1 - place, length)
    return _Segments(start, end, point, place, length)


def _first_highest(value: NDArray[np.float64], place: Indices, length: Indices) -> Indices:
    """The index of the first highest value of each of several stretches, which follow one another: where each begins
    and how long it is."""
    at_top = np.flatnonzero(value == np.repeat(np.maximum.reduceat(value, place), length))
    return at_top[np.searchsorted(at_top, place)]


def _to_chords(x: NDArray[np.float64], y: NDArray[np.float64], segments: _Segments) -> NDArray[np.float64]:
    """Distance of each point between the ends of a segment to the line between those, which may be a single point."""
    start, end, length = segments.start, segments.end, segments.length
    along_x, along_y = x[end] - x[start], y[end] - y[start]
    squared = along_x**2 + along_y**2
    squared[squared == 0] = 1
    off_x, off_y = x[segments.point] - np.repeat(x[start], length), y[segments.point] - np.repeat(y[start], length)
    along_x, along_y = np.repeat(along_x, length), np.repeat(along_y, length)
    fraction = np.clip((off_x * along_x + off_y * along_y) / np.repeat(squared, length), 0, 1)
    away = np.empty(len(fraction), np.complex128)
    away.real, away.imag = off_x - fraction * along_x, off_y - fraction * along_y
    return np.abs(away)
