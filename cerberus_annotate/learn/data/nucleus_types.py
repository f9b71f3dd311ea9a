"""From a data set's numbers for types to indices of our vocabulary, by explicit names."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS


def nucleus_table(names: Mapping[int, str]) -> NDArray[np.uint8]:
    """(256,) from a data set's type numbers to indices of `NUCLEUS_LABELS`; 0, unlabelled, for those without a name."""
    table = np.zeros(256, np.uint8)
    for number, name in names.items():
        table[number] = NUCLEUS_LABELS.index(name)
    return table
