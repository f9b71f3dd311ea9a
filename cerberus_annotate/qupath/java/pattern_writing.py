"""Patterns and what fills them, to bytes: the bytes around the holes are kept from one use to the next."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from .later import Filled, Pattern

MAX_KEPT = 1_024  # patterns whose bytes are kept
PIECE = 1 << 20  # bytes gathered before they are handed on


class Out(Protocol):
    """What a writer of a stream has: see `writer.Writer`."""

    out: bytearray
    handles: dict[Any, int]
    next_handle: Callable[[], int]
    flushes: int

    def flush(self) -> None: ...

    def write_values(self, values: Iterator[Any]) -> None: ...


class Patterns:
    """The patterns that one stream has had, and the one that is being written.

    own_handles: handles given to values that nothing refers to.
    """

    def __init__(self) -> None:
        self.own_handles = 0
        self._kept: dict[Pattern, tuple[list[bytes], range]] = {}
        self._fills: Iterator[bytes] = iter(())
        self._holes: list[tuple[int, int]] = []

    def write(self, writer: Out, value: Filled) -> None:
        """Writes a pattern and what fills its holes."""
        if len(writer.out) > PIECE:
            writer.flush()
        kept = self._kept.get(value.pattern)
        if kept is None:
            self._write_first(writer, value)
            return
        pieces, handles = kept
        pieces[1::2] = value.fills
        writer.out += b"".join(pieces)
        next_handle = writer.next_handle
        for _ in handles:
            next_handle()

    def next_fill(self, place: int) -> bytes:
        """What stands in the hole at this place among the pattern's bytes, which is the next one."""
        fill = next(self._fills)
        self._holes.append((place, place + len(fill)))
        return fill

    def _write_first(self, writer: Out, value: Filled) -> None:
        """By its tree; the bytes are kept when nothing in it was new, so that the next use differs in holes only."""
        writer.flush()
        before, writer.out = writer.out, bytearray()
        known, flushes, own = len(writer.handles), writer.flushes, self.own_handles
        self._fills, self._holes = iter(value.fills), []
        writer.write_values(iter((value.pattern.tree,)))
        written, writer.out = writer.out, before
        before += written
        if (known, flushes) == (len(writer.handles), writer.flushes):
            places = [0, *itertools.chain.from_iterable(self._holes), len(written)]
            pieces = [bytes(written[start:end]) for start, end in itertools.pairwise(places)]
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[value.pattern] = pieces, range(self.own_handles - own)
