"""Changes of one image, written so that project and ledger agree whenever a run is cut off."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cerberus_annotate.annotate.backups import fingerprint_of, make_backup, write_backup
from cerberus_annotate.feedback.compare import Comparison, compare
from cerberus_annotate.feedback.ledger import (
    Ledger,
    LedgerError,
    ledger_path,
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
        notes.append(
            f"All {live} objects that runs of ours wrote into image '{name}' are gone; they count as deleted by you "
            "and do not come back. If QuPath saved over them (the image was open there during the run), take the run "
            "out with `runs remove` and run again."
        )
    if compared.unknown:
        notes.append(
            f"{compared.unknown} objects in image '{name}' carry a run of ours that its ledger does not know; they "
            "are taken for the pathologist's own and stay as they are."
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
    with project.edit(image, expected=expected) as edit:
        change(edit)
        backup = make_backup(folder, image, run_id, now())
        write_pending(path, ledger)
    take_pending(path)
    after = fingerprint_of(image.data_path)
    write_backup(folder, image.id, replace(backup, after=after))
    return after
