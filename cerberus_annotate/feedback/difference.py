"""The difference between what was predicted and what the pathologist left, object by object.

An object is known by its UUID or, where a tool copied it, by our id in its metadata. QuPath's tools make others anew
(brush, wand, split, merge, simplify, copy); those are told by their place (`feedback/matching.py`). Locking, renaming
and moving into a group change nothing of an object.

| verdict | evidence |
|---|---|
| accepted | same outline within 0.05 px and same class |
| reclassified | another class; its IoU says whether the outline changed too |
| reshaped | same class and another outline: same UUID or id, or a new object with IoU >= 0.5 with a lost one |
| split | two objects or more, hardly overlapping, mainly inside one prediction and covering at least half of it |
| merged | two predictions or more, mainly inside one object and covering at least half of it |
| deleted | no object is left of it |
| added | all other objects of a task; a copy beside its original among them |
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.ledger import Entry, Ledger
from cerberus_annotate.feedback.matching import match_outlines
from cerberus_annotate.feedback.provenance import ID_KEY
from cerberus_annotate.feedback.reviewed import is_mark
from cerberus_annotate.feedback.shapes import geometry_array, same_shape, valid_polygons
from cerberus_annotate.qupath.path_object import PathObject

Verdict = Literal["accepted", "reshaped", "reclassified", "deleted", "added", "split", "merged"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Change:
    """What became of predictions, or where an object is from.

    task: of the prediction, else of the object. predicted: one entry; several for `merged`; none for `added`.
    objects: one object; several for `split`; none for `deleted`. iou: of the outlines before and after (united where
    there are several), NaN for `added` and `deleted`.
    """

    verdict: Verdict
    task: str
    predicted: tuple[Entry, ...]
    objects: tuple[PathObject, ...]
    iou: float

    @property
    def class_before(self) -> str:
        """The predicted class, the first of several; "" where nothing was predicted."""
        return self.predicted[0].path_class if self.predicted else ""

    @property
    def class_after(self) -> str:
        """The class as it stands in the project, the first of several; "" for no class or no object."""
        return class_text(self.objects[0]) if self.objects else ""


@dataclass(frozen=True)
class Difference:
    """changes: one for each prediction and object. unplaced: objects whose class means no task and that no prediction
    explains. mended: objects whose outline crosses itself.
    """

    changes: tuple[Change, ...]
    unplaced: tuple[PathObject, ...] = ()
    mended: tuple[PathObject, ...] = ()


def difference(ledger: Ledger, objects: Sequence[PathObject], tasks: Mapping[str, str]) -> Difference:
    """Compares the ledger of an image with its objects.

    tasks: base name of a class → task; entries of other tasks and objects of classes in no task are left out, but an
    object that once was a prediction stays one, whatever class it got. Superseded entries count only where their
    object is in the project. 100,000 objects take seconds.
    """
    wanted = set(tasks.values())
    found = [obj for obj in objects if _may_be_object(obj)]
    entries = [entry for entry in ledger.entries if entry.task in wanted]
    partner = _known_partners(entries, found)
    standing = [at for at, entry in enumerate(entries) if not entry.ended or partner[at] >= 0]
    entries, partner = [entries[at] for at in standing], partner[standing]
    written = geometry_array([outline_of(obj) for obj in found])
    after = valid_polygons(written)
    number = {task: at for at, task in enumerate(sorted(wanted))}
    before_task = np.array([number[entry.task] for entry in entries], np.intp)
    own_task = [task_of(obj, tasks) for obj in found]
    after_task = np.array([number.get(task or "", -1) for task in own_task], np.intp)
    before = geometry_array([entry.polygon for entry in entries])
    known = np.flatnonzero(partner >= 0)
    settled = np.zeros(len(entries), bool)
    settled[known] = same_shape(before[known], written[partner[known]])
    matched = match_outlines(valid_polygons(before), after, partner, settled, before_task, after_task)
    changes = []
    for b, a in matched.pairs.items():
        same = bool(settled[b]) or (partner[b] < 0 and bool(same_shape(before[[b]], written[[a]])[0]))
        changes.append(_pair(entries[b], found[a], same, matched.iou[b]))
    for b, pieces in matched.splits.items():
        iou = _united_iou([entries[b].polygon], [after[a] for a in pieces])
        changes.append(Change("split", entries[b].task, (entries[b],), tuple(found[a] for a in pieces), iou))
    for a, parts in matched.merges.items():
        iou = _united_iou([before[b] for b in parts], [after[a]])
        changes.append(Change("merged", entries[parts[0]].task, tuple(entries[b] for b in parts), (found[a],), iou))
    explained = {id(entry) for change in changes for entry in change.predicted}
    for entry in entries:
        if id(entry) not in explained:
            changes.append(Change("deleted", entry.task, (entry,), (), float("nan")))
    placed = {id(obj) for change in changes for obj in change.objects}
    unplaced = []
    for obj, task in zip(found, own_task, strict=True):
        if id(obj) in placed:
            continue
        if task is None:
            unplaced.append(obj)
        else:
            changes.append(Change("added", task, (), (obj,), float("nan")))
    broken = ~shapely.is_valid(written) & ~shapely.is_missing(written)
    mended = tuple(obj for obj, is_broken in zip(found, broken.tolist(), strict=True) if is_broken)
    return Difference(tuple(changes), tuple(unplaced), mended)


def task_of(obj: PathObject, tasks: Mapping[str, str]) -> str | None:
    """The task that an object's class means, None where it means none."""
    return None if obj.path_class is None else tasks.get(obj.path_class.base)


def outline_of(obj: PathObject) -> BaseGeometry | None:
    """The outline that an object is compared by: of a cell its nucleus."""
    return obj.nucleus if obj.kind == "cell" and obj.nucleus is not None else obj.roi


def class_text(obj: PathObject) -> str:
    """The class as QuPath prints it, "" without one."""
    return "" if obj.path_class is None else str(obj.path_class)


def _may_be_object(obj: PathObject) -> bool:
    if obj.kind not in ("annotation", "detection", "cell") or is_mark(obj):
        return False
    outline = outline_of(obj)
    return outline is not None and outline.geom_type in ("Polygon", "MultiPolygon") and not outline.is_empty


def _known_partners(entries: Sequence[Entry], objects: Sequence[PathObject]) -> np.ndarray:
    """Index of the object that surely is each entry's, -1 where none is.

    The UUID decides, else our id in the metadata when a single object carries it. Of several copies without their
    original none is the one.
    """
    by_uuid = {obj.uuid: at for at, obj in enumerate(objects)}
    carriers: dict[str, list[int]] = defaultdict(list)
    for at, obj in enumerate(objects):
        if ID_KEY in obj.metadata:
            carriers[obj.metadata[ID_KEY]].append(at)
    partner = np.full(len(entries), -1, np.intp)
    taken: set[int] = set()
    for at, entry in enumerate(entries):
        copies = carriers.get(str(entry.uuid), [])
        found = by_uuid.get(entry.uuid, copies[0] if len(copies) == 1 else -1)
        if found >= 0 and found not in taken:
            partner[at] = found
            taken.add(found)
    return partner


def _pair(entry: Entry, obj: PathObject, same_outline: bool, iou: float) -> Change:
    verdict: Verdict = "accepted" if same_outline else "reshaped"
    if class_text(obj) != entry.path_class:
        verdict = "reclassified"
    return Change(verdict, entry.task, (entry,), (obj,), 1.0 if same_outline else iou)


def _united_iou(before: Sequence[BaseGeometry], after: Sequence[BaseGeometry]) -> float:
    one, other = shapely.union_all(valid_polygons(geometry_array(list(before)))), shapely.union_all(list(after))
    union = shapely.union(one, other).area
    return float(shapely.intersection(one, other).area / union) if union else 0.0
