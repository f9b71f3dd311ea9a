"""The vocabulary that every data set's types are translated to, and from there to the classes of a network's head."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NUCLEUS_LABELS = (
    "unlabelled",
    "neutrophil",
    "epithelial",
    "lymphocyte",
    "plasma",
    "eosinophil",
    "connective",
    "inflammatory",
    "other",
    "macrophage",
)
GLAND_LABELS = ("unlabelled", "gland", "surface-epi", "benign", "malignant")

WIDER = {
    "neutrophil": "inflammatory",
    "lymphocyte": "inflammatory",
    "plasma": "inflammatory",
    "eosinophil": "inflammatory",
    "macrophage": "inflammatory",
    "benign": "gland",
    "malignant": "gland",
}
"""What a label also is. Never the other way: an `inflammatory` nucleus teaches nothing to a head that has lymphocytes
and plasma cells only."""


def head_indices(labels: Sequence[str], head_classes: Sequence[str]) -> NDArray[np.uint8]:
    """A table (256,) from indices of `labels` to those of a TYPE head's classes, 0 where the head has no counterpart.

    A head's class 0 is `nolabel`. A label goes to the class of its own name, else to that of its wider name.
    """
    table = np.zeros(256, np.uint8)
    for index, label in enumerate(labels):
        for name in (label, WIDER.get(label)):
            if name in head_classes[1:]:
                table[index] = head_classes.index(name)
                break
    return table
