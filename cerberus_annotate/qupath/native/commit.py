"""Putting a changed data file in place: whole and readable, or not at all."""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from cerberus_annotate.errors import DataFileError, ProjectChangedError
from cerberus_annotate.files import copy_file, put_in_place, sync_folder, temporary_beside, write_synced
from cerberus_annotate.qupath.java import Stream, StreamError, check_stream, write_stream_to
from cerberus_annotate.qupath.native.later_objects import ObjectsError
from cerberus_annotate.qupath.path_object import InvalidObjectError

ABSENT = "absent"


def fingerprint(path: Path) -> str:
    """`size:mtime in ns:SHA-256` of a file, or "absent".  Raises OSError."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        state = path.stat()
    except FileNotFoundError:
        return ABSENT
    return f"{state.st_size}:{state.st_mtime_ns}:{digest}"


def same_content(one: str, other: str) -> bool:
    """Do two fingerprints tell of the same bytes? (A copy or a backup may have changed the time.)"""
    return one.split(":")[::2] == other.split(":")[::2]


def check_unchanged_since(read: str, found: str, image_name: str) -> None:
    """Whether the data file still is what was read, by both fingerprints.  Raises ProjectChangedError."""
    if not same_content(found, read):
        raise ProjectChangedError(
            f"Image '{image_name}' was saved by QuPath since it was read. Nothing was written; run the command again."
        )


def commit_data_file(
    path: Path,
    stream: Stream,
    image_name: str,
    *,
    counts: Callable[[], Mapping[str, int]],
    expected: str,
    backup: Path | None,
) -> None:
    """Write `stream` to `path`, read it back, and put it in place.

    counts: called once the stream is written, how many objects of each Java class must be found when it is read back.
    expected: fingerprint that the present file must still have. backup: where a copy of the present file is kept.
    Raises DataFileError, ProjectChangedError, what `counts` raises, and what was wrong with objects that are made while
    they are written; the present file is then as it was, whatever the moment.
    """
    made_folder = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary:
            write_synced(temporary, lambda file: write_stream_to(stream, file))
            _check(temporary, counts())
            if backup is not None and path.exists():
                copy_file(path, backup)
            replace_unchanged(temporary, path, image_name, expected)
        sync_folder(path.parent)
    except ObjectsError as error:
        raise error.reason from None
    except InvalidObjectError:
        raise
    except (OSError, StreamError, MemoryError, ValueError) as error:
        raise DataFileError(
            f"The data file of image '{image_name}' ({path}) could not be written: {_reason(error)}. "
            "It is as it was before."
        ) from error
    finally:
        if made_folder:
            # Only when nothing came into it.
            with contextlib.suppress(OSError):
                path.parent.rmdir()


def replace_unchanged(new: Path, path: Path, image_name: str, expected: str) -> None:
    """Put `new` in the place of the data file `path`, when that still is what `expected`, a fingerprint, tells of.

    Size and time are looked at once more right before the renaming: to digest a large file takes a while, and QuPath
    may save in it.  Raises ProjectChangedError, OSError.
    """
    found = fingerprint(path)

    def check(now: str) -> None:
        if now != found or not same_content(found, expected):
            raise ProjectChangedError(
                f"Image '{image_name}' was saved by QuPath while we worked on it. Nothing was overwritten; close the "
                "image in QuPath and run the command again."
            )

    digest = found.rpartition(":")[2]
    put_in_place(new, path, lambda: check(_with_present_state(path, digest)))


def _with_present_state(path: Path, digest: str) -> str:
    """A fingerprint of present size and time, and a digest that was made before."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return ABSENT
    return f"{state.st_size}:{state.st_mtime_ns}:{digest}"


def _check(path: Path, counts: Mapping[str, int]) -> None:
    """Raise StreamError or ValueError when QuPath could not read all objects of the file."""
    with path.open("rb") as file:
        found = check_stream(file)
    if not found.complete:
        raise ValueError("what was written ends too early")
    for name, count in counts.items():
        if found.objects_by_class.get(name, 0) != count:
            raise ValueError(f"what was written holds {found.objects_by_class.get(name, 0)} of {count} {name}")


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
