"""The measures of the GlaS challenge (Sirinukunwattana et al., Medical Image Analysis 35, 2017, section 4).

Each is pooled over images: sums of images are added, then the measure is taken.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.evaluation.metrics.overlap import InstanceMap, Overlap


def object_hits(pairs: Overlap) -> tuple[int, int, int]:
    """Hits, false alarms and misses of one image (section 4.1).

    A found object is a hit when it covers at least half of the true object that it shares most pixels with; of several
    hits on one true object, one counts.
    """
    true_count, found_count = len(pairs.true_ids), len(pairs.found_ids)
    if true_count == 0 or found_count == 0:
        return 0, found_count, true_count
    best = pairs.shared.argmax(0)
    covered = pairs.shared[best, np.arange(found_count)] >= 0.5 * pairs.true_areas[best]
    hits = len(np.unique(best[covered]))
    return hits, found_count - hits, true_count - hits


def object_f1(hits: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of added `object_hits` (..., 3); 1 when there was nothing to find and nothing was found; (...)."""
    found, false_alarms, misses = np.moveaxis(np.asarray(hits, np.float64), -1, 0)
    total = 2 * found + false_alarms + misses
    return np.where(total > 0, 2 * found / np.maximum(total, 1), 1.0)


def object_dice_sums(pairs: Overlap) -> NDArray[np.float64]:
    """What the object Dice of one image is made of (section 4.2), (4,).

    Over true objects the sum of area x Dice with the found object that shares most pixels (0 where none does), and the
    area; the same over found objects.
    """

    def one_way(areas: NDArray, others: NDArray, shared: NDArray) -> tuple[float, float]:
        if len(areas) == 0 or len(others) == 0:
            return 0.0, float(areas.sum())
        best = shared.argmax(1)
        score = 2 * shared[np.arange(len(areas)), best] / (areas + others[best])
        return float((areas * score).sum()), float(areas.sum())

    return np.array(
        [
            *one_way(pairs.true_areas, pairs.found_areas, pairs.shared),
            *one_way(pairs.found_areas, pairs.true_areas, pairs.shared.T),
        ]
    )


def object_dice(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Object Dice of added `object_dice_sums` (..., 4); 1 when there are no objects, 0 when only one side has some."""
    return np.where(_no_objects(sums), 1.0, _mean_of_both_ways(sums))


def object_hausdorff_sums(truth: InstanceMap, found: InstanceMap, pairs: Overlap) -> NDArray[np.float64]:
    """What the object Hausdorff distance of one image is made of (section 4.3), (4,), in px.

    Over true objects the sum of area x Hausdorff distance to the found object that shares most pixels, or, where none
    does, to the one nearest by Hausdorff distance; and the area; the same over found objects. The challenge does not
    say what an object's distance is where the other map is empty: it is the image's diagonal here.
    """
    if pairs.shared.size:
        distances = hausdorff_distances(truth, found, pairs)
    else:
        diagonal = float(np.hypot(*truth.shape))
        distances = np.full((max(len(pairs.true_ids), 1), max(len(pairs.found_ids), 1)), diagonal)

    def one_way(areas: NDArray, shared: NDArray, far: NDArray) -> tuple[float, float]:
        if shared.size == 0:
            return float((areas * far[0, 0]).sum()), float(areas.sum())
        partner = np.where(shared.any(1), shared.argmax(1), far.argmin(1))
        return float((areas * far[np.arange(len(areas)), partner]).sum()), float(areas.sum())

    return np.array(
        [
            *one_way(pairs.true_areas, pairs.shared, distances),
            *one_way(pairs.found_areas, pairs.shared.T, distances.T),
        ]
    )


def object_hausdorff(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Object Hausdorff distance (px, smaller is better) of added `object_hausdorff_sums` (..., 4); (...).

    0 when there are no objects at all.
    """
    return np.where(_no_objects(sums), 0.0, _mean_of_both_ways(sums))


def hausdorff_distances(truth: InstanceMap, found: InstanceMap, pairs: Overlap) -> NDArray[np.float64]:
    """The Hausdorff distance (px) of each true object to each found one, as sets of pixels, (T, F)."""
    there = _farthest(truth, pairs.true_ids, found, pairs.found_ids)
    back = _farthest(found, pairs.found_ids, truth, pairs.true_ids)
    return np.maximum(there, back.T)


def _farthest(
    targets: InstanceMap, target_ids: NDArray[np.int64], sources: InstanceMap, source_ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How far the farthest pixel of each source object is from each target object, (targets, sources).

    One distance transform an object, since holes make pixels off the outline the farthest.
    """
    pixels = np.flatnonzero(sources)
    pixels = pixels[np.argsort(sources.ravel()[pixels], kind="stable")]
    starts = np.searchsorted(sources.ravel()[pixels], source_ids)
    farthest = np.empty((len(target_ids), len(source_ids)))
    for row, identity in enumerate(target_ids):
        outside = (targets != identity).astype(np.uint8)
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        farthest[row] = np.maximum.reduceat(distance.ravel()[pixels], starts)
    return farthest


def _no_objects(sums: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (sums[..., 1] == 0) & (sums[..., 3] == 0)


def _mean_of_both_ways(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * (sums[..., 0] / np.maximum(sums[..., 1], 1) + sums[..., 2] / np.maximum(sums[..., 3], 1))
