"""What a run may touch in an image that has been worked on.

Only objects that carry a run id of ours, are unlocked, and are unchanged since we wrote them. Whatever the
pathologist drew, edited, moved, renamed, reclassified, locked or deleted stays as it is; a deleted prediction does
not come back, and an edited or hand-drawn object is not doubled by a prediction that means the same thing.
"""

import uuid as uuid_module
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.compare import Comparison
from cerberus_annotate.feedback.ledger import Entry, Ledger
from cerberus_annotate.feedback.shapes import geometry_array, same_shape, twins, valid_polygons
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.qupath.path_object import PathObject

SAME = 0.5  # intersection over union from which two outlines mean the same thing


@dataclass(frozen=True)
class Decision:
    """remove: our untouched objects that this run predicts again, each with its entry.
    add: the predictions to write. dropped: those that are not written because the pathologist decided there.
    stands_for: uuid of a prediction that is not written → uuid of the project's object in its place.
    """

    remove: tuple[tuple[Entry, PathObject], ...]
    add: tuple[PredictedObject, ...]
    dropped: tuple[PredictedObject, ...]
    stands_for: Mapping[uuid_module.UUID, uuid_module.UUID]


def decide(
    compared: Comparison,
    predictions: Sequence[PredictedObject],
    tasks: Collection[str],
    class_bases: Mapping[str, Collection[str]],
    within: BaseGeometry | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Decision:
    """Decides for each object of ours and each prediction.

    predictions: level-0 px, classes as they are to be written. tasks: all that this run predicts (a task without
    predictions removes its old ones). class_bases: task → base names of classes that mean this task.
    within: where this run predicts, level-0 px; an object belongs there when its representative point does;
    None is everywhere. kinds: task → kind of its new path objects where that is not `annotation`.

    An untouched object equal to a new prediction (kind, class, outline; its gland stands too) is left in place, with
    all that QuPath has measured on it; so the same run again changes nothing.
    """
    inside = _inside([entry.polygon for entry, _ in compared.untouched], within)
    ours: list[tuple[Entry, PathObject]] = []
    kept: list[tuple[Entry, PathObject]] = []
    for pair, is_inside in zip(compared.untouched, inside, strict=True):
        (ours if is_inside and pair[0].task in tasks else kept).append(pair)
    remove: list[tuple[Entry, PathObject]] = []
    add: list[PredictedObject] = []
    dropped: list[PredictedObject] = []
    stands_for: dict[uuid_module.UUID, uuid_module.UUID] = {}
    # glands before lumina: a lumen stays only when its gland does
    for task in sorted(tasks, key=lambda name: (name == "lumen", name)):
        mine = [pair for pair in ours if pair[0].task == task]
        found = [prediction for prediction in predictions if prediction.task == task]
        kind = (kinds or {}).get(task, "annotation")
        same_kind = [pair for pair in mine if pair[1].kind == kind]
        remove.extend(pair for pair in mine if pair[1].kind != kind)
        left, new = _leave_equal(same_kind, found, stands_for, {prediction.uuid for prediction in add})
        remove.extend(pair for at, pair in enumerate(same_kind) if at not in left)
        obstacles = _obstacles(task, class_bases.get(task, ()), compared, kept)
        suppressed = _suppressed([prediction.polygon for prediction in new], obstacles)
        for at, prediction in enumerate(new):
            if at not in suppressed:
                add.append(prediction)
                continue
            dropped.append(prediction)
            replacement = suppressed[at]
            if replacement is not None:
                stands_for[prediction.uuid] = replacement
    return Decision(tuple(remove), tuple(add), tuple(dropped), stands_for)


def decide_again(
    compared: Comparison, lost: Sequence[Entry], taken_out: Collection[uuid_module.UUID]
) -> tuple[list[tuple[Entry, PathObject]], list[Entry]]:
    """What is to be removed and written when a run that QuPath saved over is written again.

    lost: its entries. taken_out: ids of what it had replaced; those of them that are there untouched go again. An
    entry is left out where the pathologist drew, edited or deleted the same thing, or a later run predicted it.
    """
    remove = [pair for pair in compared.untouched if pair[0].uuid in taken_out]
    kept = [pair for pair in compared.untouched if pair[0].uuid not in taken_out]
    write: list[Entry] = []
    for task in dict.fromkeys(entry.task for entry in lost):
        mine = [entry for entry in lost if entry.task == task]
        bases = {entry.path_class.split(":")[0] for entry in mine}
        suppressed = _suppressed([entry.polygon for entry in mine], _obstacles(task, bases, compared, kept))
        write += [entry for at, entry in enumerate(mine) if at not in suppressed]
    return remove, write


def without_predicted_again(ledger: Ledger, tasks: Collection[str], within: BaseGeometry | None) -> Ledger:
    """The ledger without the lost entries in whose place a run has predicted anew: its tasks, inside `within`."""
    inside = _inside([entry.polygon for entry in ledger.lost], within)
    kept = (
        entry for entry, is_inside in zip(ledger.lost, inside, strict=True) if not is_inside or entry.task not in tasks
    )
    return replace(ledger, lost=tuple(kept))


def _leave_equal(
    mine: Sequence[tuple[Entry, PathObject]],
    found: Sequence[PredictedObject],
    stands_for: dict[uuid_module.UUID, uuid_module.UUID],
    added: Collection[uuid_module.UUID],
) -> tuple[set[int], list[PredictedObject]]:
    """Indices of `mine` that a prediction repeats exactly, and the predictions that are left; fills stands_for.

    added: predictions that are written anew; what lies under one of them is written anew as well.
    """
    left: set[int] = set()
    matched: set[int] = set()
    if mine and found:
        outlines = geometry_array([entry.polygon for entry, _ in mine])
        shapes = geometry_array([prediction.polygon for prediction in found])
        at_found, at_mine = shapely.STRtree(outlines).query(shapes)
        equal = same_shape(shapes[at_found], outlines[at_mine])
        for prediction_at, own_at in zip(at_found[equal].tolist(), at_mine[equal].tolist(), strict=True):
            prediction, (entry, obj) = found[prediction_at], mine[own_at]
            if prediction_at in matched or own_at in left or prediction.path_class != entry.path_class:
                continue
            if prediction.parent in added:
                continue
            matched.add(prediction_at)
            left.add(own_at)
            stands_for[prediction.uuid] = obj.uuid
    return left, [prediction for at, prediction in enumerate(found) if at not in matched]


def _obstacles(
    task: str, bases: Collection[str], compared: Comparison, kept: Sequence[tuple[Entry, PathObject]]
) -> list[tuple[BaseGeometry | None, uuid_module.UUID | None]]:
    """Outlines that no prediction of `task` may repeat, each with the object that stands there (None: deleted).

    An edited object counts with the outline that we wrote and with the one that it has now.
    """
    outlines: list[tuple[BaseGeometry | None, uuid_module.UUID | None]] = []
    outlines += [(entry.polygon, None) for entry in compared.deleted if entry.task == task]
    for entry, obj in compared.edited:
        if entry.task == task:
            outlines.append((entry.polygon, obj.uuid))
        if entry.task == task or _base(obj) in bases:
            outlines.append((obj.roi, obj.uuid))
    outlines += [(obj.roi, obj.uuid) for entry, obj in kept if entry.task == task]
    outlines += [(obj.roi, obj.uuid) for obj in compared.theirs if _base(obj) in bases]
    return outlines


def _suppressed(
    new: Sequence[BaseGeometry],
    obstacles: Sequence[tuple[BaseGeometry | None, uuid_module.UUID | None]],
) -> dict[int, uuid_module.UUID | None]:
    """Index of each outline that an obstacle already stands for → uuid of the best one (None: deleted)."""
    if not new or not obstacles:
        return {}
    shapes = valid_polygons(geometry_array(list(new)))
    shape_of_obstacle = valid_polygons(geometry_array([shape for shape, _ in obstacles]))
    at_new, at_obstacle, overlap = twins(shapes, shape_of_obstacle, SAME)
    suppressed: dict[int, uuid_module.UUID | None] = {}
    for index in np.argsort(overlap).tolist():  # the best overlap is written last and stays
        replacement = obstacles[int(at_obstacle[index])][1]
        suppressed[int(at_new[index])] = replacement or suppressed.get(int(at_new[index]))
    return suppressed


def _inside(polygons: Sequence[BaseGeometry], within: BaseGeometry | None) -> list[bool]:
    """Whether each polygon's representative point lies in `within`."""
    if within is None or not polygons:
        return [True] * len(polygons)
    shapely.prepare(within)
    points = shapely.point_on_surface(geometry_array(list(polygons)))
    return shapely.covers(within, points).tolist()


def _base(obj: PathObject) -> str | None:
    return None if obj.path_class is None else obj.path_class.base
