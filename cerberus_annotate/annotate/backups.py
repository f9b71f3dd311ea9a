"""The data file of an image before the last run, and the way back to it.

`cerberus/backups/<entryID>/` holds `data.qpdata` and `ledger.npz` as they were, and `backup.json` that says which
run came after and what the data file looked like then. What a restore replaces is kept as `replaced.qpdata`.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.feedback.files import sync_folder, write_whole
from cerberus_annotate.feedback.ledger import ledger_path, pending_path
from cerberus_annotate.qupath import Image


@dataclass(frozen=True)
class Backup:
    """run: id of the run (or removal) that came after.  time: of the backup.  existed: whether there was a data file.
    after: SHA-256 of the data file that the run wrote, "" when it did not come so far.
    """

    run: str
    time: str
    existed: bool
    after: str = ""


def fingerprint_of(path: Path) -> str:
    """SHA-256 of a file as hex digits, "" when there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def backup_folder(folder: Path, image_id: str) -> Path:
    """Where the backup of an image lies; `folder` is the project's `cerberus` folder."""
    return folder / "backups" / image_id


def make_backup(folder: Path, image: Image, run_id: str, time: str) -> Backup:
    """Copies the image's data file and ledger.  Raises ProjectError when the disk refuses."""
    target = backup_folder(folder, image.id)
    data = image.data_path
    backup = Backup(run_id, time, data.exists())
    _writing(target, lambda: target.mkdir(parents=True, exist_ok=True))
    # without a record half a backup is none
    (target / "backup.json").unlink(missing_ok=True)
    for source, name in ((data, "data.qpdata"), (ledger_path(folder, image.id), "ledger.npz")):
        _copy(source, target / name)
    write_backup(folder, image.id, backup)
    return backup


def write_backup(folder: Path, image_id: str, backup: Backup) -> None:
    """Writes the record of a backup."""
    write_whole(backup_folder(folder, image_id) / "backup.json", json.dumps(asdict(backup), indent=2).encode())


def read_backup(folder: Path, image_id: str) -> Backup | None:
    """The record of an image's backup, None when there is none that can be read."""
    try:
        return Backup(**json.loads((backup_folder(folder, image_id) / "backup.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def put_back(folder: Path, image: Image, backup: Backup) -> None:
    """Puts the data file and the ledger of the backup in place; the present data file is kept beside the backup."""
    source = backup_folder(folder, image.id)
    data, ledger = image.data_path, ledger_path(folder, image.id)
    _copy(data, source / "replaced.qpdata")
    pending_path(ledger).unlink(missing_ok=True)
    _copy(source / "data.qpdata", data)
    _copy(source / "ledger.npz", ledger)


def _copy(source: Path, target: Path) -> None:
    """`target` becomes a copy of `source` in one step; when there is no source, `target` goes."""

    def copy() -> None:
        if not source.exists():
            target.unlink(missing_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".tmp")
        shutil.copyfile(source, temporary)
        temporary.replace(target)
        sync_folder(target.parent)

    _writing(target, copy)


def _writing(target: Path, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as error:
        raise ProjectError(
            f"{target} cannot be written ({error.strerror or error}); nothing was changed. Free disk space or allow "
            "writing to the project's folder, then run again."
        ) from error
