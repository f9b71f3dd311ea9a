"""Glands and lumina: object F1, Dice and Hausdorff distance are pooled over images, as in the GlaS challenge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.metrics import bootstrap
from cerberus_annotate.learn.evaluation.scores import ImageScore, TaskScores

BOUNDARY_TOLERANCE = 3
"""px of the label."""


@dataclass(frozen=True)
class AreasInImage:
    """What an image adds: `object_hits`, `object_dice_sums`, `object_hausdorff_sums`."""

    score: ImageScore
    hits: NDArray[np.float64]
    dice: NDArray[np.float64]
    hausdorff: NDArray[np.float64]


def measure(name: str, truth: NDArray[np.int32] | None, found: NDArray[np.int32] | None) -> AreasInImage | None:
    """What an image adds; None where there are no labels or no prediction."""
    if truth is None or found is None:
        return None
    pairs = metrics.overlap(truth, found)
    hits = np.array(metrics.object_hits(pairs), np.float64)
    dice, hausdorff = metrics.object_dice_sums(pairs), metrics.object_hausdorff_sums(truth, found, pairs)
    values = {
        "object_f1": float(metrics.object_f1(hits)),
        "object_dice": float(metrics.object_dice(dice)),
        "object_hausdorff": float(metrics.object_hausdorff(hausdorff)),
        "pq": metrics.panoptic_quality(pairs)[0],
        "dice": metrics.dice(metrics.pixel_counts(truth, found)),
        "boundary_f1": metrics.boundary_f1(truth, found, BOUNDARY_TOLERANCE),
    }
    return AreasInImage(ImageScore(name, values), hits, dice, hausdorff)


def summarise(images: Sequence[AreasInImage]) -> TaskScores:
    """The challenge's measures pooled; PQ, Dice and boundary F1 as means over images."""
    pooled = {
        **bootstrap(np.stack([each.hits for each in images]), {"object_f1": metrics.object_f1}),
        **bootstrap(np.stack([each.dice for each in images]), {"object_dice": metrics.object_dice}),
        **bootstrap(np.stack([each.hausdorff for each in images]), {"object_hausdorff": metrics.object_hausdorff}),
    }
    means = {
        name: np.array([each.score.values[name] for each in images])
        for name in images[0].score.values
        if name not in pooled
    }
    measures = {**pooled, **metrics.mean_estimates(means)}
    return TaskScores(tuple(each.score for each in images), measures, ranked_by="object_dice")
