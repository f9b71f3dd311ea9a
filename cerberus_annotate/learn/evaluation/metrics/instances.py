"""Measures of instance segmentation, from the overlaps of one image."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cerberus_annotate.learn.evaluation.metrics.averages import mean_of_present
from cerberus_annotate.learn.evaluation.metrics.overlap import Overlap, matched


def aggregated_jaccard(pairs: Overlap) -> float:
    """AJI (Kumar et al., IEEE TMI 2017): every true object with its best found one; unmatched ones count as error.

    A found object may serve several true ones. 1 when both maps are empty, 0 when one is.
    """
    if pairs.shared.size == 0:
        return _empty(pairs)
    best = pairs.iou.argmax(1)
    rows = np.arange(len(best))
    touching = pairs.shared[rows, best] > 0
    return _aggregated(pairs, rows[touching], best[touching])


def aggregated_jaccard_plus(pairs: Overlap) -> float:
    """AJI+ (Graham et al., Medical Image Analysis 58, 2019): as AJI, with each object in one pair at most.

    The pairs are those of the one-to-one assignment with the largest sum of IoUs. 1 when both maps are empty, 0 when
    one is.
    """
    if pairs.shared.size == 0:
        return _empty(pairs)
    iou = pairs.iou
    rows, columns = linear_sum_assignment(iou, maximize=True)
    touching = iou[rows, columns] > 0
    return _aggregated(pairs, rows[touching], columns[touching])


def panoptic_quality(pairs: Overlap) -> tuple[float, float, float]:
    """PQ, DQ and SQ (Kirillov et al., CVPR 2019): objects match above IoU 0.5; DQ is their F1, SQ their mean IoU.

    All 1 when both maps are empty; SQ is 0 when nothing matches.
    """
    hits, false_alarms, misses, iou = panoptic_sums(pairs)
    if hits + false_alarms + misses == 0:
        return 1.0, 1.0, 1.0
    detection = hits / (hits + 0.5 * false_alarms + 0.5 * misses)
    segmentation = iou / hits if hits else 0.0
    return float(detection * segmentation), float(detection), float(segmentation)


def panoptic_sums(pairs: Overlap) -> NDArray[np.float64]:
    """What PQ is made of, (4,): matched pairs, unmatched found, unmatched true objects, sum of the pairs' IoUs."""
    true_index, found_index = matched(pairs)
    hits = len(true_index)
    return np.array(
        [hits, len(pairs.found_ids) - hits, len(pairs.true_ids) - hits, pairs.iou[true_index, found_index].sum()]
    )


def class_panoptic_sums(
    pairs: Overlap, true_types: NDArray[np.integer], found_types: NDArray[np.integer], classes: int
) -> NDArray[np.float64]:
    """`panoptic_sums` of each class, (classes, 4): objects of type c, 1 to `classes`, are in row c - 1.

    true_types (T,) and found_types (F,) are the objects' types, 0 for none. A true object without a type says nothing
    of the found one that matches it, so neither counts.
    """
    true_index, found_index = matched(pairs)
    counted = np.ones(len(pairs.found_ids), bool)
    counted[found_index[true_types[true_index] == 0]] = False
    return np.stack(
        [panoptic_sums(pairs.of(true_types == each, (found_types == each) & counted)) for each in range(1, classes + 1)]
    )


def class_panoptic_quality(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """PQ of each class from `class_panoptic_sums` (..., classes, 4), of an image or added over images; (..., classes).

    NaN for a class without a true object.
    """
    hits, false_alarms, misses, iou = np.moveaxis(sums, -1, 0)
    quality = iou / np.maximum(hits + 0.5 * false_alarms + 0.5 * misses, 0.5)
    return np.where(hits + misses > 0, quality, np.nan)


def mean_panoptic_quality(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of `class_panoptic_quality` over the classes that have a true object; NaN where none has; (...).

    Of one image's sums, averaged over images, it is mPQ (Gamper et al., PanNuke, 2020). Of sums added over images, it
    is mPQ+ (Graham et al., CoNIC, 2021).
    """
    return mean_of_present(class_panoptic_quality(sums))


def _empty(pairs: Overlap) -> float:
    return float(len(pairs.true_ids) == len(pairs.found_ids))


def _aggregated(pairs: Overlap, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> float:
    """Shared area over all area, of pairs and of what is in none."""
    shared = pairs.shared[rows, columns].sum()
    union = (pairs.true_areas[rows] + pairs.found_areas[columns]).sum() - shared
    left_true = np.delete(pairs.true_areas, rows).sum()
    left_found = np.delete(pairs.found_areas, columns).sum()
    return float(shared / (union + left_true + left_found))
