"""From the predictions of one image to what is written: a ledger that waits in a file, and the objects it tells of.

Areas (glands, lumina, tissue) are few and stay in memory. Nuclei come in pieces, are decided on, and lie in the
ledger's file from then on; data file and GeoJSON are made from there. So memory does not grow with their number.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from shapely.geometry.base import BaseGeometry

from cerberus_annotate.annotate.classes import ClassTable
from cerberus_annotate.annotate.options import MANY_NUCLEI
from cerberus_annotate.annotate.predictions import Predictions
from cerberus_annotate.annotate.written import entries_of, objects_of_entries, path_objects
from cerberus_annotate.feedback.compare import Comparison
from cerberus_annotate.feedback.ledger import Commit, Entry, Ledger, changed_entries
from cerberus_annotate.feedback.ledger_file import BLOCK, Block, GrowingLedger, walk_blocks
from cerberus_annotate.feedback.rerun import Deciding, without_predicted_again
from cerberus_annotate.feedback.runs import now
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.qupath import PathClass, PathObject


@dataclass(frozen=True)
class Setting:
    """Where and as what predictions become objects of an image.

    area: where the run predicts, level-0 px, None for the whole image. unread: what of it could not be read. parents:
    region annotations that new objects stand under. nuclei: kind of new nuclei, None to decide it by their number.
    """

    run: str
    tasks: tuple[str, ...]
    classes: ClassTable
    mpp: tuple[float, float]
    area: BaseGeometry | None
    unread: BaseGeometry | None
    parents: tuple[PathObject, ...]
    nuclei: str | None


@dataclass(frozen=True)
class Changes:
    """What a run changes in an image.

    commit: as the ledger has it. remove: objects to take out, each with its entry. areas: new objects, those before
    that others stand under. later: parent of new nuclei (None: the root) → where they stand in the ledger's file.
    counts: class text → new objects. classes: class text → class of what is new. many: how many nuclei were
    predicted, where their number made them detections, else 0.
    """

    commit: Commit
    remove: Sequence[tuple[Entry, PathObject]]
    areas: Sequence[PathObject]
    later: Mapping[UUID | None, Sequence[Block]]
    counts: Mapping[str, int]
    classes: Mapping[str, PathClass]
    many: int


def write_changes(
    file: GrowingLedger, ledger: Ledger, compared: Comparison, predictions: Predictions, setting: Setting
) -> Changes:
    """Decides for all predictions of an image and writes its next ledger to `file`, complete.

    ledger: the present one. compared: it, with the image's objects.  Raises ProjectError when the disk refuses.
    """
    nuclei = _Nuclei(predictions.nuclei, setting.nuclei)
    bases = {task: setting.classes.bases(task) for task in setting.tasks}
    kinds = {"nuclei": nuclei.kind}
    deciding = Deciding(compared, setting.tasks, bases, setting.area, kinds, setting.unread)
    new = _New(file, setting, kinds, predictions.classes, deciding, ledger.next_number())
    new.add_areas(predictions.areas)
    for some in nuclei.walk():
        new.add_nuclei(some)
    new.flush()
    remove = deciding.remove()
    added = new.counts.total()
    commit = Commit(
        ledger.next_number(), setting.run, "annotate", now(), added, len(remove), marked=bool(added or remove)
    )
    before = changed_entries(
        ledger.entries,
        commit.number,
        {entry.uuid for entry, _ in remove},
        {entry.uuid for entry in compared.deleted},
        compared.present,
    )
    lost = without_predicted_again(ledger.lost, setting.tasks, setting.area, setting.unread)
    file.finish((*ledger.commits, commit), [*file.write(before), *new.blocks], file.write(lost))
    return Changes(commit, remove, new.areas, new.later, new.counts, new.classes, nuclei.many)


def later_objects(
    path: Path, blocks: Iterable[Block], run: str, classes: Mapping[str, PathClass]
) -> Iterator[PathObject]:
    """The new nuclei in some blocks of the ledger's file at `path`, as path objects, in the memory of one block."""
    for entries in walk_blocks(path, blocks):
        yield from objects_of_entries(entries, run, classes, {entry.parent for entry in entries if entry.parent})


class _Nuclei:
    """Predicted nuclei, counted while they are walked; the first are held until their number decides their kind."""

    def __init__(self, pieces: Iterator[list[PredictedObject]], kind: str | None) -> None:
        """kind: None to decide it."""
        self._pieces = pieces
        self._held: deque[list[PredictedObject]] = deque()
        self._count = 0
        self._by_number = kind is None
        while kind is None:
            some = next(pieces, None)
            if some is None:
                kind = "annotation"
            else:
                self._held.append(some)
                if sum(map(len, self._held)) > MANY_NUCLEI:
                    kind = "detection"
        self.kind = kind

    @property
    def many(self) -> int:
        """How many were walked, 0 unless their number made them detections."""
        return self._count if self._by_number and self.kind == "detection" else 0

    def walk(self) -> Iterator[list[PredictedObject]]:
        while self._held:
            yield self._counted(self._held.popleft())
        yield from map(self._counted, self._pieces)

    def _counted(self, some: list[PredictedObject]) -> list[PredictedObject]:
        self._count += len(some)
        return some


class _New:
    """What is new in an image: areas in memory, nuclei in blocks of the ledger's file, each of one parent."""

    def __init__(
        self,
        file: GrowingLedger,
        setting: Setting,
        kinds: Mapping[str, str],
        classes: Mapping[str, PathClass],
        deciding: Deciding,
        number: int,
    ) -> None:
        self._file, self._setting, self._kinds, self._known = file, setting, kinds, classes
        self._deciding, self._number = deciding, number
        self._waiting: list[Entry] = []
        self.areas: list[PathObject] = []
        self.later: dict[UUID | None, list[Block]] = {}
        self.blocks: list[Block] = []
        self.counts: Counter[str] = Counter()
        self.classes: dict[str, PathClass] = {}

    def add_areas(self, predictions: Sequence[PredictedObject]) -> None:
        self.areas, entries = self._objects(predictions)
        self.blocks += self._file.write(entries)

    def add_nuclei(self, predictions: Sequence[PredictedObject]) -> None:
        _, entries = self._objects(predictions)
        self._waiting += entries
        if len(self._waiting) >= BLOCK:
            self.flush()

    def flush(self) -> None:
        """Writes the nuclei that wait."""
        of_parent: dict[UUID | None, list[Entry]] = {}
        for entry in self._waiting:
            of_parent.setdefault(entry.parent, []).append(entry)
        self._waiting = []
        for parent, entries in of_parent.items():
            blocks = self._file.write(entries)
            self.later.setdefault(parent, []).extend(blocks)
            self.blocks += blocks

    def _objects(self, predictions: Sequence[PredictedObject]) -> tuple[list[PathObject], list[Entry]]:
        deciding, setting = self._deciding, self._setting
        add, _ = deciding.take(predictions)
        objects = path_objects(
            add,
            setting.run,
            self._known,
            self._kinds,
            setting.mpp,
            deciding.stands_for,
            setting.parents,
            deciding.added,
        )
        counts = Counter(prediction.path_class for prediction in add)
        self.counts.update(counts)
        self.classes.update((text, self._known[text]) for text in counts)
        return objects, entries_of(objects, {prediction.uuid: prediction.task for prediction in add}, self._number)
