"""The file of a ledger: blocks of entries in a zip, written one after the other, and at the end what they are.

A block holds up to `BLOCK` entries (`ledger_blocks.py`), so whoever writes or walks a file needs the memory of one. The
last member, `header.json`, has the commits and names the blocks in the order in which they are read. In the former
format 1, which is still read, all entries are one block whose columns are the zip's members.
"""

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cerberus_annotate.feedback.entry import Commit, Entry
from cerberus_annotate.feedback.ledger_blocks import decode_block, decode_columns, encode_block
from cerberus_annotate.files import not_written, put_in_place, sync_folder, temporary_beside

FORMAT = 2
BLOCK = 10_000

_HEADER = "header.json"
_WHAT = "The ledger of an image"


@dataclass(frozen=True)
class Block:
    """Some entries of a file.  name: of the zip's member. entries: how many."""

    name: str
    entries: int


class GrowingLedger:
    """A ledger file that is not whole before `finish`, and not in place before `put`."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """path: of `file`, which is open for writing."""
        self._path, self._file = path, file
        self._archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._count = 0

    def write(self, entries: Iterable[Entry]) -> list[Block]:
        """Appends entries.  Raises ProjectError when the disk refuses."""
        written = []
        coming = iter(entries)
        while some := list(islice(coming, BLOCK)):
            block = Block(f"{self._count}.npz", len(some))
            self._member(block.name, encode_block(some))
            self._count += 1
            written.append(block)
        return written

    def finish(self, commits: Sequence[Commit], entries: Sequence[Block], lost: Sequence[Block]) -> None:
        """Closes the file.

        commits: oldest first. entries, lost: the blocks in the order in which they are to be read.
        Raises ProjectError when the disk refuses.
        """
        header = {
            "format": FORMAT,
            "commits": [
                [commit.number, commit.run, commit.action, commit.time, commit.added, commit.removed, commit.marked]
                for commit in commits
            ],
            "entries": [block.name for block in entries],
            "lost": [block.name for block in lost],
        }
        self._member(_HEADER, json.dumps(header).encode())
        try:
            self._archive.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise not_written(self._path, _WHAT, error) from error

    def put(self, path: Path) -> None:
        """Makes the finished file the one at `path`.  Raises ProjectError when the disk refuses."""
        try:
            put_in_place(self._path, path)
            sync_folder(path.parent)
        except OSError as error:
            raise not_written(path, _WHAT, error) from error

    def abandon(self) -> None:
        """Lets go of a file that was not finished."""
        with contextlib.suppress(OSError, ValueError):  # ends what is open; a full disk refuses that as well
            self._archive.close()
        with contextlib.suppress(OSError):
            self._file.close()

    def _member(self, name: str, content: bytes) -> None:
        member = zipfile.ZipInfo(name)  # without the time, so that the same entries make the same file
        member.compress_type = zipfile.ZIP_DEFLATED
        try:
            # three times as fast as the usual level, and hardly larger here
            self._archive.writestr(member, content, compresslevel=1)
        except OSError as error:
            raise not_written(self._path, _WHAT, error) from error


@contextlib.contextmanager
def growing_ledger(path: Path) -> Iterator[GrowingLedger]:
    """A ledger file that is written beside `path` and thrown away at the end of the block unless it was put in place.

    Raises ProjectError when the disk refuses. What a killed process leaves goes with the next writing.
    """
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = stack.enter_context(temporary_beside(path))
            file = temporary.open("wb")
        except OSError as error:
            raise not_written(path, _WHAT, error) from error
        ledger = GrowingLedger(temporary, file)
        stack.callback(ledger.abandon)
        yield ledger


def walk_blocks(path: Path, blocks: Iterable[Block]) -> Iterator[list[Entry]]:
    """The entries of some blocks of the file at `path`, block by block.  Raises what `read_file` raises."""
    with zipfile.ZipFile(path) as archive:
        for block in blocks:
            yield decode_block(archive.read(block.name))


def read_file(file: Path | BinaryIO) -> tuple[tuple[Entry, ...], tuple[Commit, ...], tuple[Entry, ...]]:
    """Entries, commits and lost entries of a ledger file, all in memory.

    Raises OSError, and ValueError, KeyError, zipfile.BadZipFile and the like when it is none of ours.
    """
    # whole members are read: only then is their checksum looked at
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if "header.npy" in names:
            entries, commits, lost = _read_format_1(archive)
        else:
            header = json.loads(archive.read(_HEADER))
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']}, this version reads {FORMAT}")
            commits = tuple(Commit(*values) for values in header["commits"])
            entries, lost = (
                tuple(entry for name in header[part] for entry in decode_block(archive.read(name)))
                for part in ("entries", "lost")
            )
    if any(not 1 <= entry.commit <= len(commits) for entry in (*entries, *lost)):
        raise ValueError("an entry names a commit that is not there")
    return entries, commits, lost


def _read_format_1(archive: zipfile.ZipFile) -> tuple[tuple[Entry, ...], tuple[Commit, ...], tuple[Entry, ...]]:
    columns = {
        name.removesuffix(".npy"): np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
        for name in archive.namelist()
    }
    header = json.loads(columns["header"].tobytes())
    if header["format"] != 1:
        raise ValueError(f"format {header['format']}, this version reads {FORMAT}")
    entries = decode_columns(columns, header)
    split = len(entries) - header.get("lost", 0)
    return tuple(entries[:split]), tuple(Commit(*values) for values in header["commits"]), tuple(entries[split:])
