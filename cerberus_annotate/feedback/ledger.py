"""The ledger of one image: every object that a run of ours wrote into it, as it was written.

It is what the project is compared with to learn what the pathologist changed. It lies at
`cerberus/images/<entryID>.npz` in the project's folder; `ledger_file.py` says what stands in it.
"""

import uuid as uuid_module
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import shapely

from cerberus_annotate.feedback.entry import Commit, Entry
from cerberus_annotate.feedback.ledger_file import growing_ledger, read_file
from cerberus_annotate.files import put_in_place, sync_folder

__all__ = [
    "Commit",
    "Entry",
    "Ledger",
    "LedgerError",
    "changed_entries",
    "commit_changes",
    "ledger_path",
    "pending_path",
    "read_ledger",
    "resolve_pending",
    "take_pending",
    "was_written",
    "write_ledger",
    "write_pending",
]

PENDING = ".pending"
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    IndexError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    shapely.errors.ShapelyError,
)


class LedgerError(ValueError):
    """A ledger file that is damaged or of another format; its objects then count as the pathologist's own."""


@dataclass(frozen=True)
class Ledger:
    """All entries of one image and the commits that they came from, oldest first.

    lost: entries that QuPath saved over, as the lost commits had left them: what they wrote, and (`ended`) what they
    took out. They are no longer among `entries`.
    """

    entries: tuple[Entry, ...] = ()
    commits: tuple[Commit, ...] = ()
    lost: tuple[Entry, ...] = ()

    def run_of(self, entry: Entry) -> str:
        """Id of the run that wrote `entry`."""
        return self.commits[entry.commit - 1].run

    def next_number(self) -> int:
        """Number that the next commit gets; numbers start at 1."""
        return len(self.commits) + 1


def ledger_path(folder: Path, image_id: str) -> Path:
    """Where the ledger of an image lies; `folder` is the project's `cerberus` folder."""
    return folder / "images" / f"{image_id}.npz"


def read_ledger(path: Path) -> Ledger:
    """The ledger at `path`, an empty one when there is none, in memory in proportion to its entries.

    Raises LedgerError when it cannot be used.
    """
    if not path.exists():
        return Ledger()
    try:
        return Ledger(*read_file(path))
    except _DAMAGE as error:
        raise LedgerError(f"{path} is damaged or of another version ({error}).") from error


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Writes the ledger as a whole.  Raises ProjectError when the disk refuses."""
    with growing_ledger(path) as file:
        file.finish(ledger.commits, file.write(ledger.entries), file.write(ledger.lost))
        file.put(path)


def write_pending(path: Path, ledger: Ledger) -> None:
    """Puts the ledger beside `path`, to be taken over once the data file is written."""
    write_ledger(pending_path(path), ledger)


def take_pending(path: Path) -> None:
    """Makes the pending ledger the ledger."""
    put_in_place(pending_path(path), path)
    sync_folder(path.parent)


def pending_path(path: Path) -> Path:
    """Where the ledger of an unfinished commit lies."""
    return path.with_name(path.name + PENDING)


def resolve_pending(path: Path, ids_in_project: set[str]) -> Ledger:
    """The ledger at `path` after a possible crash in the middle of a commit.

    ids_in_project: our ids (metadata `cerberus.id`) of all objects in the image's data file. The data file was
    written when it holds an object of the pending commit or, for a commit that only removed, none of those that it
    removed.  Raises LedgerError as `read_ledger`; a damaged pending ledger is discarded.
    """
    waiting = pending_path(path)
    if not waiting.exists():
        return read_ledger(path)
    try:
        ledger = read_ledger(waiting)
    except LedgerError:
        waiting.unlink()
        return read_ledger(path)
    if was_written(ledger, ids_in_project):
        take_pending(path)
        return ledger
    waiting.unlink()
    return read_ledger(path)


def was_written(ledger: Ledger, ids_in_project: set[str]) -> bool:
    """Whether the data file shows the last commit of a pending ledger; see `resolve_pending`."""
    number = len(ledger.commits)
    added = {str(entry.uuid) for entry in ledger.entries if entry.commit == number}
    removed = {str(entry.uuid) for entry in ledger.entries if entry.ended == number}
    return bool(added & ids_in_project) if added else not removed & ids_in_project


def commit_changes(
    ledger: Ledger,
    run: str,
    action: str,
    time: str,
    added: Sequence[Entry],
    removed: set[uuid_module.UUID],
    deleted: set[uuid_module.UUID],
    present: set[uuid_module.UUID],
) -> Ledger:
    """The ledger after one more commit.

    added: its objects (their `commit` is set here). removed: ids that the commit takes out of the project.
    deleted: ids that the pathologist had deleted. present: ids that are in the project before the commit; a deleted
    one among them was brought back by the pathologist and lives again.
    """
    number = ledger.next_number()
    entries = tuple(changed_entries(ledger.entries, number, removed, deleted, present))
    commit = Commit(number, run, action, time, len(added), len(removed))
    written = (replace(entry, commit=number) for entry in added)
    return Ledger((*entries, *written), (*ledger.commits, commit), ledger.lost)


def changed_entries(
    entries: Iterable[Entry],
    number: int,
    removed: set[uuid_module.UUID],
    deleted: set[uuid_module.UUID],
    present: set[uuid_module.UUID],
) -> Iterator[Entry]:
    """The entries of a ledger as commit `number` leaves them; sets of ids as in `commit_changes`."""
    for entry in entries:
        if entry.uuid in removed:
            entry = replace(entry, ended=number, deleted=False)
        elif entry.uuid in deleted and not entry.deleted:
            entry = replace(entry, deleted=True)
        elif entry.uuid in present and (entry.deleted or entry.ended):
            entry = replace(entry, deleted=False, ended=0)
        yield entry
