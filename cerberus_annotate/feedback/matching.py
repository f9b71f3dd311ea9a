"""Which outlines from before and after mean the same objects, where nothing but their place can tell.

First one to one, by intersection over union; then by containment: what was cut into pieces, what was joined. Arrays
in, indices out; nothing here knows of projects.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

SAME = 0.5
"""IoU from which a new outline and a lost one are one object, reshaped."""

MAJORITY = 0.5
"""Share of a piece that lies in what it was cut from (of a part in what it was joined to), and share of the whole that
the pieces cover together."""

APART = 0.2
"""Share of the smaller of two pieces up to which they may overlap and still be two pieces of one object."""

PIECE = 0.1
"""Share of the whole from which something is a piece of it."""


@dataclass(frozen=True)
class Matching:
    """pairs: index before → index after, those known from the start among them. splits: index before → its pieces.
    merges: index after → its parts. iou: of each pair. What stands nowhere was deleted (before) or added (after).
    """

    pairs: Mapping[int, int]
    splits: Mapping[int, tuple[int, ...]]
    merges: Mapping[int, tuple[int, ...]]
    iou: Mapping[int, float]


@dataclass(frozen=True)
class _Overlaps:
    """Every overlap between open outlines: indices before and after, and its area in px²."""

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    common: NDArray[np.float64]


def match_outlines(
    before: np.ndarray,
    after: np.ndarray,
    partner: NDArray[np.intp],
    settled: NDArray[np.bool_],
    before_task: NDArray[np.intp],
    after_task: NDArray[np.intp],
) -> Matching:
    """Matches outlines.

    before (n), after (m): object arrays of valid shapely polygons, or None for what has no area. partner (n): index
    after of the object that is known to be the same, -1 where none is. settled (n): the partner has the same outline,
    so that neither takes part in a split or merge. before_task, after_task: numbers; only equal ones match, and -1
    after matches any.

    One to one: IoU >= 0.5, the best first. Split: at least two pieces that hardly overlap each other, each mainly
    inside the outline from before, together covering at least half of it. Merge: the same with before and after
    exchanged. A known partner that changed can be one of the pieces or parts.
    """
    pairs = {int(at): int(to) for at, to in enumerate(partner.tolist()) if to >= 0}
    closed_after = np.zeros(len(after), bool)
    closed_after[partner[settled & (partner >= 0)]] = True
    open_before = np.flatnonzero(~settled & ~shapely.is_missing(before))
    open_after = np.flatnonzero(~closed_after & ~shapely.is_missing(after))
    overlaps = _overlaps(before, after, open_before, open_after, before_task, after_task)
    area_before, area_after = shapely.area(before), shapely.area(after)
    iou = _pair_one_to_one(overlaps, area_before, area_after, pairs)
    common: dict[tuple[int, int], float] = {}
    for b, a, area in zip(overlaps.before.tolist(), overlaps.after.tolist(), overlaps.common.tolist(), strict=True):
        common[b, a] = area
    splits = _groups(overlaps.before, overlaps.after, overlaps.common, area_before, area_after, pairs, after, PIECE)
    taken = {piece for pieces in splits.values() for piece in pieces}
    free = ~np.isin(overlaps.after, list(taken)) & ~np.isin(overlaps.before, list(splits))
    back = {a: b for b, a in pairs.items()}
    merges = _groups(
        overlaps.after[free], overlaps.before[free], overlaps.common[free], area_after, area_before, back, before, 0.0
    )
    used = set(splits) | {part for parts in merges.values() for part in parts}
    pairs = {b: a for b, a in pairs.items() if b not in used and a not in taken}
    return Matching(pairs, splits, merges, {b: 1.0 if settled[b] else iou.get((b, a), 0.0) for b, a in pairs.items()})


def _overlaps(
    before: np.ndarray,
    after: np.ndarray,
    open_before: NDArray[np.intp],
    open_after: NDArray[np.intp],
    before_task: NDArray[np.intp],
    after_task: NDArray[np.intp],
) -> _Overlaps:
    if not len(open_before) or not len(open_after):
        nothing = np.zeros(0, np.intp)
        return _Overlaps(nothing, nothing, np.zeros(0))
    left, right = shapely.STRtree(after[open_after]).query(before[open_before])
    b, a = open_before[left], open_after[right]
    alike = (before_task[b] == after_task[a]) | (after_task[a] < 0)
    b, a = b[alike], a[alike]
    common = shapely.area(shapely.intersection(before[b], after[a]))
    real = common > 0
    return _Overlaps(b[real], a[real], common[real])


def _pair_one_to_one(
    overlaps: _Overlaps, area_before: NDArray, area_after: NDArray, pairs: dict[int, int]
) -> dict[tuple[int, int], float]:
    """Adds to `pairs` what overlaps well enough and has no partner yet; returns every IoU."""
    union = area_before[overlaps.before] + area_after[overlaps.after] - overlaps.common
    shares = overlaps.common / union
    taken = set(pairs.values())
    iou: dict[tuple[int, int], float] = {}
    for at in np.argsort(-shares, kind="stable").tolist():
        b, a, share = int(overlaps.before[at]), int(overlaps.after[at]), float(shares[at])
        iou[b, a] = share
        if share >= SAME and b not in pairs and a not in taken:
            pairs[b] = a
            taken.add(a)
    return iou


def _groups(
    whole: NDArray[np.intp],
    piece: NDArray[np.intp],
    common: NDArray[np.float64],
    area_of_whole: NDArray,
    area_of_piece: NDArray,
    partners: Mapping[int, int],
    pieces: np.ndarray,
    smallest: float,
) -> dict[int, tuple[int, ...]]:
    """Wholes with two pieces or more. partners: whole → the piece that is known or found to be the same object."""
    taken = set(partners.values())
    best: dict[int, tuple[float, int]] = {}  # loose piece → the whole that most of it lies in
    partner_common: dict[int, float] = {}
    for w, p, shared in zip(whole.tolist(), piece.tolist(), common.tolist(), strict=True):
        mainly_inside = shared >= MAJORITY * area_of_piece[p]
        if partners.get(w) == p and mainly_inside:
            partner_common[w] = shared
        elif p not in taken and mainly_inside and shared >= smallest * area_of_whole[w]:
            best[p] = max(best.get(p, (0.0, -1)), (shared, w))
    loose: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for p, (shared, w) in best.items():
        loose[w].append((shared, p))
    groups = {}
    for w, found in loose.items():
        known = [(partner_common[w], partners[w])] if w in partner_common else []
        if w in partners and not known:
            continue  # its partner went elsewhere, so nothing was cut
        kept: list[tuple[float, int]] = []
        for shared, p in [*known, *sorted(found, reverse=True)]:
            if all(_apart(pieces[p], pieces[other]) for _, other in kept):
                kept.append((shared, p))
        if len(kept) >= 2 and sum(shared for shared, _ in kept) >= MAJORITY * area_of_whole[w]:
            groups[w] = tuple(p for _, p in kept)
    return groups


def _apart(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    return shapely.intersection(one, other).area <= APART * min(one.area, other.area)
