"""Files that are there as a whole or not at all."""

import contextlib
import os
from pathlib import Path

from cerberus_annotate.errors import ProjectError


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` to `path` so that a crash leaves the old file or the new one: temporary file, fsync, rename.

    Raises ProjectError when the folder cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ProjectError(
            f"{path} cannot be written ({error.strerror or error}). "
            "Free disk space or allow writing to the project's folder, then run again."
        ) from error


def sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` durable; systems that cannot sync a folder (Windows) are left alone."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
