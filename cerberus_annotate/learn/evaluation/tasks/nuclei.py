"""Nuclei: PQ, AJI and Dice are means over images, as HoVer-Net has them; types are compared in the head's classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.data.label_names import head_indices
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.metrics import Estimate, Measure, TypeCounts, bootstrap, class_of
from cerberus_annotate.learn.evaluation.prediction import Prediction
from cerberus_annotate.learn.evaluation.scores import Confusion, ImageScore, TaskScores

BOUNDARY_TOLERANCE = 2
"""px of the label, 0.5 µm in a 40x image."""

OF_CLASS = {
    "f1": metrics.type_f1,
    "precision": metrics.type_precision,
    "recall": metrics.type_recall,
    "f_detection": metrics.type_detection_f1,
}


@dataclass(frozen=True)
class TypedNuclei:
    """What an image adds to the measures of types. panoptic: (C, 4), see `class_panoptic_sums`."""

    classes: tuple[str, ...]
    counts: TypeCounts
    panoptic: NDArray[np.float64]


@dataclass(frozen=True)
class NucleiInImage:
    """What an image adds."""

    score: ImageScore
    types: TypedNuclei | None


def measure(image: LabelledImage, prediction: Prediction) -> NucleiInImage | None:
    """What an image adds; None where there are no labels, or nuclei were not predicted."""
    truth, found = image.nuclei, prediction.nuclei
    if truth is None or found is None:
        return None
    pairs = metrics.overlap(truth, found)
    quality, detection, segmentation = metrics.panoptic_quality(pairs)
    values = {
        "pq": quality,
        "aji": metrics.aggregated_jaccard(pairs),
        "dice": metrics.dice(metrics.pixel_counts(truth, found)),
        "aji_plus": metrics.aggregated_jaccard_plus(pairs),
        "dq": detection,
        "sq": segmentation,
        "boundary_f1": metrics.boundary_f1(truth, found, BOUNDARY_TOLERANCE),
    }
    types = None
    if image.nucleus_types is not None and prediction.nucleus_types is not None:
        classes = prediction.nucleus_classes
        table = head_indices(image.nucleus_labels, classes)
        true_types = types_of_objects(truth, table[image.nucleus_types], pairs.true_ids)
        found_types = prediction.nucleus_types[pairs.found_ids]
        panoptic = metrics.class_panoptic_sums(pairs, true_types, found_types, len(classes) - 1)
        types = TypedNuclei(
            classes[1:], metrics.type_counts(pairs, true_types, found_types, len(classes) - 1), panoptic
        )
        values["mpq"] = float(metrics.mean_panoptic_quality(panoptic))
    return NucleiInImage(ImageScore(image.name, values), types)


def types_of_objects(
    objects: NDArray[np.integer], types: NDArray[np.integer], ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The most frequent type above 0 of each object's pixels, 0 where all are 0; ids (n,) ascending; (n,)."""
    inside = objects > 0
    owners = np.searchsorted(ids, objects[inside])
    width = int(types.max(initial=0)) + 1
    counts = np.bincount(owners * width + types[inside], minlength=len(ids) * width).reshape(len(ids), width)
    if width == 1:
        return np.zeros(len(ids), np.int64)
    return np.where(counts[:, 1:].any(1), counts[:, 1:].argmax(1) + 1, 0)


def summarise(images: Sequence[NucleiInImage]) -> TaskScores:
    """The measures of all images; those of types from the images that have types."""
    scores = tuple(each.score for each in images)
    values = {
        name: np.array([each.score.values[name] for each in images]) for name in images[0].score.values if name != "mpq"
    }
    measures = metrics.mean_estimates(values)
    typed = [each.types for each in images if each.types is not None]
    if not any(each.counts.true.any() or each.counts.missed.any() for each in typed):
        return TaskScores(scores, measures, ranked_by="pq")
    classes, counts = typed[0].classes, [each.counts for each in typed]
    panoptic = np.stack([each.panoptic for each in typed])
    pooled = {name: class_of(metrics.class_panoptic_quality, index) for index, name in enumerate(classes)}
    estimates = bootstrap(panoptic, {"": metrics.mean_panoptic_quality, **pooled})
    type_measures, per_class = type_estimates(counts, classes)
    measures |= {
        **type_measures,
        **metrics.mean_estimates({"mpq": metrics.mean_panoptic_quality(panoptic)}),
        "mpq_plus": estimates[""],
    }
    per_class = {name: {**of_class, "pq_pooled": estimates[name]} for name, of_class in per_class.items()}
    return TaskScores(scores, measures, per_class, type_confusion(counts, classes), "pq")


def type_estimates(
    counts: Sequence[TypeCounts], classes: tuple[str, ...]
) -> tuple[dict[str, Estimate], dict[str, dict[str, Estimate]]]:
    """From the counts of images: `type_macro_f1`, of matched nuclei only, and the stricter `type_f_detection`; and by
    class F1, precision and recall among matched nuclei, and F as a detection, of the classes with a true nucleus."""
    stacked = np.stack([np.column_stack([each.confusion, each.missed, each.spurious]) for each in counts])
    of_class = {
        f"{index} {name}": class_of(_of_counts(measure), index)
        for index in range(len(classes))
        for name, measure in OF_CLASS.items()
    }
    whole = {"type_macro_f1": metrics.type_macro_f1, "type_f_detection": metrics.type_f_detection}
    estimates = bootstrap(stacked, {**{name: _of_counts(each) for name, each in whole.items()}, **of_class})
    per_class = {
        name: {key: estimates[f"{index} {key}"] for key in OF_CLASS}
        for index, name in enumerate(classes)
        if f"{index} f1" in estimates
    }
    return {name: estimates[name] for name in whole if name in estimates}, per_class


def type_confusion(counts: Sequence[TypeCounts], classes: tuple[str, ...]) -> Confusion:
    """The pairs of all images by class; found nuclei without a type stand in a last column where there are any."""
    pairs = np.sum([each.confusion for each in counts], axis=0).astype(np.int64)
    untyped = pairs[:, :1]
    table, found = pairs[:, 1:], classes
    if untyped.any():
        table, found = np.hstack([table, untyped]), (*classes, "no type")
    there = [index for index in range(len(classes)) if table[index].any()]
    return Confusion(tuple(classes[index] for index in there), found, table[there])


def _of_counts(measure: Callable[[TypeCounts], NDArray[np.float64]]) -> Measure:
    """A measure of type counts as one of sums (..., C, C + 3): the confusion, then missed and spurious nuclei."""
    return lambda sums: measure(TypeCounts(sums[..., :-2], sums[..., -2], sums[..., -1]))
