"""Which regions hold what is rare among all candidates."""

import numpy as np
from numpy.typing import NDArray


def rareness(amounts: NDArray[np.floating], others: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
    """What each class adds to a region's rarity, (regions, classes), at least 0.

    amounts: (regions, classes), area of each class. others: (regions,), area of the region that is of no class and
    counts in the frequencies, None where only the classes are compared with each other. A class counts by the negative
    logarithm of its share of everything, times the share that it has of the region. A region with little in it does not
    get a large share by that: the median region's amount is added below the line, so that one lone cell of a rare type
    does not outdo a region with ten of them.
    """
    regions, classes = amounts.shape
    if not regions or not classes:
        return np.zeros((regions, classes))
    rest = np.zeros(regions) if others is None else others
    total = float(amounts.sum() + rest.sum())
    if total <= 0:
        return np.zeros((regions, classes))
    frequency = amounts.sum(0) / total
    # a class that nobody has counts as one that a hundredth of a region has
    least = 0.01 / regions
    weight = -np.log(np.clip(frequency, least, 1))
    each = amounts.sum(1) + rest
    typical = np.median(each) if others is None else 0.0
    share = np.divide(amounts, (each + typical)[:, None], out=np.zeros(amounts.shape), where=each[:, None] > 0)
    return np.asarray(share * weight)
