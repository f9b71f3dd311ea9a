"""Measures of images that have one class each."""

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.evaluation.metrics.averages import mean_of_present

CALIBRATION_BINS = 15


def confusion(true: NDArray[np.integer], found: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes) of true class (row) and found class (column), from indices (n,) and (n,)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true, found), 1)
    return counts


def accuracy(counts: NDArray) -> NDArray[np.float64]:
    """The share of images in the right class, of confusions (..., C, C); NaN without an image; (...)."""
    total = counts.sum((-2, -1))
    right = np.trace(counts, axis1=-2, axis2=-1)
    return np.where(total > 0, right / np.maximum(total, 1), np.nan)


def class_precision(counts: NDArray) -> NDArray[np.float64]:
    """Of what was found of each class, the share that is of it, (..., C).

    NaN for a class without a true image; 0 for one that was never found.
    """
    return _of_present(_diagonal(counts) / np.maximum(counts.sum(-2), 1), counts)


def class_recall(counts: NDArray) -> NDArray[np.float64]:
    """Of each class, the share that was found as it, (..., C); NaN for a class without a true image."""
    return _of_present(_diagonal(counts) / np.maximum(counts.sum(-1), 1), counts)


def class_f1(counts: NDArray) -> NDArray[np.float64]:
    """F1 of each class, (..., C); NaN for a class without a true image."""
    return _of_present(2 * _diagonal(counts) / np.maximum(counts.sum(-1) + counts.sum(-2), 1), counts)


def macro_f1(counts: NDArray) -> NDArray[np.float64]:
    """Mean of `class_f1` over the classes that have a true image, (...); NaN where none has."""
    return mean_of_present(class_f1(counts))


def calibration_sums(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> NDArray[np.float64]:
    """Per equal bin of confidence, (bins, 3): predictions, sum of confidences, right ones.

    confidence: (n,), 0 to 1, of the class that was chosen.  right: (n,).
    """
    place = np.clip(np.ceil(np.asarray(confidence, np.float64) * bins).astype(int) - 1, 0, bins - 1)
    values = (np.ones(len(place)), confidence, right)
    return np.stack([np.bincount(place, value, minlength=bins) for value in values], axis=-1)


def calibration_error(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error (Guo et al., ICML 2017, section 2) of added `calibration_sums` (..., bins, 3); (...).

    The mean over predictions of |accuracy - confidence| of their bin; NaN without a prediction.
    """
    count, confidence, right = np.moveaxis(sums, -1, 0)
    total = count.sum(-1)
    return np.where(total > 0, np.abs(right - confidence).sum(-1) / np.maximum(total, 1), np.nan)


def _diagonal(counts: NDArray) -> NDArray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _of_present(scores: NDArray[np.float64], counts: NDArray) -> NDArray[np.float64]:
    return np.where(counts.sum(-1) > 0, scores, np.nan)
