"""Values that are made while a stream is written, so that a stream of any length is written in little memory.

`Later` stands where values come one by one. Nothing of what comes may be referred to from elsewhere, so the writer
counts its handles and remembers none; what is shared (strings, classes, lists) are ordinary values, remembered as ever.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .modified_utf8 import encode
from .values import MAX_STRING, TC_BLOCKDATA, TC_LONGSTRING, TC_STRING, JavaArray, JavaObject

_PACK_SHORT_STRING = struct.Struct(">BH").pack


class OwnObject(JavaObject):
    """An object that stands in one place only: it has a handle, which nothing remembers."""

    __slots__ = ()


class OwnArray(JavaArray):
    """An array that stands in one place only."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class Hole:
    """A place in a pattern that is filled anew at each use: a value, or the content of an array of primitives.

    has_handle: whether a value with a handle of its own stands there (a string).
    """

    has_handle: bool = False


@dataclass(slots=True, eq=False)
class Pattern:
    """What many values have in common.

    tree: an OwnObject made of OwnObject, OwnArray, shared values and Hole.
    """

    tree: JavaObject


@dataclass(slots=True, eq=False)
class Filled:
    """A value: a pattern, and what stands in each of its holes, in the order of the stream, as bytes of the stream."""

    pattern: Pattern
    fills: Sequence[bytes]


class Later:
    """`count` values, OwnObject or Filled, that `values` gives when they are written, once."""

    def __init__(self, values: Iterable[Any], count: int) -> None:
        self.values = values
        self.count = count

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)


def string_fill(text: str) -> bytes:
    """A string, for a hole with a handle."""
    raw = text.encode("ascii") if text.isascii() and "\0" not in text else encode(text)
    if len(raw) > MAX_STRING:
        return struct.pack(">BQ", TC_LONGSTRING, len(raw)) + raw
    return _PACK_SHORT_STRING(TC_STRING, len(raw)) + raw


def elements_fill(raw: bytes, size: int) -> bytes:
    """The content of an array of primitives of `size` bytes, from its big-endian elements."""
    return (len(raw) // size).to_bytes(4) + raw


def block_fill(raw: bytes) -> bytes:
    """A block of at most 255 bytes."""
    return bytes((TC_BLOCKDATA, len(raw))) + raw
