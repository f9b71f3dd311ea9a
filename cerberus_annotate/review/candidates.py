"""Squares of a slide that may be proposed for review."""

from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Bounds = tuple[int, int, int, int]
"""Left, top, right, bottom in level-0 px, ends exclusive."""

LEAST_TISSUE = 0.5
"""Share of a square that must be tissue, or inside the drawn region."""

POINTS = 8
"""A square's share is counted on so many points a side."""

TOGETHER = 2048


def squares(frame: tuple[float, float, float, float], side: tuple[float, float]) -> list[Bounds]:
    """Rectangles of about `side` (x, y) px that cover `frame` (left, top, right, bottom) evenly, without overlap.

    A frame is cut into as many as come nearest to the side, so nothing at its border is left out; one that is smaller
    is one rectangle.
    """
    left, top, right, bottom = frame
    columns = np.rint(np.linspace(left, right, max(1, round((right - left) / side[0])) + 1)).astype(int).tolist()
    rows = np.rint(np.linspace(top, bottom, max(1, round((bottom - top) / side[1])) + 1)).astype(int).tolist()
    return [
        (x, y, x_end, y_end) for y, y_end in pairwise(rows) for x, x_end in pairwise(columns) if x_end > x and y_end > y
    ]


def candidates(
    frames: list[tuple[float, float, float, float]],
    side: tuple[float, float],
    area: BaseGeometry | None,
    taken: BaseGeometry,
    most: int,
    seed: list[int],
) -> tuple[list[Bounds], int]:
    """At most `most` squares drawn by chance from all that may be proposed, in reading order; how many were tried from.

    frames: rectangles to cut up, the image or its drawn regions. side: (x, y) px. area: tissue or drawn regions, None
    for everywhere: half of a square must be in it. taken: what was reviewed, is to be ignored or waits for review
    already; a square that shares more than its border with it is none. seed: same seed, same squares.
    """
    every = list(dict.fromkeys(square for frame in frames for square in squares(frame, side)))
    order = np.random.default_rng(seed).permutation(len(every))
    if area is not None:
        shapely.prepare(area)
    shapely.prepare(taken)
    found: list[int] = []
    for first in range(0, len(order), TOGETHER):
        some = order[first : first + TOGETHER]
        usable = _usable(np.array([every[at] for at in some], float), area, taken)
        found += some[usable].tolist()
        if len(found) >= most:
            break
    chosen = sorted(_apart(every, found)[:most])
    return [every[at] for at in chosen], len(every)


def _usable(bounds: NDArray[np.floating], area: BaseGeometry | None, taken: BaseGeometry) -> NDArray[np.bool_]:
    left, top, right, bottom = bounds.T
    free = ~np.asarray(shapely.intersects(taken, shapely.box(left + 0.5, top + 0.5, right - 0.5, bottom - 0.5)))
    if area is None:
        return free
    at = (np.arange(POINTS) + 0.5) / POINTS
    x = (left[:, None] + at * (right - left)[:, None])[:, None, :]
    y = (top[:, None] + at * (bottom - top)[:, None])[:, :, None]
    x, y = np.broadcast_arrays(x, y)
    inside = shapely.contains_xy(area, x.ravel(), y.ravel()).reshape(len(bounds), -1)
    return np.asarray(free & (inside.mean(1) >= LEAST_TISSUE))


def _apart(every: list[Bounds], found: list[int]) -> list[int]:
    """Without those that overlap an earlier one, as squares of overlapping drawn regions do."""
    if len(found) < 2:
        return found
    left, top, right, bottom = np.array([every[at] for at in found], float).T
    boxes = shapely.box(left + 0.5, top + 0.5, right - 0.5, bottom - 0.5)
    one, other = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    clashes: dict[int, set[int]] = {}
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        if b < a:
            clashes.setdefault(a, set()).add(b)
    kept: set[int] = set()
    for at in range(len(found)):
        if not clashes.get(at, set()) & kept:
            kept.add(at)
    return [found[at] for at in sorted(kept)]
