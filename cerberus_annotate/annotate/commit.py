"""Changes of one image, written so that project and ledger agree whenever a run is cut off."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from cerberus_annotate.annotate.backups import drop_backup, fingerprint_of, keep_backup, make_backup, settle_backup
from cerberus_annotate.errors import ProjectChangedError
from cerberus_annotate.feedback.compare import Comparison, compare
from cerberus_annotate.feedback.ledger import (
    Commit,
    Ledger,
    LedgerError,
    ledger_path,
    pending_path,
    resolve_pending,
    take_pending,
    write_pending,
)
from cerberus_annotate.feedback.ledger_file import GrowingLedger
from cerberus_annotate.feedback.live_ledger import with_answers
from cerberus_annotate.feedback.overwritten import (
    MARK_KEY,
    mark_of,
    marked,
    runs_gone,
    runs_lost,
    without_lost_commits,
)
from cerberus_annotate.feedback.provenance import our_ids
from cerberus_annotate.feedback.runs import now
from cerberus_annotate.qupath import Edit, Image, PathObject, Project


def work_folder(project: Project) -> Path:
    """Where our own files of a project lie."""
    return project.folder / "cerberus"


def load_ledger(folder: Path, image: Image, objects: Sequence[PathObject]) -> tuple[Ledger, Comparison, list[str]]:
    """The image's ledger after any crash, its comparison with the objects, and sentences on what was odd.

    A damaged ledger is set aside and counts as empty: all that is in the image is then the pathologist's own. What
    QuPath saved over is among the ledger's `lost` entries.
    """
    path, name = ledger_path(folder, image.id), image.name
    ids = our_ids(objects)
    mark = image.properties.get(MARK_KEY, "")
    notes = []
    try:
        ledger = with_answers(folder, image.id, without_lost_commits(resolve_pending(path, ids), ids, mark), ids)
    except LedgerError as error:
        aside = path.with_name(path.name + ".damaged")
        path.replace(aside)
        ledger = Ledger()
        notes.append(f"The ledger of image '{name}' was set aside as {aside.name}: {error}")
    compared = compare(ledger, objects)
    for run, count in runs_lost(ledger).items():
        notes.append(
            f"QuPath saved over run {run} in image '{name}', which was open there: {count:,} objects are not in its "
            "data. The image is taken as it was before that run; what is not predicted anew can be written again with "
            f"`cerberus-annotate runs rewrite PROJECT {run}`. Close an image in QuPath before a run."
        )
    for run, count in runs_gone(ledger, ids, mark).items():
        notes.append(
            f"All {count:,} objects that run {run} wrote into image '{name}' are gone, so they count as deleted by "
            "you and do not come back. If you did not delete them, QuPath saved over them (the image was open there "
            f"during the run): `cerberus-annotate runs rewrite PROJECT {run}` writes them again."
        )
    if compared.unknown:
        notes.append(
            f"{compared.unknown} objects in image '{name}' come from runs that its ledger does not know; they "
            "count as yours and stay as they are."
        )
    return ledger, compared, notes


def commit_image(
    project: Project,
    image: Image,
    run_id: str,
    expected: str,
    ledger: Ledger,
    change: Callable[[Edit], None],
) -> str:
    """As `commit_growing`, for a ledger in memory.  ledger: as it is after the change."""
    path = ledger_path(work_folder(project), image.id)
    if not ledger.commits:
        return _commit(project, image, run_id, expected, change, lambda: write_pending(path, ledger))
    ledger = marked(ledger)
    change = _with_mark(change, ledger.commits[-1])
    return _commit(project, image, run_id, expected, change, lambda: write_pending(path, ledger))


def commit_growing(
    project: Project,
    image: Image,
    expected: str,
    ledger: GrowingLedger,
    commit: Commit,
    change: Callable[[Edit], None],
) -> str:
    """Backup, pending ledger, data file, ledger: in this order, each step atomic.

    expected: the image's fingerprint when it was read. ledger: the finished file of the ledger after the change, whose
    last commit is `commit`; its number goes into the data file, see `feedback/overwritten.py`. change: edits the image;
    what it gives to `add_later` is walked when the ledger is the pending one.
    Returns the SHA-256 of the new data file.  Raises ProjectChangedError when QuPath saved the image meanwhile,
    ProjectError when the disk refuses; the image is then as it was.
    """
    path = ledger_path(work_folder(project), image.id)
    return _commit(project, image, commit.run, expected, _with_mark(change, commit), lambda: put_pending(path, ledger))


def put_pending(path: Path, ledger: GrowingLedger) -> None:
    """Puts a finished ledger beside `path`, to be taken over once the data file is written."""
    ledger.put(pending_path(path))


def _with_mark(change: Callable[[Edit], None], commit: Commit) -> Callable[[Edit], None]:
    def change_and_mark(edit: Edit) -> None:
        change(edit)
        edit.set_property(MARK_KEY, mark_of(commit))

    return change_and_mark


def _commit(
    project: Project,
    image: Image,
    run_id: str,
    expected: str,
    change: Callable[[Edit], None],
    put_ledger: Callable[[], None],
) -> str:
    folder = work_folder(project)
    path = ledger_path(folder, image.id)
    try:
        with project.edit(image, expected=expected) as edit:
            change(edit)
            make_backup(folder, image, run_id, now())
            put_ledger()
    except ProjectChangedError:
        drop_backup(folder, image)
        pending_path(path).unlink(missing_ok=True)
        raise
    except BaseException:
        with contextlib.suppress(OSError):  # a cause must not hide behind its consequence
            if not settle_backup(folder, image):
                pending_path(path).unlink(missing_ok=True)
        raise
    take_pending(path)
    keep_backup(folder, image)
    return fingerprint_of(image.data_path)
