"""A moving window over a binary file, so that a stream of any size is looked at in little memory."""

from typing import BinaryIO

from . import modified_utf8
from .errors import StreamError

PIECE = 1 << 18  # bytes read at once
AHEAD = 64  # bytes that are there ahead of a value: more than any fixed part of one has


class Window:
    """The bytes of a file around the place that is looked at.

    data: what is held of the file.  place: the current byte in `data`; may be past its end after a skip.
    limit: past this place `advance` must be called.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.data = b""
        self.start = 0
        self.place = 0
        self.limit = -1
        self.ended = False

    @property
    def position(self) -> int:
        """The offset of the current byte in the stream."""
        return self.start + self.place

    def advance(self, ahead: int = AHEAD) -> None:
        """Moves the window so that it begins at the current byte and holds `ahead` bytes, or all that are left.

        Raises StreamError when the current byte lies past the end of the file.
        """
        held = self.data[self.place :]
        skip = max(self.place - len(self.data), 0)
        self.start += self.place - skip
        while skip and not self.ended:
            piece = self.file.read(min(skip, PIECE))
            self.ended = not piece
            self.start += len(piece)
            skip -= len(piece)
        if skip:
            raise StreamError("the stream ends in the middle of a value", self.start)
        while len(held) < ahead and not self.ended:
            piece = self.file.read(PIECE)
            self.ended = not piece
            held += piece
        self.data = held
        self.place = 0
        self.limit = len(self.data) - (0 if self.ended else AHEAD)

    def take(self, count: int) -> bytes:
        """The next `count` bytes, at most a megabyte. Raises StreamError when there are not so many."""
        if count > 1 << 20:
            raise StreamError(f"a name of {count:,} bytes", self.position)
        if self.place + count > len(self.data):
            self.advance(max(count, AHEAD))
            if count > len(self.data):
                raise StreamError("the stream ends in the middle of a value", self.position)
        taken = self.data[self.place : self.place + count]
        self.place += count
        return taken

    def skip_text(self, length: int) -> None:
        """Passes over a text of `length` bytes. Raises StreamError when it is cut or no modified UTF-8."""
        start = self.position
        rest = b""
        while length:
            step = min(length, PIECE)
            length -= step
            piece = rest + self.take(step)
            end = _last_character(piece) if length else len(piece)
            try:
                modified_utf8.decode(piece[:end])
            except ValueError as error:
                raise StreamError(f"a text with {error}", start) from None
            rest = piece[end:]


def _last_character(piece: bytes) -> int:
    """Where the last character of a piece of text begins."""
    for back in range(1, min(3, len(piece)) + 1):
        if piece[-back] & 0xC0 != 0x80:
            return len(piece) - back
    return len(piece)
