"""Nuclei that are labelled by points alone: whether an outline stands around each, and its type."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS, head_indices
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.metrics import TypeCounts, bootstrap
from cerberus_annotate.learn.evaluation.prediction import Prediction
from cerberus_annotate.learn.evaluation.scores import ImageScore, TaskScores
from cerberus_annotate.learn.evaluation.tasks.nuclei import type_confusion, type_estimates


@dataclass(frozen=True)
class PointsInImage:
    """What an image adds."""

    score: ImageScore
    hits: tuple[int, int, int]
    classes: tuple[str, ...]
    counts: TypeCounts | None


def measure(image: LabelledImage, prediction: Prediction) -> PointsInImage | None:
    """What an image adds; None for one with outlines, which say more, or without points or predicted nuclei.

    A point and the found nucleus that it lies in are a pair; of several points in one nucleus, that nearest to its
    centre is paired.
    """
    points, found = image.nucleus_points, prediction.nuclei
    if points is None or found is None or image.nuclei is not None:
        return None
    owner = found[points[:, 1].astype(np.intp), points[:, 0].astype(np.intp)] if len(points) else np.zeros(0, np.intp)
    paired = _nearest_of_each(points[:, :2], owner, found)
    missed = np.setdiff1d(np.arange(len(points)), paired)
    spurious = np.setdiff1d(np.unique(found[found > 0]), owner[paired])
    hits = (len(paired), len(spurious), len(missed))
    counts = None
    classes: tuple[str, ...] = ()
    if prediction.nucleus_types is not None:
        classes = prediction.nucleus_classes[1:]
        true_types = head_indices(NUCLEUS_LABELS, prediction.nucleus_classes)[points[:, 2].astype(np.uint8)]
        typed = paired[true_types[paired] > 0]
        counts = metrics.counted_types(
            true_types[typed],
            prediction.nucleus_types[owner[typed]],
            true_types[missed],
            prediction.nucleus_types[spurious],
            len(classes),
        )
    score = ImageScore(image.name, {"detection_f1": float(metrics.object_f1(np.array(hits)))})
    return PointsInImage(score, hits, classes, counts)


def _nearest_of_each(points: np.ndarray, owner: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Indices of one point for each nucleus that has any."""
    inside = np.flatnonzero(owner)
    if len(inside) == 0:
        return inside
    rows, columns = np.nonzero(found)
    ids = found[rows, columns]
    areas = np.maximum(np.bincount(ids), 1)
    centres = np.column_stack([np.bincount(ids, columns + 0.5) / areas, np.bincount(ids, rows + 0.5) / areas])
    distance = np.hypot(*(points[inside] - centres[owner[inside]]).T)
    order = inside[np.lexsort((distance, owner[inside]))]
    _, first = np.unique(owner[order], return_index=True)
    return order[first]


def summarise(images: Sequence[PointsInImage]) -> TaskScores:
    """Detection pooled over images, and types as for nuclei with outlines, with points in nuclei as the pairs."""
    measures = bootstrap(np.array([each.hits for each in images]), {"detection_f1": metrics.object_f1})
    scores = tuple(each.score for each in images)
    counts = [each.counts for each in images if each.counts is not None]
    if not counts:
        return TaskScores(scores, measures, ranked_by="detection_f1")
    classes = next(each.classes for each in images if each.counts is not None)
    type_measures, per_class = type_estimates(counts, classes)
    return TaskScores(scores, measures | type_measures, per_class, type_confusion(counts, classes), "detection_f1")
