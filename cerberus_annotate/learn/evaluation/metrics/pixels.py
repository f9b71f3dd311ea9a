"""Agreement of two masks of one shape (H, W), whatever is above 0 being foreground."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries


@dataclass(frozen=True)
class PixelCounts:
    """Pixels that are foreground in both masks, in the found one only, in the true one only."""

    hits: int
    false_alarms: int
    misses: int


def pixel_counts(truth: NDArray, found: NDArray, counted: NDArray[np.bool_] | None = None) -> PixelCounts:
    """Counts two masks; `counted` (H, W) says which pixels have a label, None for all."""
    true_mask, found_mask = truth > 0, found > 0
    if counted is not None:
        true_mask, found_mask = true_mask & counted, found_mask & counted
    hits = int(np.count_nonzero(true_mask & found_mask))
    return PixelCounts(hits, int(np.count_nonzero(found_mask)) - hits, int(np.count_nonzero(true_mask)) - hits)


def dice(counts: PixelCounts) -> float:
    """Twice the shared area over the sum of areas; 1 when both masks are empty, 0 when one is."""
    total = 2 * counts.hits + counts.false_alarms + counts.misses
    return 2 * counts.hits / total if total else 1.0


def jaccard(counts: PixelCounts) -> float:
    """The shared area over the area of the union; 1 when both masks are empty, 0 when one is."""
    total = counts.hits + counts.false_alarms + counts.misses
    return counts.hits / total if total else 1.0


def precision(counts: PixelCounts) -> float:
    """The share of found foreground that is true. Nothing found is 1 when there is nothing to find, else 0."""
    found = counts.hits + counts.false_alarms
    return counts.hits / found if found else float(counts.misses == 0)


def recall(counts: PixelCounts) -> float:
    """The share of true foreground that is found. Nothing to find is 1 when nothing is found, else 0."""
    true = counts.hits + counts.misses
    return counts.hits / true if true else float(counts.false_alarms == 0)


def boundary_f1(truth: NDArray, found: NDArray, tolerance: float) -> float:
    """F1 of boundary pixels (Csurka et al., BMVC 2013): right are those with one of the other map near.

    tolerance: the px that are near.  Maps are masks or instance maps; boundary pixels are those of an object with a
    4-neighbour outside of it, the image's border being none. 1 when neither map has a boundary, 0 when one has none.
    """
    edges = [find_boundaries(each, connectivity=1, mode="inner") & (each > 0) for each in (truth, found)]
    present = [bool(edge.any()) for edge in edges]
    if not all(present):
        return float(not any(present))
    shares = []
    for own, other in (edges, edges[::-1]):
        distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        shares.append(float(np.mean(distance[own] <= tolerance)))
    return 2 * shares[0] * shares[1] / (shares[0] + shares[1]) if sum(shares) else 0.0
