"""How well an instance map fits the truth. Maps are int (H, W), 0 is background, ids need not be consecutive."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

InstanceMap = NDArray[np.integer]


@dataclass(frozen=True)
class Overlap:
    """Pixel counts of two instance maps: areas of true and found objects, and (T, F) of each pair's intersection."""

    true_areas: NDArray[np.int64]
    found_areas: NDArray[np.int64]
    shared: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, (T, F)."""
        return self.shared / np.maximum(self.true_areas[:, None] + self.found_areas[None] - self.shared, 1)


def overlap(truth: InstanceMap, found: InstanceMap) -> Overlap:
    """Counts the pixels that the objects of two maps of one shape share."""
    true_ids, true_index = np.unique(truth, return_inverse=True)
    found_ids, found_index = np.unique(found, return_inverse=True)
    counts = np.bincount(
        true_index.ravel() * len(found_ids) + found_index.ravel(), minlength=len(true_ids) * len(found_ids)
    ).reshape(len(true_ids), len(found_ids))
    counts = counts[true_ids != 0]
    areas = np.bincount(found_index.ravel(), minlength=len(found_ids))
    return Overlap(counts.sum(1), areas[found_ids != 0], counts[:, found_ids != 0])


def dice(truth: NDArray, found: NDArray) -> float:
    """Dice of the foregrounds; 1 when both are empty."""
    total = int(np.count_nonzero(truth)) + int(np.count_nonzero(found))
    return 1.0 if total == 0 else 2 * int(np.count_nonzero((truth > 0) & (found > 0))) / total


def aggregated_jaccard(pairs: Overlap) -> float:
    """AJI (Kumar et al., IEEE TMI 2017): every true object with its best found one; unmatched ones count as error.

    1 when both maps are empty.
    """
    if len(pairs.true_areas) == 0 or len(pairs.found_areas) == 0:
        return 1.0 if len(pairs.true_areas) == len(pairs.found_areas) else 0.0
    best = pairs.iou.argmax(1)
    rows = np.arange(len(best))
    matched = pairs.shared[rows, best] > 0
    shared = pairs.shared[rows, best][matched].sum()
    union = (pairs.true_areas + pairs.found_areas[best] - pairs.shared[rows, best])[matched].sum()
    union += pairs.true_areas[~matched].sum()
    unused = np.ones(len(pairs.found_areas), bool)
    unused[best[matched]] = False
    return float(shared / (union + pairs.found_areas[unused].sum()))


def panoptic_quality(pairs: Overlap) -> tuple[float, float, float]:
    """PQ, its detection and its segmentation part (Kirillov et al. 2019); pairs match above IoU 0.5.

    All 1 when both maps are empty; the segmentation part is 0 when nothing matches.
    """
    true_count, found_count = len(pairs.true_areas), len(pairs.found_areas)
    if true_count == found_count == 0:
        return 1.0, 1.0, 1.0
    matches = pairs.iou[pairs.iou > 0.5] if pairs.shared.size else np.zeros(0)
    detection = 2 * len(matches) / (true_count + found_count)
    segmentation = float(matches.mean()) if len(matches) else 0.0
    return detection * segmentation, detection, segmentation


def gland_hits(pairs: Overlap) -> tuple[int, int, int]:
    """Hits, false alarms and misses of the GlaS challenge (Sirinukunwattana et al. 2017, section 4.1).

    A found object is a hit when it covers at least half of the true object that it shares most pixels with.
    """
    true_count, found_count = len(pairs.true_areas), len(pairs.found_areas)
    if true_count == 0 or found_count == 0:
        return 0, found_count, true_count
    best = pairs.shared.argmax(0)
    covered = pairs.shared[best, np.arange(found_count)] >= 0.5 * pairs.true_areas[best]
    hits = len(np.unique(best[covered]))
    return hits, found_count - hits, true_count - hits


def object_f1(hits: int, false_alarms: int, misses: int) -> float:
    """F1 of pooled counts; 1 when there was nothing to find and nothing was found."""
    total = 2 * hits + false_alarms + misses
    return 1.0 if total == 0 else 2 * hits / total


def object_dice_sums(pairs: Overlap) -> tuple[float, float, float, float]:
    """The sums of the GlaS object Dice of one image: over true objects (weighted Dice, area), over found ones."""

    def one_way(areas: NDArray, others: NDArray, shared: NDArray) -> tuple[float, float]:
        if len(areas) == 0 or len(others) == 0:
            return 0.0, float(areas.sum())
        best = shared.argmax(1)
        rows = np.arange(len(areas))
        score = 2 * shared[rows, best] / (areas + others[best])
        return float((areas * score).sum()), float(areas.sum())

    return (
        *one_way(pairs.true_areas, pairs.found_areas, pairs.shared),
        *one_way(pairs.found_areas, pairs.true_areas, pairs.shared.T),
    )


def object_dice(sums: NDArray[np.float64]) -> float:
    """GlaS object Dice of pooled sums (images, 4); 1 when there are no objects at all."""
    true_score, true_area, found_score, found_area = sums.sum(0)
    if true_area == 0 and found_area == 0:
        return 1.0
    return 0.5 * (true_score / max(true_area, 1) + found_score / max(found_area, 1))
