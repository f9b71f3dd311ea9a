"""What a run may touch in an image that has been worked on.

Only objects that carry a run id of ours, are unlocked, and are unchanged since we wrote them. Whatever the
pathologist drew, edited, moved, renamed, reclassified, locked or deleted stays as it is; a deleted prediction does
not come back, and an edited or hand-drawn object is not doubled by a prediction that means the same thing.
"""

import uuid as uuid_module
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.compare import Comparison
from cerberus_annotate.feedback.ledger import Entry
from cerberus_annotate.feedback.shapes import geometry_array, same_shape, twins, valid_polygons
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.qupath.path_object import PathObject

_Pair = tuple[Entry, PathObject]

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
    unread: BaseGeometry | None = None,
) -> Decision:
    """Decides for each object of ours and each prediction.

    predictions: level-0 px, classes as they are to be written. tasks: all that this run predicts (a task without
    predictions removes its old ones). class_bases: task → base names of classes that mean this task.
    within: where this run predicts, level-0 px; an object belongs there when its representative point does;
    None is everywhere. kinds: task → kind of its new path objects where that is not `annotation`.
    unread: what of it could not be read; an object that it touches stays.

    An untouched object equal to a new prediction (kind, class, outline; its gland stands too) is left in place, with
    all that QuPath has measured on it; so the same run again changes nothing.
    """
    deciding = Deciding(compared, tasks, class_bases, within, kinds, unread)
    add, dropped = deciding.take(predictions)
    return Decision(tuple(deciding.remove()), tuple(add), tuple(dropped), deciding.stands_for)


class Deciding:
    """`decide` for predictions that come in pieces; how they are cut changes nothing.

    The predictions that others stand under (glands) come with these or before. What is remembered of the predictions
    does not grow with the number of nuclei that are new.
    stands_for: as in `Decision`, so far. added: ids of the predictions to write that others may stand under, so far.
    """

    def __init__(
        self,
        compared: Comparison,
        tasks: Collection[str],
        class_bases: Mapping[str, Collection[str]],
        within: BaseGeometry | None = None,
        kinds: Mapping[str, str] | None = None,
        unread: BaseGeometry | None = None,
    ) -> None:
        """As `decide`."""
        self.stands_for: dict[uuid_module.UUID, uuid_module.UUID] = {}
        self.added: set[uuid_module.UUID] = set()
        inside = _inside([entry.polygon for entry, _ in compared.untouched], within, unread)
        ours: list[_Pair] = []
        kept: list[_Pair] = []
        for pair, is_inside in zip(compared.untouched, inside, strict=True):
            (ours if is_inside and pair[0].task in tasks else kept).append(pair)
        # glands before lumina: a lumen stays only when its gland does
        self._tasks = {
            task: _Task(
                [pair for pair in ours if pair[0].task == task],
                (kinds or {}).get(task, "annotation"),
                _obstacles(task, class_bases.get(task, ()), compared, kept),
            )
            for task in sorted(tasks, key=lambda name: (name == "lumen", name))
        }

    def take(self, predictions: Sequence[PredictedObject]) -> tuple[list[PredictedObject], list[PredictedObject]]:
        """Those of some more predictions that are to be written, and those that the pathologist decided against."""
        add: list[PredictedObject] = []
        dropped: list[PredictedObject] = []
        for name, task in self._tasks.items():
            found = [prediction for prediction in predictions if prediction.task == name]
            new = task.leave_equal(found, self.stands_for, self.added)
            suppressed = task.obstacles.suppress([prediction.polygon for prediction in new])
            for at, prediction in enumerate(new):
                if at not in suppressed:
                    add.append(prediction)
                    if name != "nuclei":
                        self.added.add(prediction.uuid)
                    continue
                dropped.append(prediction)
                replacement = suppressed[at]
                if replacement is not None:
                    self.stands_for[prediction.uuid] = replacement
        return add, dropped

    def remove(self) -> list[tuple[Entry, PathObject]]:
        """Our objects that are to go, once all predictions were taken."""
        return [pair for task in self._tasks.values() for pair in task.left_over()]


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
        suppressed = _obstacles(task, bases, compared, kept).suppress([entry.polygon for entry in mine])
        write += [entry for at, entry in enumerate(mine) if at not in suppressed]
    return remove, write


def without_predicted_again(
    lost: Sequence[Entry],
    tasks: Collection[str],
    within: BaseGeometry | None,
    unread: BaseGeometry | None = None,
) -> list[Entry]:
    """The lost entries but those in whose place a run has predicted anew; arguments as those of `decide`."""
    inside = _inside([entry.polygon for entry in lost], within, unread)
    return [entry for entry, is_inside in zip(lost, inside, strict=True) if not is_inside or entry.task not in tasks]


class _Task:
    """Our objects that the predictions of one task may repeat or replace, and what stands in their way."""

    def __init__(self, mine: Sequence[_Pair], kind: str, obstacles: "_Obstacles") -> None:
        """mine: our untouched objects where the run predicts. kind: of its new path objects."""
        self.obstacles = obstacles
        self._other_kind = [pair for pair in mine if pair[1].kind != kind]
        self._mine = [pair for pair in mine if pair[1].kind == kind]
        self._outlines = geometry_array([entry.polygon for entry, _ in self._mine])
        self._tree = shapely.STRtree(self._outlines)
        self._left: set[int] = set()  # indices of `_mine` that a prediction repeats exactly

    def leave_equal(
        self,
        found: Sequence[PredictedObject],
        stands_for: dict[uuid_module.UUID, uuid_module.UUID],
        added: Collection[uuid_module.UUID],
    ) -> list[PredictedObject]:
        """The predictions that repeat none of our objects exactly; fills stands_for.

        added: predictions that are written anew; what lies under one of them is written anew as well.
        """
        if not self._mine or not found:
            return list(found)
        shapes = geometry_array([prediction.polygon for prediction in found])
        at_found, at_mine = self._tree.query(shapes)
        equal = same_shape(shapes[at_found], self._outlines[at_mine])
        at_found, at_mine = at_found[equal], at_mine[equal]
        order = np.lexsort((at_mine, at_found))  # the tree gives them in no order
        matched: set[int] = set()
        for prediction_at, own_at in zip(at_found[order].tolist(), at_mine[order].tolist(), strict=True):
            prediction, (entry, obj) = found[prediction_at], self._mine[own_at]
            if prediction_at in matched or own_at in self._left or prediction.path_class != entry.path_class:
                continue
            if prediction.parent in added:
                continue
            matched.add(prediction_at)
            self._left.add(own_at)
            stands_for[prediction.uuid] = obj.uuid
        return [prediction for at, prediction in enumerate(found) if at not in matched]

    def left_over(self) -> list[_Pair]:
        """Our objects that no prediction repeated."""
        return [*self._other_kind, *(pair for at, pair in enumerate(self._mine) if at not in self._left)]


class _Obstacles:
    """Outlines that no prediction may repeat, each with the object that stands there (None: deleted)."""

    def __init__(self, outlines: Sequence[tuple[BaseGeometry | None, uuid_module.UUID | None]]) -> None:
        self._standing = [identifier for _, identifier in outlines]
        self._shapes = valid_polygons(geometry_array([shape for shape, _ in outlines]))
        self._tree = shapely.STRtree(self._shapes)

    def suppress(self, new: Sequence[BaseGeometry]) -> dict[int, uuid_module.UUID | None]:
        """Index of each outline that an obstacle already stands for → uuid of the best one (None: deleted)."""
        if not new or not self._standing:
            return {}
        shapes = valid_polygons(geometry_array(list(new)))
        near = np.unique(self._tree.query(shapes)[1])
        at_new, at_near, overlap = twins(shapes, self._shapes[near], SAME)
        at_obstacle = near[at_near]
        suppressed: dict[int, uuid_module.UUID | None] = {}
        # the best overlap is written last and stays; of equal ones the last obstacle
        for index in np.lexsort((at_obstacle, overlap)).tolist():
            replacement = self._standing[int(at_obstacle[index])]
            suppressed[int(at_new[index])] = replacement or suppressed.get(int(at_new[index]))
        return suppressed


def _obstacles(task: str, bases: Collection[str], compared: Comparison, kept: Sequence[_Pair]) -> _Obstacles:
    """What no prediction of `task` may repeat.

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
    return _Obstacles(outlines)


def _inside(polygons: Sequence[BaseGeometry], within: BaseGeometry | None, unread: BaseGeometry | None) -> list[bool]:
    """Whether each polygon's representative point lies in `within`, and nothing of it in `unread`."""
    inside = np.ones(len(polygons), bool)
    outlines = geometry_array(list(polygons))
    if within is not None:
        shapely.prepare(within)
        inside = shapely.covers(within, shapely.point_on_surface(outlines))
    if unread is not None:
        shapely.prepare(unread)
        inside &= ~shapely.intersects(unread, outlines)
    answer: list[bool] = inside.tolist()
    return answer


def _base(obj: PathObject) -> str | None:
    return None if obj.path_class is None else obj.path_class.base
