"""Masks: each measure is of an image's foreground, averaged within each patch class, then over the classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.data.labelled_image import UNLABELLED, LabelledImage
from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.metrics import Estimate, bootstrap, class_of
from cerberus_annotate.learn.evaluation.prediction import Prediction
from cerberus_annotate.learn.evaluation.scores import ImageScore, TaskScores

BOUNDARY_TOLERANCE = 3
"""px of the label."""

MEASURES = {
    "dice": metrics.dice,
    "jaccard": metrics.jaccard,
    "precision": metrics.precision,
    "recall": metrics.recall,
}


@dataclass(frozen=True)
class MaskInImage:
    """What an image adds. by_label: Dice of each foreground class of the mask that label and head both name, NaN where
    the image has none of it; empty where the foreground is of one class."""

    score: ImageScore
    patch_class: str
    by_label: dict[str, float]


def measure(image: LabelledImage, prediction: Prediction) -> MaskInImage | None:
    """What an image adds; None where there is no mask or no prediction. Unlabelled pixels count nowhere."""
    truth, found = image.mask, prediction.mask
    if truth is None or found is None:
        return None
    labelled = truth != UNLABELLED
    true_mask, found_mask = (truth > 0) & labelled, (found > 0) & labelled
    counts = metrics.pixel_counts(true_mask, found_mask)
    values = {name: function(counts) for name, function in MEASURES.items()}
    values["boundary_f1"] = metrics.boundary_f1(true_mask, found_mask, BOUNDARY_TOLERANCE)
    return MaskInImage(
        ImageScore(image.name, values), image.patch_class or "", _by_label(image, truth, found, prediction.mask_classes)
    )


def _by_label(
    image: LabelledImage, truth: NDArray[np.uint8], found: NDArray[np.uint8], classes: tuple[str, ...]
) -> dict[str, float]:
    shared = [name for name in image.mask_classes[1:] if name in classes[1:]]
    if len(image.mask_classes) <= 2:
        return {}
    scores = {}
    for name in shared:
        true_mask, found_mask = truth == image.mask_classes.index(name), found == classes.index(name)
        counts = metrics.pixel_counts(true_mask, found_mask & (truth != UNLABELLED))
        scores[name] = metrics.dice(counts) if counts.hits + counts.misses + counts.false_alarms else float("nan")
    return scores


def summarise(images: Sequence[MaskInImage]) -> TaskScores:
    """Measures over all classes, and of each; `per_class` is by patch class, else by class of the mask."""
    classes = list(dict.fromkeys(each.patch_class for each in images))
    names = images[0].score.values
    members = np.array([[each.patch_class == name for name in classes] for each in images])
    measures: dict[str, Estimate] = {}
    per_class: dict[str, dict[str, Estimate]] = {name: {} for name in classes if name}
    for name in names:
        values = np.array([each.score.values[name] for each in images])
        statistics = np.stack([members * values[:, None], members], axis=-1)
        of_classes = {each: class_of(metrics.mean, classes.index(each)) for each in per_class}
        estimates = bootstrap(statistics, {"": _mean_of_class_means, **of_classes})
        measures[name] = estimates.pop("")
        for each, estimate in estimates.items():
            per_class[each][name] = estimate
    if not per_class:
        per_class = _per_label(images)
    return TaskScores(tuple(each.score for each in images), measures, per_class, ranked_by="dice")


def _per_label(images: Sequence[MaskInImage]) -> dict[str, dict[str, Estimate]]:
    labels = sorted({name for each in images for name in each.by_label})
    dice = {name: np.array([each.by_label.get(name, np.nan) for each in images]) for name in labels}
    estimates = metrics.mean_estimates(dice) if dice else {}
    return {name: {"dice": estimate} for name, estimate in estimates.items()}


def _mean_of_class_means(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """From (..., classes, 2), sums and counts, the mean of the classes that have an image."""
    return metrics.mean_of_present(metrics.mean(sums))
