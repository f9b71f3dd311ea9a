"""The data file of an image before the last run, and the way back to it.

`cerberus/backups/<entryID>/` holds `data.qpdata` and `ledger.npz` as they were, and `backup.json` that says which
run came after and what the data file looked like then. What a restore replaces is kept as `replaced.qpdata`. The
backup of a change under way lies in `<entryID>.new`, so that a change that fails leaves the former backup.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.feedback.ledger import ledger_path, pending_path
from cerberus_annotate.files import copy_file, put_in_place, write_whole
from cerberus_annotate.qupath import Image

DATA, LEDGER, RECORD, REPLACED = "data.qpdata", "ledger.npz", "backup.json", "replaced.qpdata"


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


def make_backup(folder: Path, image: Image, run_id: str, time: str) -> None:
    """Copies the image's data file and ledger for a change that is about to be made.

    Raises ProjectError when the disk refuses.
    """
    settle_backup(folder, image)
    new = _new_folder(folder, image.id)
    _copy(image.data_path, new / DATA)
    _copy(ledger_path(folder, image.id), new / LEDGER)
    _write_record(new, Backup(run_id, time, image.data_path.exists()))


def keep_backup(folder: Path, image: Image) -> None:
    """The change was made: its backup takes the place of the former one."""
    new, place = _new_folder(folder, image.id), backup_folder(folder, image.id)
    _write_record(new, replace(_read_record(new), after=fingerprint_of(image.data_path)))
    _take(new, place)


def drop_backup(folder: Path, image: Image) -> None:
    """The change was not made: the former backup stays the last."""
    shutil.rmtree(_new_folder(folder, image.id), ignore_errors=True)


def settle_backup(folder: Path, image: Image) -> bool:
    """Keeps or drops the backup of a change that was cut off; whether the change had been made.  Raises OSError."""
    new = _new_folder(folder, image.id)
    if not (new / RECORD).exists() or fingerprint_of(new / DATA) == fingerprint_of(image.data_path):
        drop_backup(folder, image)
        return False
    _take(new, backup_folder(folder, image.id))
    return True


def read_backup(folder: Path, image: Image) -> Backup | None:
    """The record of an image's backup, None when there is none that can be read."""
    settle_backup(folder, image)
    try:
        return _read_record(backup_folder(folder, image.id))
    except (OSError, ValueError, TypeError):
        return None


def put_back(folder: Path, image: Image) -> None:
    """Puts the data file and the ledger of the backup in place; the present data file is kept beside the backup."""
    source = backup_folder(folder, image.id)
    data, ledger = image.data_path, ledger_path(folder, image.id)
    _copy(data, source / REPLACED)
    pending_path(ledger).unlink(missing_ok=True)
    _copy(source / DATA, data)
    _copy(source / LEDGER, ledger)


def _new_folder(folder: Path, image_id: str) -> Path:
    place = backup_folder(folder, image_id)
    return place.with_name(place.name + ".new")


def _take(new: Path, place: Path) -> None:
    """Puts `new` in the place of the former backup; cut off anywhere, it is done again by `settle_backup`."""
    replaced = place / REPLACED
    if replaced.exists():
        replaced.replace(new / REPLACED)
    shutil.rmtree(place, ignore_errors=True)
    put_in_place(new, place)


def _read_record(place: Path) -> Backup:
    return Backup(**json.loads((place / RECORD).read_text("utf-8")))


def _write_record(place: Path, backup: Backup) -> None:
    write_whole(place / RECORD, json.dumps(asdict(backup), indent=2).encode(), "The record of a backup")


def _copy(source: Path, target: Path) -> None:
    """`target` becomes a copy of `source` in one step; when there is no source, `target` goes."""
    try:
        if source.exists():
            copy_file(source, target)
        else:
            target.unlink(missing_ok=True)
    except OSError as error:
        raise ProjectError(
            f"{target} cannot be written ({error.strerror or error}); nothing was changed. Free disk space or allow "
            "writing to the project's folder, then run again."
        ) from error
