"""The ledger that fits an image as it stands, read without changing anything in the project."""

from collections.abc import Sequence
from pathlib import Path

from cerberus_annotate.feedback.ledger import (
    Ledger,
    LedgerError,
    ledger_path,
    pending_path,
    read_ledger,
    was_written,
)
from cerberus_annotate.feedback.live_ledger import with_answers
from cerberus_annotate.feedback.overwritten import runs_gone, runs_lost, without_lost_commits
from cerberus_annotate.feedback.provenance import ID_KEY, RUN_KEY, our_ids
from cerberus_annotate.feedback.reviewed import is_mark
from cerberus_annotate.qupath.path_object import PathObject


def standing_ledger(
    folder: Path, image_id: str, name: str, objects: Sequence[PathObject], mark: str
) -> tuple[Ledger, tuple[str, ...]]:
    """The image's ledger and sentences on what was odd; an empty one where it does not belong to these objects.

    folder: the project's `cerberus` folder. name: of the image, for sentences. mark: the `MARK_KEY` among the
    properties of its data, "" without one. A ledger is of another copy of the
    project when none of its objects is here while others of our runs are.
    """
    ids = our_ids(objects)
    by_hand = f"The objects of image '{name}' count as annotated by hand"
    try:
        ledger = without_lost_commits(peek_ledger(ledger_path(folder, image_id), ids), ids, mark)
        ledger = with_answers(folder, image_id, ledger, ids)
    except LedgerError as error:
        return Ledger(), (f"{by_hand}: {error}",)
    notes = []
    lost = runs_lost(ledger)
    if lost:
        notes.append(
            f"The data of image '{name}' are older than run {list(lost)[-1]}: QuPath saved over it. The image is "
            "compared with what stood in it before that run. `cerberus-annotate runs rewrite` writes it again."
        )
    present = ids | {str(obj.uuid) for obj in objects}
    known = {str(entry.uuid) for entry in ledger.entries}
    strangers = sum(
        RUN_KEY in obj.metadata and obj.metadata.get(ID_KEY, "") not in known and not is_mark(obj) for obj in objects
    )
    if strangers and not known & present:
        reason = (
            "its ledger is of another copy of the project" if known else "the ledger of the runs over it is not there"
        )
        return Ledger(), (*notes, f"{by_hand}: {strangers:,} are predictions, but {reason}.")
    if strangers:
        notes.append(
            f"{strangers:,} objects in image '{name}' come from runs that its ledger does not know; they count as "
            "added by hand."
        )
    for run, count in runs_gone(ledger, ids, mark).items():
        notes.append(
            f"All {count:,} predictions of run {run} in image '{name}' are gone, so they count as deleted. If nobody "
            "deleted them, QuPath saved over them: `cerberus-annotate runs rewrite` writes them again."
        )
    return ledger, tuple(notes)


def peek_ledger(path: Path, ids: set[str]) -> Ledger:
    """As `ledger.resolve_pending`, with the files left as they are."""
    waiting = pending_path(path)
    if waiting.exists():
        try:
            ledger = read_ledger(waiting)
        except LedgerError:
            return read_ledger(path)
        if was_written(ledger, ids):
            return ledger
    return read_ledger(path)
