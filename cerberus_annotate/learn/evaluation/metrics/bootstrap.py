"""Intervals over images, by drawing images anew."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 5
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A measure with its 95 % interval over images."""

    value: float
    low: float
    high: float


def bootstrap(
    statistics: NDArray, measure: Callable[[NDArray[np.float64]], NDArray[np.float64]], seed: int = SEED
) -> Estimate | None:
    """The measure of all images, with its percentile interval over 2,000 draws of as many (Efron & Tibshirani 1993).

    statistics: (images, ...), what each image adds.  measure: from added statistics (..., ...) to values, over any
    leading axes; so a pooled measure is pooled again for each draw. Draws for which the measure is NaN, since the
    classes it needs are not in them, are left out. None when it is NaN for all images, or there is none.
    """
    images = len(statistics)
    if images == 0:
        return None
    flat = np.asarray(statistics, np.float64).reshape(images, -1)
    rest = statistics.shape[1:]
    value = float(measure(flat.sum(0).reshape(rest)))
    if np.isnan(value):
        return None
    weights = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), RESAMPLES)
    drawn = np.asarray(measure((weights @ flat).reshape(RESAMPLES, *rest)))
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))
