"""The ledger against the project: what did the pathologist do with each object that we wrote?"""

import uuid as uuid_module
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cerberus_annotate.feedback.ledger import Entry, Ledger
from cerberus_annotate.feedback.provenance import ID_KEY, RUN_KEY
from cerberus_annotate.feedback.shapes import geometry_array, same_shape
from cerberus_annotate.qupath.path_object import PathObject

Status = Literal["untouched", "edited", "deleted"]


@dataclass(frozen=True)
class Comparison:
    """untouched, edited: our entries that are in the project, each with its object as it stands there now.
    deleted: entries that are not there any more though no run of ours took them away.
    theirs: all other objects, among them copies of ours and objects of a run that the ledger does not know.
    unknown: how many of `theirs` carry a run id of ours that the ledger does not explain.
    """

    untouched: tuple[tuple[Entry, PathObject], ...]
    edited: tuple[tuple[Entry, PathObject], ...]
    deleted: tuple[Entry, ...]
    theirs: tuple[PathObject, ...]
    unknown: int

    @property
    def present(self) -> set[uuid_module.UUID]:
        """Ids of our entries that are in the project."""
        return {entry.uuid for entry, _ in (*self.untouched, *self.edited)}


def compare(ledger: Ledger, objects: Sequence[PathObject]) -> Comparison:
    """Compares what we wrote with what is there.

    Unchanged means: same class, name and lock, unlocked, and an outline within 0.05 px. Added measurements, other
    metadata, colour or another parent are no edit. A superseded entry that is back in the project (QuPath saved an
    older state over ours) counts as present.
    """
    entry_of = {str(entry.uuid): entry for entry in ledger.entries}
    chosen = _choose(objects, entry_of)
    pairs = [(entry_of[identifier], objects[at]) for identifier, at in chosen.items()]
    outlines = same_shape(
        geometry_array([entry.polygon for entry, _ in pairs]), geometry_array([obj.roi for _, obj in pairs])
    )
    untouched: list[tuple[Entry, PathObject]] = []
    edited: list[tuple[Entry, PathObject]] = []
    for (entry, obj), same_outline in zip(pairs, outlines.tolist(), strict=True):
        same = same_outline and not obj.locked and _same_labels(entry, obj)
        (untouched if same else edited).append((entry, obj))
    taken = set(chosen.values())
    theirs = tuple(obj for at, obj in enumerate(objects) if at not in taken)
    present = {entry.uuid for entry, _ in pairs}
    deleted = tuple(entry for entry in ledger.entries if not entry.ended and entry.uuid not in present)
    unknown = sum(RUN_KEY in obj.metadata and obj.metadata.get(ID_KEY, str(obj.uuid)) not in entry_of for obj in theirs)
    return Comparison(tuple(untouched), tuple(edited), deleted, theirs, unknown)


def _choose(objects: Sequence[PathObject], entry_of: dict[str, Entry]) -> dict[str, int]:
    """Place in `objects` of the one object that stands for each entry; a copy keeps our id but has another UUID."""
    chosen: dict[str, int] = {}
    for at, obj in enumerate(objects):
        identifier = obj.metadata.get(ID_KEY)
        if identifier is None or RUN_KEY not in obj.metadata or identifier not in entry_of:
            continue
        if identifier not in chosen or str(obj.uuid) == identifier:
            chosen[identifier] = at
    return chosen


def _same_labels(entry: Entry, obj: PathObject) -> bool:
    path_class = "" if obj.path_class is None else str(obj.path_class)
    return path_class == entry.path_class and obj.name == entry.name and obj.locked == entry.locked
