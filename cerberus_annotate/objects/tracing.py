"""Runs of pixels to the rings around them, along pixel edges.

A corner of an outline is an end of a run that no run of the same part in the next row shares. Corners on one line, in
order, are in pairs the ends of an edge, which gives the corner that follows each; the rings are walked from that.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.objects.labelled_pixels import Runs

FEW_WALKERS = 32
"""So many rings or fewer are walked one after the other: that is faster than one step of all at a time."""

Indices = NDArray[np.intp]


class _Corners(NamedTuple):
    """`x`, `y` in pixel edges; `part`; `right`: whether at the right end of a run; `bottom`: whether below it."""

    x: Indices
    y: Indices
    part: Indices
    right: NDArray[np.bool_]
    bottom: NDArray[np.bool_]


class Rings(NamedTuple):
    """Open rings, one after the other: `vertices` float64 (n, 2), the `ring` (n,) of each, and the `part` of each
    ring. The first ring of a part is its outer one."""

    vertices: NDArray[np.float64]
    ring: Indices
    part: Indices


def trace_rings(runs: Runs, parts: int) -> Rings:
    """The rings around 4-connected parts 0, 1, ... of a map, which are the labels of `runs`; each has a run.

    Every ring has its object on the right hand (y points down) and a vertex at every turn. An outer one starts at the
    first pixel in raster order; holes come in the order of their first edges (by pixel, then top, right, bottom, left),
    from which on each starts. Where two pixels touch at a corner only, the outline goes over from one to the other.
    """
    corners, outer = _corners_of(runs, parts)
    order, starts = _walk(corners, _following(corners), outer)
    ring = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    vertices = np.column_stack((corners.x[order], corners.y[order])).astype(np.float64)
    return Rings(vertices, ring, corners.part[order[starts]])


def _corners_of(runs: Runs, parts: int) -> tuple[_Corners, Indices]:
    """All corners, and of each part that at the left top of its first pixel."""
    begin_goes_down, begin_goes_up = _shared_with_next_row(runs, runs.begin)
    end_goes_down, end_goes_up = _shared_with_next_row(runs, runs.end)
    kinds = (
        (~begin_goes_up, runs.start, 0, False, False),
        (~begin_goes_down, runs.start, 1, False, True),
        (~end_goes_up, runs.stop, 0, True, False),
        (~end_goes_down, runs.stop, 1, True, True),
    )
    chosen = [np.flatnonzero(kind[0]) for kind in kinds]
    corners = _Corners(
        np.concatenate([kind[1][at] for kind, at in zip(kinds, chosen, strict=True)]),
        np.concatenate([runs.row[at] + kind[2] for kind, at in zip(kinds, chosen, strict=True)]),
        np.concatenate([runs.label[at] for at in chosen]).astype(np.intp, copy=False),
        np.repeat([kind[3] for kind in kinds], [len(at) for at in chosen]),
        np.repeat([kind[4] for kind in kinds], [len(at) for at in chosen]),
    )
    outer = np.empty(parts, np.intp)
    first_kind = runs.label[chosen[0]]
    outer[first_kind[::-1]] = np.arange(len(first_kind))[::-1]
    return corners, outer


def _shared_with_next_row(runs: Runs, place: Indices) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the runs' ends (all left or all right ones) go on one row further down, and which one further up."""
    below = place + runs.width + 1
    found = np.minimum(np.searchsorted(place, below), len(place) - 1)
    down = (place[found] == below) & (runs.label[found] == runs.label)
    up = np.zeros_like(down)
    up[found[down]] = True
    return down, up


def _following(corners: _Corners) -> Indices:
    """The corner after each on its ring."""
    height, width = int(corners.y.max()) + 1, int(corners.x.max()) + 1
    # Of two corners in one place the left end comes first, so that the outline goes over to the pixel at the corner.
    across = np.argsort(((corners.part * height + corners.y) * width + corners.x) * 2 + corners.right)
    along = np.argsort(((corners.part * width + corners.x) * 2 + corners.right) * height + corners.y)
    following = np.empty(len(corners.x), np.intp)
    leaves_across = corners.right == corners.bottom
    for order, leaves in ((across, leaves_across), (along, ~leaves_across)):
        one, other = order[0::2], order[1::2]
        forth = leaves[one]
        following[np.where(forth, one, other)] = np.where(forth, other, one)
    return following


def _walk(corners: _Corners, following: Indices, outer: Indices) -> tuple[Indices, Indices]:
    """The corners in the order of their rings, and where in it each ring starts: the outer rings of most parts first,
    all at a time, then the others and the holes."""
    step_of = np.zeros(len(following), np.intp)
    ring_of = np.full(len(following), -1, np.intp)
    lengths = np.zeros(len(outer), np.intp)
    walking, at, step = np.arange(len(outer)), outer, 0
    while len(walking) > FEW_WALKERS:
        step_of[at], ring_of[at] = step, walking
        step += 1
        at = following[at]
        back = at == outer[walking]
        lengths[walking[back]] = step
        walking, at = walking[~back], at[~back]
    done = lengths > 0
    starts = np.cumsum(lengths) - lengths
    walked = (ring_of >= 0) & done[ring_of]
    order = np.empty(int(lengths.sum()), np.intp)
    order[starts[ring_of[walked]] + step_of[walked]] = np.flatnonzero(walked)
    left = np.flatnonzero(~walked)
    rest, rest_starts = _walk_one_by_one(following, _first_corners(corners, following, left), walked)
    return np.concatenate((order, rest)), np.concatenate((starts[done], rest_starts + len(order)))


def _first_corners(corners: _Corners, following: Indices, chosen: Indices) -> Indices:
    """The first corner at or after the first pixel edge of each edge that leaves a chosen corner; ordered by those
    pixel edges (pixel by pixel in raster order, then top, right, bottom, left)."""
    then = following[chosen]
    x, y, x_then, y_then = corners.x[chosen], corners.y[chosen], corners.x[then], corners.y[then]
    directions = (x_then > x, y_then > y, x_then < x)
    side = np.select(directions, (0, 1, 2), 3)
    row = np.select(directions, (y, y, y - 1), y_then)
    column = np.select(directions, (x, x - 1, x_then), x)
    backwards = (side >= 2) & (np.abs(x - x_then) + np.abs(y - y_then) > 1)
    return np.where(backwards, then, chosen)[np.lexsort((side, column, row))]


def _walk_one_by_one(following: Indices, firsts: Indices, walked: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """As `_walk`, ring after ring, each from the first of `firsts` on it; not where `walked` says so."""
    seen = bytearray(walked.view(np.uint8).tobytes())
    after = following.tolist() if len(firsts) > len(following) // 4 else following
    order: list[int] = []
    starts: list[int] = []
    for first in firsts.tolist():
        if seen[first]:
            continue
        starts.append(len(order))
        at = first
        while not seen[at]:
            seen[at] = 1
            order.append(at)
            at = int(after[at])
    return np.array(order, np.intp), np.array(starts, np.intp)
