"""Files that are replaced whole or not at all."""

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cerberus_annotate.errors import ProjectError

#: What Windows and some network shares answer while another program has the file open.
_HELD_OPEN = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY}
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds


def write_whole(path: Path, content: bytes, what: str, *, keep: Path | None = None) -> None:
    """As `replace_file`, in a folder that is made when it is missing.  Raises ProjectError that names it as `what`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, keep=keep)
    except OSError as error:
        raise not_written(path, what, error) from error


def not_written(path: Path, what: str, error: OSError) -> ProjectError:
    """The sentence for a file of ours, called `what`, that the disk refuses."""
    return ProjectError(
        f"{what} ({path}) could not be written: {error.strerror or error}. It is as it was before; free disk "
        "space or allow writing there, then run the command again."
    )


def replace_file(path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Put `content` in place of `path` in one step; a copy of the former file goes to `keep`.

    Raises OSError; `path` is then as it was and no temporary file is left.
    """

    def write(file: BinaryIO) -> None:
        file.write(content)

    with temporary_beside(path) as temporary:
        write_synced(temporary, write)
        if keep is not None and path.exists():
            copy_file(path, keep)
        put_in_place(temporary, path)
    sync_folder(path.parent)


def write_in_one_step(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a file that then takes the place of `path`.

    Raises OSError and whatever `write` raises; `path` is then as it was and no temporary file is left.
    """
    with temporary_beside(path) as temporary:
        write_synced(temporary, write)
        put_in_place(temporary, path)
    sync_folder(path.parent)


def put_in_place(new: Path, path: Path, check: Callable[[], None] = lambda: None) -> None:
    """Rename `new` to `path` in one step; where another program holds it open, wait up to 1.5 s for it.

    check: called right before each attempt, to raise when `path` must not be replaced any more.  Raises OSError.
    """
    for wait in _WAITS:
        check()
        try:
            new.replace(path)
            return
        except OSError as error:
            if error.errno not in _HELD_OPEN:
                raise
            time.sleep(wait)
    check()
    try:
        new.replace(path)
    except OSError as error:
        if error.errno not in _HELD_OPEN:
            raise
        raise OSError(error.errno, f"{error.strerror} (another program may have {path.name} open)") from error


def copy_file(source: Path, target: Path) -> None:
    """Copy `source` to `target` in one step (a crash leaves the former target).  Raises OSError."""

    def copy(file: BinaryIO) -> None:
        with source.open("rb") as original:
            shutil.copyfileobj(original, file, 1 << 20)

    target.parent.mkdir(parents=True, exist_ok=True)
    write_in_one_step(target, copy)


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A new, empty file in the folder of `path`; whatever still has that name at the end is removed.

    Its name is always the same, so that the next write clears away what a killed process left.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        temporary.touch()
        with contextlib.suppress(OSError):
            temporary.chmod(path.stat().st_mode & 0o777)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def write_synced(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Open `path`, let `write` fill it and wait until the disk has it."""
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep the folder's entries (a no-op where folders cannot be opened, as on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
