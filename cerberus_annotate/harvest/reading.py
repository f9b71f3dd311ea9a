"""An image of the project as the harvest sees it: what was predicted, what stands there, what was looked at."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.difference import Change, class_text, difference, outline_of, task_of
from cerberus_annotate.feedback.ledger import Entry, Ledger
from cerberus_annotate.feedback.reviewed import Mode, Reviewed, reviewed_areas
from cerberus_annotate.feedback.runs import Run
from cerberus_annotate.feedback.shapes import geometry_array, twins, valid_polygons
from cerberus_annotate.harvest.patches import mainly_inside
from cerberus_annotate.harvest.types import TASKS, Meaning
from cerberus_annotate.qupath import PathObject

COPIES = 0.8
"""IoU from which two objects of a task are one object drawn twice."""


@dataclass(frozen=True)
class Labelled:
    """An object as it is drawn: its task, its outline in level-0 px, its type ("" for none)."""

    obj: PathObject
    task: str
    outline: BaseGeometry
    type: str


@dataclass(frozen=True)
class ImageReview:
    """reviewed: where, for which tasks. changes: those that lie mainly there. drawn: task → all objects of the image
    that are drawn. unclear: outlines whose pixels teach no task. ledger: what was predicted. notes: sentences.
    """

    reviewed: Reviewed
    changes: tuple[Change, ...]
    drawn: Mapping[str, tuple[Labelled, ...]]
    unclear: np.ndarray
    ledger: Ledger
    notes: tuple[str, ...]

    def run_of(self, entry: Entry) -> str:
        """Id of the run that predicted `entry`."""
        return self.ledger.run_of(entry)


def review_image(
    name: str,
    objects: Sequence[PathObject],
    ledger: Ledger,
    metadata: Mapping[str, str],
    size: tuple[int, int],
    mpp: tuple[float, float],
    meaning: Meaning,
    runs: Mapping[str, Run],
    mode: Mode,
    chosen: tuple[str, ...],
) -> ImageReview:
    """Compares and places everything in one image. Arguments as in `reviewed_areas` and `difference`."""
    compared = difference(ledger, objects, meaning.tasks)
    own_tasks = {task for obj in objects if (task := task_of(obj, meaning.tasks))}
    predicted = {entry.task for entry in ledger.entries}
    for commit in ledger.commits:
        run = runs.get(commit.run)
        predicted |= set(run.parameters.get("tasks", ())) if run is not None else set()
    default = [task for task in TASKS if task in own_tasks | predicted]
    edited = [outline for change in compared.changes if change.verdict != "accepted" for outline in _outlines(change)]
    reviewed = reviewed_areas(name, objects, metadata, size, TASKS, default, mode, chosen, edited, mpp)
    notes = list(reviewed.notes)
    changes = _inside(compared.changes, reviewed.areas)
    labelled = _labelled(compared.changes, meaning)
    drawn = {}
    for task in TASKS:
        of_task = [one for one in labelled if one.task == task]
        drawn[task], doubled = _once_each(of_task)
        if doubled and task in reviewed.areas:
            notes.append(
                f"In image '{name}' {doubled:,} objects ({task}) lie on another that is nearly the same (IoU of 0.8 or "
                "more); of each pair one was taken."
            )
    everywhere = shapely.union_all(list(reviewed.areas.values()))
    unclear, said = _unclear(name, compared.unplaced, labelled, everywhere)
    notes += said
    mended = _count_in(compared.mended, everywhere)
    if mended:
        notes.append(f"In image '{name}' {mended:,} outlines cross themselves; they were taken as what they enclose.")
    return ImageReview(reviewed, changes, drawn, unclear, ledger, tuple(notes))


def _outlines(change: Change) -> list[BaseGeometry]:
    now = [outline for obj in change.objects if (outline := outline_of(obj)) is not None]
    return [*(entry.polygon for entry in change.predicted), *now]


def _inside(changes: Sequence[Change], areas: Mapping[str, BaseGeometry]) -> tuple[Change, ...]:
    """The changes whose first outline lies mainly in the area of their task."""
    kept: list[tuple[int, Change]] = []
    for task, area in areas.items():
        of_task = [(at, change) for at, change in enumerate(changes) if change.task == task]
        outlines = valid_polygons(geometry_array([_outlines(change)[-1] for _, change in of_task]))
        inside = mainly_inside(outlines, area, shapely.STRtree(outlines))
        kept += [pair for pair, is_inside in zip(of_task, inside.tolist(), strict=True) if is_inside]
    return tuple(change for _, change in sorted(kept, key=lambda pair: pair[0]))


def _labelled(changes: Sequence[Change], meaning: Meaning) -> list[Labelled]:
    """All objects with a task: by their class, else by the prediction that they were. Touched ones come first."""
    found = []
    for change in sorted(changes, key=lambda change: change.verdict == "accepted"):
        for obj in change.objects:
            task = task_of(obj, meaning.tasks) or change.task
            found.append((obj, task))
    outlines = valid_polygons(geometry_array([outline_of(obj) for obj, _ in found]))
    return [
        Labelled(obj, task, outline, meaning.type_of(task, class_text(obj)))
        for (obj, task), outline in zip(found, outlines.tolist(), strict=True)
        if outline is not None
    ]


def _once_each(labelled: Sequence[Labelled]) -> tuple[tuple[Labelled, ...], int]:
    """Without the later one of two that are nearly the same, and how many were left out."""
    outlines = geometry_array([one.outline for one in labelled])
    first, second, _ = twins(outlines, outlines, COPIES)
    later = {int(b) for a, b in zip(first.tolist(), second.tolist(), strict=True) if a < b}
    return tuple(one for at, one in enumerate(labelled) if at not in later), len(later)


def _unclear(
    name: str, unplaced: Sequence[PathObject], labelled: Sequence[Labelled], area: BaseGeometry
) -> tuple[np.ndarray, list[str]]:
    """Outlines of objects whose class means no task and that hold no object of a task (as a drawn region does)."""
    outlines = valid_polygons(geometry_array([outline_of(obj) for obj in unplaced]))
    known = ~shapely.is_missing(outlines)
    outlines, unplaced = outlines[known], [obj for obj, has in zip(unplaced, known.tolist(), strict=True) if has]
    points = shapely.point_on_surface(geometry_array([one.outline for one in labelled]))
    holds, _ = shapely.STRtree(points).query(outlines, predicate="intersects") if len(points) else ([], [])
    single = ~np.isin(np.arange(len(outlines)), holds)
    near = shapely.intersects(outlines, area) if len(outlines) else np.zeros(0, bool)
    unclear = outlines[single & near]
    of_class = Counter(
        class_text(obj) or "no class"
        for obj, is_unclear in zip(unplaced, (single & near).tolist(), strict=True)
        if is_unclear
    )
    notes = [
        f"In the reviewed regions of image '{name}' {count:,} objects of {_class_said(text)} mean no task of ours; "
        "nothing is learnt where they lie. Give them a class such as Nucleus or Gland, or map it with --classes."
        for text, count in sorted(of_class.items())
    ]
    return unclear, notes


def _class_said(text: str) -> str:
    return text if text == "no class" else f"class '{text}'"


def _count_in(objects: Sequence[PathObject], area: BaseGeometry) -> int:
    outlines = valid_polygons(geometry_array([outline_of(obj) for obj in objects]))
    return int(shapely.intersects(outlines, area).sum()) if len(outlines) else 0
