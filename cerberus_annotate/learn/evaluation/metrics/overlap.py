"""Which objects of two instance maps share pixels. Maps are int (H, W), 0 is background, ids may have gaps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

InstanceMap = NDArray[np.integer]


@dataclass(frozen=True)
class Overlap:
    """Pixel counts of two instance maps, objects in ascending order of their ids.

    true_ids (T,), found_ids (F,).  true_areas (T,), found_areas (F,): px.  shared (T, F): px of each intersection.
    """

    true_ids: NDArray[np.int64]
    found_ids: NDArray[np.int64]
    true_areas: NDArray[np.int64]
    found_areas: NDArray[np.int64]
    shared: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, (T, F)."""
        return self.shared / np.maximum(self.true_areas[:, None] + self.found_areas[None] - self.shared, 1)

    def of(self, true_chosen: NDArray[np.bool_], found_chosen: NDArray[np.bool_]) -> "Overlap":
        """The overlaps of some objects, chosen by masks (T,) and (F,)."""
        return Overlap(
            self.true_ids[true_chosen],
            self.found_ids[found_chosen],
            self.true_areas[true_chosen],
            self.found_areas[found_chosen],
            self.shared[true_chosen][:, found_chosen],
        )


def overlap(truth: InstanceMap, found: InstanceMap) -> Overlap:
    """Counts the pixels that the objects of two maps share. Raises ValueError for maps of two shapes."""
    if truth.shape != found.shape:
        raise ValueError(f"instance maps of two shapes, {truth.shape} and {found.shape}")
    true_ids, true_index = np.unique(truth, return_inverse=True)
    found_ids, found_index = np.unique(found, return_inverse=True)
    counts = np.bincount(
        true_index.ravel() * len(found_ids) + found_index.ravel(), minlength=len(true_ids) * len(found_ids)
    ).reshape(len(true_ids), len(found_ids))
    true_objects, found_objects = true_ids != 0, found_ids != 0
    return Overlap(
        true_ids[true_objects].astype(np.int64),
        found_ids[found_objects].astype(np.int64),
        counts.sum(1)[true_objects],
        counts.sum(0)[found_objects],
        counts[true_objects][:, found_objects],
    )


def matched(pairs: Overlap) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the true and the found object of each pair with an IoU above 0.5, at most one pair an object."""
    true_index, found_index = np.nonzero(pairs.iou > 0.5)
    return true_index, found_index
