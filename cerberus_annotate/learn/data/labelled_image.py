"""An image with whatever labels it has, and a data set of such images."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.data.label_names import GLAND_LABELS, NUCLEUS_LABELS

UNLABELLED = 255
"""Value of `mask` pixels that no one labelled; they count neither in a loss nor in a score."""

LABELS = (
    "nuclei",
    "nucleus_types",
    "nucleus_points",
    "glands",
    "gland_types",
    "lumina",
    "mask",
    "patch_class",
)
"""What a `LabelledImage` may have labels of, by the names of its fields."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with the labels that it has; what it has no label for is None.

    rgb: uint8 (H, W, 3).  mpp: µm/px of all of it, None where unknown.  nuclei, glands, lumina: int32 instance maps
    (H, W), 0 is background.  nucleus_types: uint8 (H, W), indices into `NUCLEUS_LABELS`, 0 where untyped.
    nucleus_points: float64 (n, 3) of x and y in px (the centre of the first pixel is 0.5, 0.5) and an index into
    `NUCLEUS_LABELS`.  gland_types: uint8 (H, W), indices into `GLAND_LABELS`.  mask: uint8 (H, W), class of each pixel,
    0 is background, `UNLABELLED` unknown; `mask_classes` names them from 0 on.  patch_class: of the whole image.
    patient: patient or slide, None where unknown; images of one patient belong on one side of a split.
    ignore: bool (H, W), True where nobody looked for objects: whatever is labelled there or not, no task learns from
    it and no score counts it. nucleus_labels, gland_labels: what the indices mean where a set has types of its own
    after those of `NUCLEUS_LABELS` or `GLAND_LABELS`.
    """

    name: str
    dataset: str
    split: str
    mpp: float | None
    rgb: NDArray[np.uint8]
    nuclei: NDArray[np.int32] | None = None
    nucleus_types: NDArray[np.uint8] | None = None
    nucleus_points: NDArray[np.float64] | None = None
    glands: NDArray[np.int32] | None = None
    gland_types: NDArray[np.uint8] | None = None
    lumina: NDArray[np.int32] | None = None
    mask: NDArray[np.uint8] | None = None
    mask_classes: tuple[str, ...] = ()
    patch_class: str | None = None
    patient: str | None = None
    ignore: NDArray[np.bool_] | None = None
    nucleus_labels: tuple[str, ...] = NUCLEUS_LABELS
    gland_labels: tuple[str, ...] = GLAND_LABELS


@dataclass(frozen=True)
class Entry:
    """An image of a data set before it is read: what its index says of it, and how to read it.

    region: of the slide, where an image is one of several of one region, else "".
    """

    name: str
    split: str
    patient: str | None
    patch_class: str | None
    read: Callable[[], LabelledImage]
    region: str = ""


@dataclass(frozen=True)
class DataSet:
    """Images that belong together.

    layout: how they lie on disk (`manifest`, `glas`, …).  patch_classes: in order.  left_out: a sentence for each file
    that the layout has but no entry could be made of, such as an image without its label.
    """

    name: str
    layout: str
    licence: str
    source: str
    entries: tuple[Entry, ...]
    patch_classes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def images(self, splits: Collection[str] | None = None) -> Iterator[LabelledImage]:
        """The images of some splits, or of all, read one at a time."""
        for entry in self.entries:
            if splits is None or entry.split in splits:
                yield entry.read()
