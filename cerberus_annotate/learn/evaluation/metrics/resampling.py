"""Intervals over images, by drawing images anew."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.evaluation.metrics.averages import mean

RESAMPLES = 2000
SEED = 5
LEVEL = 0.95
AT_A_TIME = 4_000_000
"""Numbers of draws in memory at once."""

Measure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From added statistics (..., …) to values (...), over any leading axes; NaN where it is not defined."""


@dataclass(frozen=True)
class Estimate:
    """A measure with its 95 % interval over images.  draws: (RESAMPLES,) its values that the interval is of; the same
    images in the same order are drawn alike each time, so that two models' draws are pairs.
    """

    value: float
    low: float
    high: float
    draws: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)


def bootstrap(statistics: NDArray, measures: Mapping[str, Measure], seed: int = SEED) -> dict[str, Estimate]:
    """Measures of all images, each with its percentile interval over 2,000 draws of as many (Efron & Tibshirani 1993).

    statistics: (images, …), what each image adds; they are added up for all images, and for each draw again, so that
    pooled measures are pooled anew. Draws for which a measure is not defined, since the classes it needs are not in
    them, are left out of its interval. A measure that is not defined for all images together is left out.
    """
    images, shape = len(statistics), statistics.shape[1:]
    if images == 0:
        return {}
    flat = np.asarray(statistics, np.float64).reshape(images, -1)
    draws = _draws(flat, seed).reshape(RESAMPLES, *shape)
    whole = flat.sum(0).reshape(shape)
    estimates = {}
    for name, measure in measures.items():
        value = float(measure(whole))
        if not np.isnan(value):
            estimates[name] = estimate_of(value, measure(draws))
    return estimates


def estimate_of(value: float, draws: NDArray[np.float64]) -> Estimate:
    """A value with the percentile interval of its draws (RESAMPLES,), NaN where it is not defined."""
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high), draws)


def paired_difference(before: Estimate, after: Estimate) -> Estimate:
    """`after` less `before`, two models' measures of the same images, with its interval over images."""
    assert before.draws is not None
    assert after.draws is not None
    return estimate_of(after.value - before.value, after.draws - before.draws)


def mean_estimates(values: Mapping[str, NDArray], seed: int = SEED) -> dict[str, Estimate]:
    """The mean over images of each measure, (images,) by name; NaN in an image where it is not defined."""
    table = np.stack(list(values.values()), axis=-1)
    defined = ~np.isnan(table)
    statistics = np.stack([np.where(defined, table, 0.0), defined], axis=-1)
    return bootstrap(statistics, {name: class_of(mean, index) for index, name in enumerate(values)}, seed)


def class_of(measure: Measure, index: int) -> Measure:
    """The measure that is entry `index` of one with values (..., classes)."""
    return lambda sums: measure(sums)[..., index]


def _draws(flat: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Sums (RESAMPLES, k) over images drawn with replacement."""
    images = len(flat)
    rng = np.random.default_rng(seed)
    even = np.full(images, 1 / images)
    rows = max(1, AT_A_TIME // images)
    counts = (min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows))
    return np.concatenate([rng.multinomial(images, even, count) @ flat for count in counts])
