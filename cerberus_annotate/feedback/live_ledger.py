"""What the live service predicted, kept until QuPath has saved the image.

QuPath inserts the objects of an answer itself, so nobody knows whether they come into the data file until it is saved.
Each answer is a small ledger of its own, `cerberus/live/<entryID>/<name>.npz`: entries that it added, and those that it
took out (`ended` is 1). It joins the image's ledger once any object that it added is in the image; then the others that
it added were deleted by the pathologist. One that was never inserted, or was undone, changes nothing.
"""

import uuid as uuid_module
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from cerberus_annotate.feedback.ledger import (
    Commit,
    Entry,
    Ledger,
    LedgerError,
    commit_changes,
    read_ledger,
    write_ledger,
)


def live_folder(folder: Path, image_id: str) -> Path:
    """Where the answers for an image lie; `folder` is the project's `cerberus` folder."""
    return folder / "live" / image_id


def keep_answer(
    folder: Path, image_id: str, run: str, time: str, added: Sequence[Entry], removed: Iterable[Entry]
) -> None:
    """Keeps what an answer adds and takes out.  Raises ProjectError when the disk refuses."""
    taken = [replace(entry, commit=1, ended=1) for entry in removed]
    entries = (*(replace(entry, commit=1) for entry in added), *taken)
    commit = Commit(1, run, "annotate", time, len(added), len(taken))
    path = live_folder(folder, image_id) / f"{run}-{uuid_module.uuid4().hex[:8]}.npz"
    write_ledger(path, Ledger(entries, (commit,)))


def with_answers(folder: Path, image_id: str, ledger: Ledger, present: Collection[str]) -> Ledger:
    """The ledger with the answers that were inserted and that it does not know yet, oldest first.

    present: our ids of the objects in the image. Damaged files are passed over: their objects count as unknown.
    """
    known = {entry.uuid for entry in ledger.entries}
    for answer in _answers(folder, image_id):
        added = [entry for entry in answer.entries if not entry.ended]
        inserted = any(str(entry.uuid) in present for entry in added)
        if not inserted or any(entry.uuid in known for entry in added):
            continue
        commit = answer.commits[0]
        removed = {entry.uuid for entry in answer.entries if entry.ended}
        ledger = commit_changes(ledger, commit.run, commit.action, commit.time, added, removed, set(), set())
        known.update(entry.uuid for entry in added)
    return ledger


def _answers(folder: Path, image_id: str) -> list[Ledger]:
    answers = []
    for path in live_folder(folder, image_id).glob("*.npz"):
        try:
            answers.append(read_ledger(path))
        except LedgerError:
            continue
    return sorted((answer for answer in answers if answer.commits), key=lambda answer: answer.commits[0].time)
