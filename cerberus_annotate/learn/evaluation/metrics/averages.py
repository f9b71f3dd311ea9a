"""Means that leave out what is not defined. NaN stands for that and for nothing else."""

import numpy as np
from numpy.typing import NDArray


def mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean from sum and count (..., 2), NaN where the count is 0; (...)."""
    total, count = sums[..., 0], sums[..., 1]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def mean_of_present(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the last axis of what is not NaN, NaN where all is; (...)."""
    there = ~np.isnan(scores)
    count = there.sum(-1)
    return np.where(count > 0, np.where(there, scores, 0).sum(-1) / np.maximum(count, 1), np.nan)
