"""The way back: take out what a run wrote, or put back the data from before it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cerberus_annotate.annotate.backups import DATA, Backup, backup_folder, fingerprint_of, put_back, read_backup
from cerberus_annotate.annotate.commit import commit_image, load_ledger, work_folder
from cerberus_annotate.annotate.opening import choose_images
from cerberus_annotate.errors import CerberusError
from cerberus_annotate.feedback.ledger import commit_changes, ledger_path, pending_path, write_ledger
from cerberus_annotate.feedback.live_ledger import live_folder
from cerberus_annotate.feedback.runs import now, read_run, write_run
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath import Edit, Image, Project


@dataclass(frozen=True)
class Undone:
    """What happened to one image.

    removed: objects taken out. kept: objects of the run that stay because the pathologist edited them.
    reason: why the image was left as it is, "" otherwise. failed: whether something has to be done about that.
    changed: whether its data file is another now.
    """

    id: str
    name: str
    changed: bool = False
    removed: int = 0
    kept: int = 0
    reason: str = ""
    failed: bool = False


def remove_run(project: Project, run_id: str) -> list[Undone]:
    """Takes the untouched objects of one run out of all images; what was edited stays.

    Deleted objects of the run stay deleted, unless none of its objects is left in an image at all: then QuPath may
    have saved an older state over it, and the run is forgotten there.  Raises ProjectError for an unknown run.
    """
    folder = work_folder(project)
    run = read_run(folder, run_id)
    done = []
    with project.lock():
        for image in project.images:
            path = ledger_path(folder, image.id)
            if not any(one.exists() for one in (path, pending_path(path), live_folder(folder, image.id))):
                continue
            try:
                undone = _remove_from_image(project, image, run_id)
            except (CerberusError, OSError) as error:
                undone = Undone(image.id, image.name, reason=str(error), failed=True)
            if undone is not None:
                done.append(undone)
        if not any(undone.failed for undone in done):
            write_run(folder, replace(run, state="removed"))
    return done


@no_collection()
def _remove_from_image(project: Project, image: Image, run_id: str) -> Undone | None:
    """None when the run has nothing in the image."""
    folder, image_id = work_folder(project), image.id
    expected = image.fingerprint()
    ledger, compared, _ = load_ledger(folder, image, image.read_objects())
    forgotten = tuple(entry for entry in ledger.lost if ledger.run_of(entry) != run_id)
    own = {entry.uuid for entry in ledger.entries if not entry.ended and ledger.run_of(entry) == run_id}
    if not own and len(forgotten) == len(ledger.lost):
        return None
    ledger = replace(ledger, lost=forgotten)
    remove = [(entry, obj) for entry, obj in compared.untouched if entry.uuid in own]
    kept = sum(entry.uuid in own for entry, _ in compared.edited)
    ended = {entry.uuid for entry, _ in remove}
    if not own & compared.present:
        ended = own
    ledger = commit_changes(
        ledger,
        run_id,
        "remove",
        now(),
        [],
        ended,
        {entry.uuid for entry in compared.deleted} - ended,
        compared.present,
    )
    if not remove:
        write_ledger(ledger_path(folder, image_id), ledger)
        return Undone(image_id, image.name, kept=kept)

    def change(edit: Edit) -> None:
        for _, obj in remove:
            edit.remove(obj.uuid)

    commit_image(project, image, run_id, expected, ledger, change)
    return Undone(image_id, image.name, True, len(remove), kept)


def restore(project: Project, patterns: Sequence[str] = (), force: bool = False) -> list[Undone]:
    """Puts back data file and ledger from before the last run, where there is a backup.

    An image that was changed after the run is left as it is unless `force`; what a restore replaces is kept as
    `replaced.qpdata` beside the backup.
    """
    folder = work_folder(project)
    done = []
    with project.lock():
        for image in choose_images(project, patterns):
            try:
                backup = read_backup(folder, image)
                if backup is not None:
                    done.append(_restore_image(project, image, backup, force))
            except (CerberusError, OSError) as error:
                done.append(Undone(image.id, image.name, reason=str(error), failed=True))
    return done


def _restore_image(project: Project, image: Image, backup: Backup, force: bool) -> Undone:
    folder, image_id = work_folder(project), image.id
    present = fingerprint_of(image.data_path)
    before = fingerprint_of(backup_folder(folder, image_id) / DATA)
    if present == before:
        return Undone(image_id, image.name, reason="is already as it was before the last run")
    if present != backup.after and not force:
        return Undone(
            image_id,
            image.name,
            reason=f"was changed after run {backup.run}; --force puts the older data back and keeps the present file "
            "as replaced.qpdata beside the backup",
            failed=True,
        )
    put_back(folder, image)
    return Undone(image_id, image.name, True)
