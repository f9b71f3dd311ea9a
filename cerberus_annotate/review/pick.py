"""From scores and features to an order: pure functions over arrays."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

FAIR_SHARE = 1.5
"""A slide gives at most this many times its even share of the regions, while others have some left."""


def percentiles(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The share of n values that each exceeds, of the n - 1 others, 0 to 1, (n,); 1 for a single value."""
    if len(values) < 2:
        return np.ones(len(values))
    return np.asarray((rankdata(values, "min") - 1) / (len(values) - 1))


def mean_rank(parts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean of the parts' ranks, 0 to 1, (n,).  parts: (n, parts).

    Ranks, not the numbers themselves: whatever a part's scale and tail, none drowns the others. Regions that have
    nothing of a part (0) share its lowest rank.
    """
    return np.mean([percentiles(part) for part in parts.T], axis=0)


def standardised(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Features (n, channels) with each channel at mean 0 and deviation 1, and then each row of length 1 (or 0)."""
    centred = features - features.mean(0)
    deviation = features.std(0)
    scaled = np.divide(centred, deviation, out=np.zeros(centred.shape), where=deviation > 1e-9)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(np.divide(scaled, length, out=np.zeros(scaled.shape), where=length > 1e-9))


def pick(
    score: NDArray[np.floating],
    features: NDArray[np.floating],
    groups: Sequence[str],
    budget: int,
) -> list[int]:
    """Indices of `budget` of n regions (all, when there are fewer), the most useful first.

    score: (n,), more than 0 for what may be wanted. features: (n, channels), as `standardised` gives them. groups: the
    slide of each. The first is the one with the highest score; every further one has the largest product of score and
    distance from the nearest that was taken (farthest-first k-centre, Gonzalez 1985, as in core sets for active
    learning, Sener and Savarese, ICLR 2018, but weighted). Copies of what was taken come last. A slide that has its
    `FAIR_SHARE` waits until no other has regions left. Ties are decided by the order given.
    """
    count = len(score)
    budget = min(budget, count)
    slide = np.unique(np.asarray(groups, str), return_inverse=True)[1] if count else np.zeros(0, int)
    most = max(1, math.ceil(FAIR_SHARE * budget / max(1, len(np.unique(slide)))))
    taken_of = np.zeros(len(np.unique(slide)), int)
    distance = np.ones(count)
    left = np.ones(count, bool)
    chosen: list[int] = []
    while len(chosen) < budget:
        allowed = left & (taken_of[slide] < most)
        if not allowed.any():
            most += 1
            continue
        # where all that is left is a copy, the score alone decides
        at = int(np.lexsort((np.arange(count), -score, -np.where(allowed, score * distance, -1.0)))[0])
        chosen.append(at)
        left[at] = False
        taken_of[slide[at]] += 1
        nearness = np.linalg.norm(features - features[at], axis=1) / 2
        distance = np.minimum(distance, np.where(nearness < 1e-6, 0.0, nearness))
    return chosen
