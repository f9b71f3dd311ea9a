"""Whether a model is better than its parent, on images that neither has learnt from."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.metrics import Estimate, estimate_of, paired_difference
from cerberus_annotate.learn.evaluation.scores import Estimates, Scores, TaskScores
from cerberus_annotate.learn.evaluation.scoring import score
from cerberus_annotate.learn.evaluation.tables import MEASURE_TITLES, TASK_TITLES
from cerberus_annotate.network.model import Model

DECISIVE: Mapping[str, tuple[str, ...]] = {
    "nuclei": ("pq", "type_macro_f1"),
    "nuclei_points": ("detection_f1", "type_macro_f1"),
    "gland": ("object_f1",),
    "lumen": ("object_f1",),
    "semantic": ("dice",),
    "patch": ("accuracy",),
}
"""Measures that decide, by task; the others are told."""

TOLD: Mapping[str, tuple[str, ...]] = {
    "nuclei": ("aji", "dice"),
    "gland": ("object_dice",),
    "lumen": ("object_dice",),
}

SHOWN_BY: Mapping[str, str] = {"type_macro_f1": "mpq"}
"""The measure of single images that is defined where an image counts for a pooled one, if it is not of that name."""

OF_CLASS = ("f1", "dice")
"""What is told of each class, where the task has it."""

FALL, CERTAIN_FALL = 0.03, 0.01
"""Falls that a model is not forgiven: at all, and where the interval lies below zero."""

FEWEST = 3
"""Images from which on an interval means something."""

Progress = Callable[[str, int, str], None]
"""Called with the set, the number of its images done, and the name of the last one."""


@dataclass(frozen=True)
class GateRow:
    """A measure of both models on a set of images. class_name: None for the whole task. images: how many it is of;
    for types of nuclei, those with a type.  difference: of the same images, drawn in pairs.
    """

    data: str
    task: str
    class_name: str | None
    measure: str
    before: Estimate
    after: Estimate
    difference: Estimate
    images: int

    @property
    def decides(self) -> bool:
        return self.class_name is None and self.measure in DECISIVE[self.task]

    @property
    def rises(self) -> bool:
        """Surely better."""
        return self.decides and self.images >= FEWEST and self.difference.low > 0

    @property
    def falls(self) -> bool:
        """Worse by more than is forgiven."""
        surely = self.images >= FEWEST and self.difference.high < 0 and self.difference.value < -CERTAIN_FALL
        return self.decides and (surely or self.difference.value < -FALL)


@dataclass(frozen=True)
class Verdict:
    """reason: a sentence or two for the user."""

    better: bool
    reason: str
    rows: tuple[GateRow, ...]


def measure(
    model: Model, sets: Mapping[str, Iterable[LabelledImage]], precision: str = "auto", progress: Progress | None = None
) -> dict[str, Scores]:
    """The scores of a model on each set, by its name.  Raises UsageError for a set that the model has no head for."""

    def told(name: str) -> Callable[[int, str], None] | None:
        return None if progress is None else lambda done, image: progress(name, done, image)

    return {name: score(model, images, precision, told(name)) for name, images in sets.items()}


def judge(before: Mapping[str, Scores], after: Mapping[str, Scores]) -> Verdict:
    """Better is a model that surely does something better, and nothing worse.

    That is: at least one decisive measure (`DECISIVE`) rises with its 95 % interval above 0, and none falls by more
    than 0.01 with its interval below 0, nor by more than 0.03 at all. Intervals are bootstrapped over images (2,000
    draws), both models on the same draws; pooled measures are pooled in each. Sets of fewer than 3 images never count
    as a rise, and only their falls of more than 0.03 count. Where the new model has types that its parent has not, the
    mean F1 of types is taken over those that both have.
    """
    rows = tuple(row for name in before if name in after for row in _rows(name, before[name], after[name]))
    deciding = [row for row in rows if row.decides]
    falls, rises = [row for row in rows if row.falls], [row for row in rows if row.rises]
    if not deciding:
        return Verdict(False, "There was nothing to measure it on: no image is held out, and no --test is given.", rows)
    if falls:
        return Verdict(False, f"It is worse: {_told(falls)}.", rows)
    if not rises:
        few = [name for name in before if all(row.images < FEWEST for row in deciding if row.data == name)]
        why = f" On fewer than {FEWEST} images ({', '.join(few)}) nothing can be shown." if few else ""
        return Verdict(False, f"No figure rises for sure: {_told(deciding)}.{why}", rows)
    return Verdict(True, f"It is better: {_told(rises)}; no figure falls by more than is forgiven.", rows)


def _rows(data: str, before: Scores, after: Scores) -> Iterator[GateRow]:
    for task, old in before.tasks.items():
        new = after.tasks.get(task)
        if new is None:
            continue
        shared = [name for name in old.per_class if name in new.per_class]
        measures = _comparable(old, new, shared)
        for name in (*DECISIVE[task], *TOLD.get(task, ())):
            yield from _compared(data, task, None, *measures, name, _images_of(name, old, new))
        typed = _images_of("type_macro_f1", old, new)
        for label in shared:
            for name in OF_CLASS:
                yield from _compared(data, task, label, old.per_class[label], new.per_class[label], name, typed)


def _compared(
    data: str, task: str, class_name: str | None, old: Estimates, new: Estimates, name: str, images: int
) -> Iterator[GateRow]:
    if name in old and name in new:
        difference = paired_difference(old[name], new[name])
        yield GateRow(data, task, class_name, name, old[name], new[name], difference, images)


def _images_of(measure: str, old: TaskScores, new: TaskScores) -> int:
    """How many images a measure is of; where single images do not tell, all.

    One typed image among many is one image: all its draws are alike, and their interval has no width.
    """
    name = SHOWN_BY.get(measure, measure)
    if not any(name in image.values for image in old.images):
        return len(old.images)
    pairs = zip(old.images, new.images, strict=True)
    return sum(any(not np.isnan(image.values.get(name, np.nan)) for image in pair) for pair in pairs)


def _comparable(old: TaskScores, new: TaskScores, shared: list[str]) -> tuple[Estimates, Estimates]:
    """The measures of both; the mean F1 of types over the types that both have, where one has more."""
    if set(old.per_class) == set(new.per_class) or not shared or "type_macro_f1" not in old.measures:
        return old.measures, new.measures
    return (
        {**old.measures, "type_macro_f1": _mean_f1(old, shared)},
        {**new.measures, "type_macro_f1": _mean_f1(new, shared)},
    )


def _mean_f1(scores: TaskScores, shared: list[str]) -> Estimate:
    of_each = [scores.per_class[name]["f1"] for name in shared]
    draws = np.array([one.draws for one in of_each if one.draws is not None])
    defined = ~np.isnan(draws)
    counted = defined.sum(0)
    means = np.where(counted > 0, np.where(defined, draws, 0).sum(0) / np.maximum(counted, 1), np.nan)
    return estimate_of(float(np.mean([one.value for one in of_each])), means)


def _told(rows: Iterable[GateRow]) -> str:
    return "; ".join(
        f"{TASK_TITLES.get(row.task, row.task)}, {MEASURE_TITLES.get(row.measure, row.measure)} on {row.data} "
        f"{row.before.value:.3f} → {row.after.value:.3f} "
        f"({row.difference.value:+.3f}, 95 % interval {row.difference.low:+.3f} to {row.difference.high:+.3f}, "
        f"{row.images} image{'s' * (row.images != 1)})"
        for row in rows
    )
