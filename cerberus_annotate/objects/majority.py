"""Which type an object is, from the pixels of a type head inside it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def type_counts(owners: NDArray[Any], types: NDArray[Any], count: int) -> NDArray[np.int64]:
    """How often each type occurs per object: owners and types are one entry per pixel, owners in 0 to `count` - 1;
    the result is (count, highest type + 1)."""
    width = int(types.max(initial=0)) + 1
    return np.bincount(owners.astype(np.int64) * width + types, minlength=count * width).reshape(count, width)


def majority_type(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most frequent type of each object (n,), from counts (n, types); ties go to the lowest index. Where that
    is 0, no label, but another type occurs, the most frequent other one is taken, as the reference does."""
    if counts.shape[1] < 2:
        return np.zeros(len(counts), np.int64)
    labelled = counts[:, 1:].argmax(axis=1) + 1
    return np.where(counts[:, 1:].any(axis=1), labelled, 0)
