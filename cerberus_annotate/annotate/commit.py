"""Changes of one image, written so that project and ledger agree whenever a run is cut off."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from cerberus_annotate.annotate.backups import drop_backup, fingerprint_of, keep_backup, make_backup, settle_backup
from cerberus_annotate.errors import ProjectChangedError
from cerberus_annotate.feedback.compare import Comparison, compare
from cerberus_annotate.feedback.ledger import (
    Ledger,
    LedgerError,
    ledger_path,
    pending_path,
    resolve_pending,
    take_pending,
    write_pending,
)
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
    """Backup, pending ledger, data file, ledger: in this order, each step atomic.

    expected: the image's fingerprint when it was read. ledger: as it is after the change. change: edits the image.
    The number of the ledger's last commit goes into the data file, see `feedback/overwritten.py`.
    Returns the SHA-256 of the new data file.  Raises ProjectChangedError when QuPath saved the image meanwhile,
    ProjectError when the disk refuses; the image is then as it was.
    """
    folder = work_folder(project)
    path = ledger_path(folder, image.id)
    if ledger.commits:
        ledger = marked(ledger)
    try:
        with project.edit(image, expected=expected) as edit:
            change(edit)
            if ledger.commits:
                edit.set_property(MARK_KEY, mark_of(ledger))
            make_backup(folder, image, run_id, now())
            write_pending(path, ledger)
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
