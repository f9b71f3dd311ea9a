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
    without_lost_commits,
    write_pending,
)
from cerberus_annotate.feedback.provenance import ID_KEY
from cerberus_annotate.feedback.runs import now
from cerberus_annotate.qupath import Edit, Image, PathObject, Project


def work_folder(project: Project) -> Path:
    """Where our own files of a project lie."""
    return project.folder / "cerberus"


def load_ledger(
    folder: Path, image_id: str, name: str, objects: Sequence[PathObject]
) -> tuple[Ledger, Comparison, list[str]]:
    """The image's ledger after any crash, its comparison with the objects, and sentences on what was odd.

    A damaged ledger is set aside and counts as empty: all that is in the image is then the pathologist's own.
    """
    path = ledger_path(folder, image_id)
    ids = {obj.metadata[ID_KEY] for obj in objects if ID_KEY in obj.metadata}
    notes = []
    try:
        ledger, lost = without_lost_commits(resolve_pending(path, ids), ids)
        if lost:
            notes.append(
                f"The data of image '{name}' are older than run {lost[-1]}: QuPath saved over it. The image is taken "
                "as it was before that run. Close an image in QuPath before a run."
            )
    except LedgerError as error:
        aside = path.with_name(path.name + ".damaged")
        path.replace(aside)
        ledger = Ledger()
        notes.append(f"The ledger of image '{name}' was set aside as {aside.name}: {error}")
    compared = compare(ledger, objects)
    live = sum(not entry.ended for entry in ledger.entries)
    if live and len(compared.deleted) == live:
        runs = dict.fromkeys(ledger.run_of(entry) for entry in compared.deleted)
        notes.append(
            f"All {live} objects that earlier runs wrote into image '{name}' are gone, so they count as deleted by "
            "you and do not come back. If you did not delete them, QuPath saved over them (the image was open there "
            f"during the run): forget them with `cerberus-annotate runs remove PROJECT {' '.join(runs)}`"
            f"{' (one run at a time)' if len(runs) > 1 else ''}, and run again."
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
    Returns the SHA-256 of the new data file.  Raises ProjectChangedError when QuPath saved the image meanwhile,
    ProjectError when the disk refuses; the image is then as it was.
    """
    folder = work_folder(project)
    path = ledger_path(folder, image.id)
    try:
        with project.edit(image, expected=expected) as edit:
            change(edit)
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
