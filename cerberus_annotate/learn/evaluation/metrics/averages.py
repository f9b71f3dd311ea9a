"""Means that leave out what is not defined. NaN stands for that and for nothing else."""

import numpy as np
from numpy.typing import NDArray


def added(values: NDArray) -> NDArray[np.float64]:
    """Statistics (images, 2) for `mean`: each image's value and 1, or 0 and 0 where it is NaN, not defined."""
    defined = ~np.isnan(values)
    return np.stack([np.where(defined, values, 0.0), defined], axis=-1).astype(np.float64)


def mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of `added` values (..., 2), NaN when there is none; (...)."""
    total, count = sums[..., 0], sums[..., 1]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def mean_of_present(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the last axis of what is not NaN; NaN where all is."""
    there = ~np.isnan(scores)
    count = there.sum(-1)
    return np.where(count > 0, np.where(there, scores, 0).sum(-1) / np.maximum(count, 1), np.nan)
