"""Scores a model, or anything that predicts, on labelled images."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.ignoring import without_ignored
from cerberus_annotate.learn.evaluation.prediction import Prediction, labelled_tasks, predict_labelled
from cerberus_annotate.learn.evaluation.scores import Scores, TaskScores
from cerberus_annotate.learn.evaluation.tasks import areas, nuclei, nucleus_points, patch, semantic
from cerberus_annotate.network.model import Model

Predict = Callable[[LabelledImage], Prediction]
Progress = Callable[[int, str], None]
"""Called with the number of images done and the name of the last one."""

SUMMARIES: dict[str, Callable[[Any], TaskScores | None]] = {
    "nuclei": nuclei.summarise,
    "nuclei_points": nucleus_points.summarise,
    "gland": areas.summarise,
    "lumen": areas.summarise,
    "semantic": semantic.summarise,
    "patch": patch.summarise,
}


LABELS_IN_WORDS = {
    "nuclei": "nuclei",
    "gland": "glands",
    "lumen": "lumina",
    "semantic": "masks",
    "patch": "patch classes",
}


def score(
    model: Model, images: Iterable[LabelledImage], precision: str = "auto", progress: Progress | None = None
) -> Scores:
    """The scores of a model on labelled images, one image in memory at a time.

    Predictions go the way that a slide's go, polygons included, and are drawn at the label's own resolution; labels are
    never resampled. Raises UsageError where there is no image, or none has a label that the model has a head for.
    """
    return score_predictions(partial(predict_labelled, model=model, precision=precision), images, progress, model.name)


def score_predictions(
    predict: Predict, images: Iterable[LabelledImage], progress: Progress | None = None, name: str = "The model"
) -> Scores:
    """As `score`, of whatever predicts; `name` is what errors call it."""
    added: dict[str, list[Any]] = {task: [] for task in SUMMARIES}
    labels: set[str] = set()
    count = 0
    for count, image in enumerate(images, start=1):
        labels |= labels_of(image)
        for task, of_image in _measured(*without_ignored(image, predict(image))).items():
            if of_image is not None:
                added[task].append(of_image)
        if progress is not None:
            progress(count, image.name)
    if count == 0:
        raise UsageError("There are no images to score.")
    summaries = {task: SUMMARIES[task](found) for task, found in added.items() if found}
    tasks = {task: scores for task, scores in summaries.items() if scores is not None}
    if not tasks:
        raise UsageError(
            f"{name} has no head for what is labelled here ({', '.join(sorted(labels)) or 'nothing'}); "
            "choose another --model or --data."
        )
    return Scores(tasks, count)


def labels_of(image: LabelledImage) -> set[str]:
    """What an image has labels for, in words."""
    return {LABELS_IN_WORDS[task] for task in labelled_tasks(image)}


def _measured(image: LabelledImage, prediction: Prediction) -> dict[str, Any]:
    return {
        "nuclei": nuclei.measure(image, prediction),
        "nuclei_points": nucleus_points.measure(image, prediction),
        "gland": areas.measure(image.name, image.glands, prediction.glands),
        "lumen": areas.measure(image.name, image.lumina, prediction.lumina),
        "semantic": semantic.measure(image, prediction),
        "patch": patch.measure(image, prediction),
    }
