"""Files that are replaced whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep the folder's entries (a no-op where folders cannot be opened, as on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A new, empty file in the folder of `path`; whatever still has that name at the end is removed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        os.close(handle)
        with contextlib.suppress(OSError):
            # mkstemp makes files for the owner alone; a project is often shared by a group.
            temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_synced(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Open `path`, let `write` fill it and wait until the disk has it."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Put `content` in place of `path` in one step; a copy of the former file goes to `keep`.

    Raises OSError; `path` is then as it was and no temporary file is left.
    """
    with temporary_beside(path) as temporary:
        write_synced(temporary, lambda file: _write_all(file, content))
        if keep is not None and path.exists():
            copy_file(path, keep)
        temporary.replace(path)
    sync_folder(path.parent)


def _write_all(file: BinaryIO, content: bytes) -> None:
    file.write(content)


def copy_file(source: Path, target: Path) -> None:
    """Copy `source` to `target` in one step (a crash leaves the former target)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(target) as temporary:

        def copy(file: BinaryIO) -> None:
            with source.open("rb") as original:
                shutil.copyfileobj(original, file, 1 << 20)

        write_synced(temporary, copy)
        temporary.replace(target)
