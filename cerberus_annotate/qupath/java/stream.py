"""Whole streams: read from bytes, written to bytes or a file."""

import gc
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from .reader import read_contents
from .values import Stream
from .writer import write_contents


def read_stream(data: bytes) -> Stream:
    """The tree of a Java object stream.

    `write_stream(read_stream(data)) == data` for every stream that Java wrote. Not kept: a boolean that is
    neither 0 nor 1 and the payload of a NaN in a float field, which Java does not write.
    Raises StreamError when Java could not read the bytes; also for resets and dynamic proxies.
    """
    with _no_collection():
        return Stream(read_contents(bytes(data)))


def write_stream(stream: Stream) -> bytes:
    """The bytes of a tree, read or made by hand. Raises StreamError when it cannot be written."""
    file = io.BytesIO()
    write_stream_to(stream, file)
    return file.getvalue()


def write_stream_to(stream: Stream, file: BinaryIO) -> None:
    """Writes a tree to a binary file in pieces of about a megabyte.

    Raises StreamError when the tree cannot be written; a part of it is in the file by then.
    """
    with _no_collection():
        write_contents(stream.contents, file.write)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the cyclic garbage collector, which would look at millions of new objects again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
