"""Images that have one class each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.metrics import bootstrap, class_of
from cerberus_annotate.learn.evaluation.prediction import Prediction
from cerberus_annotate.learn.evaluation.scores import Confusion, ImageScore, TaskScores

OF_CLASS = {"f1": metrics.class_f1, "precision": metrics.class_precision, "recall": metrics.class_recall}

NCT_CRC_TISSUE = {
    "ADI": "adipose",
    "BACK": "background",
    "DEB": "debris",
    "LYM": "inflammatory",
    "MUC": "mucous",
    "MUS": "muscle",
    "NORM": "normal epi",
    "STR": "stroma",
    "TUM": "abnormal epi",
}
"""NCT-CRC-HE's classes as Cerberus' tissue head calls them."""


@dataclass(frozen=True)
class PatchOfImage:
    """What an image adds. probabilities: (C,) of `classes`."""

    name: str
    true: str
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]


def measure(image: LabelledImage, prediction: Prediction) -> PatchOfImage | None:
    """What an image adds; None where it has no class or none was predicted."""
    if image.patch_class is None or prediction.patch is None:
        return None
    return PatchOfImage(
        image.name, image.patch_class, np.asarray(prediction.patch, np.float64), prediction.patch_classes
    )


def class_index(label: str, classes: Sequence[str]) -> int | None:
    """The head's class that a label means: that of its name, whatever its case, spaces, hyphens and underscores, else
    the one that the table above says; None where there is none."""
    index_of = {_plain(name): index for index, name in enumerate(classes)}
    return next((index_of[name] for name in (_plain(label), NCT_CRC_TISSUE.get(label)) if name in index_of), None)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def summarise(images: Sequence[PatchOfImage]) -> TaskScores | None:
    """Accuracy, macro F1 and calibration error; None where the head has none of the images' classes.

    Images of a class that the head does not have can only be wrong, so they are left out, and a note says so.
    """
    classes = images[0].classes
    places = {label: class_index(label, classes) for label in sorted({each.true for each in images})}
    known = [each for each in images if places[each.true] is not None]
    if not known:
        return None
    true = np.array([places[each.true] for each in known], np.intp)
    probabilities = np.stack([each.probabilities for each in known])
    found, confidence = probabilities.argmax(1), probabilities.max(1)
    one_by_one = np.stack([metrics.confusion(true[[i]], found[[i]], len(classes)) for i in range(len(known))])
    bins = np.stack([metrics.calibration_sums(confidence[[i]], (true == found)[[i]]) for i in range(len(known))])
    there = np.unique(true)
    of_classes = {
        f"{index} {name}": class_of(measure, index) for index in there.tolist() for name, measure in OF_CLASS.items()
    }
    whole = {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1}
    estimates = bootstrap(one_by_one, {**whole, **of_classes})
    calibration = bootstrap(bins, {"ece": metrics.calibration_error})
    measures = {**{name: estimates[name] for name in whole}, **calibration}
    per_class = {classes[index]: {name: estimates[f"{index} {name}"] for name in OF_CLASS} for index in there.tolist()}
    counts = one_by_one.sum(0)
    shown = np.flatnonzero(counts.any(0) | counts.any(1))
    confusion = Confusion(
        tuple(classes[i] for i in there), tuple(classes[i] for i in shown), counts[there][:, shown].astype(np.int64)
    )
    scores = tuple(
        ImageScore(each.name, {"probability": float(p[t]), "right": float(f == t)})
        for each, p, t, f in zip(known, probabilities, true, found, strict=True)
    )
    unknown = [label for label, place in places.items() if place is None]
    note = f"{len(images) - len(known)} images left out, of classes that the model does not have: {', '.join(unknown)}."
    return TaskScores(scores, measures, per_class, confusion, "probability", (note,) if unknown else ())
