"""A GeoJSON file's features one after another, with only a window of its text in memory."""

import contextlib
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

CHUNK = 1 << 20
"""Characters read at once."""

LARGEST = 1 << 26
"""Characters that one feature may have; more is no outline that anybody could edit, and would fill the memory."""

_NEAR_THE_END = 64  # characters; longer than any word, number or escape that the window's end can cut
_GZIP_MAGIC = b"\x1f\x8b"


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The text of a file, plain or compressed with gzip (its content tells which).  Raises OSError."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        binary: Any = gzip.GzipFile(fileobj=file) if packed else file
        # editors on Windows put a byte order mark in front
        with io.TextIOWrapper(binary, encoding="utf-8-sig") as text:
            yield text


def features(file: TextIO) -> Iterator[Any]:
    """The members of the file's list, or of the `features` of its FeatureCollection; else its only value.

    What they are is not looked at.  Raises ValueError for what is no JSON, RecursionError where it is nested too deep.
    """
    window = _Window(file)
    start = window.peek()
    if start == "[":
        yield from _members(window)
    elif start == "{":
        yield from _of_object(window)
    else:
        raise ValueError("it begins neither with { nor with [")
    if window.peek():
        raise ValueError("something stands behind its end")


def _of_object(window: "_Window") -> Iterator[Any]:
    """The features of a FeatureCollection, else the object itself."""
    window.expect("{")
    members: dict[str, Any] = {}
    streamed = False
    while window.peek() != "}":
        if members or streamed:
            window.expect(",")
        if window.peek() != '"':
            raise ValueError(f"the name of a member is expected, not {window.peek()!r}")
        name = window.value()
        window.expect(":")
        if name == "features" and window.peek() == "[":
            streamed = True
            yield from _members(window)
        else:
            members[name] = window.value()
    window.expect("}")
    if not streamed:
        yield members
    elif members.get("type") != "FeatureCollection":
        raise ValueError(f"it has features but is of the type {members.get('type')!r}, not a FeatureCollection")


def _members(window: "_Window") -> Iterator[Any]:
    window.expect("[")
    first = True
    while window.peek() != "]":
        if not first:
            window.expect(",")
        first = False
        yield window.value()
    window.expect("]")


class _Window:
    """The part of a file's text that is being read."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._passed = 0
        self._ended = False
        # bare NaN and Infinity, as QuPath 0.4 writes them, are taken
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is no blank; "" at the end of the file."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._read_on()

    def expect(self, character: str) -> None:
        """Step over `character`."""
        if self.peek() != character:
            raise ValueError(f"'{character}' is expected, not {self.peek()!r}" if self.peek() else "it ends too early")
        self._at += 1

    def value(self) -> Any:
        """Step over one value and return it."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or not self._may_be_cut(error):
                    raise ValueError(self._describe(error)) from error
            else:
                # a number that the window's end may have cut is no value yet
                if self._ended or isinstance(value, dict | list | str) or end < len(self._text) - _NEAR_THE_END:
                    self._at = end
                    return value
            self._read_on()

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return error.pos >= len(self._text) - _NEAR_THE_END or error.msg.startswith("Unterminated string")

    def _describe(self, error: json.JSONDecodeError) -> str:
        if error.pos >= len(self._text):
            return "it ends too early"
        return f"{error.msg[0].lower()}{error.msg[1:]} at character {self._passed + error.pos:,}"

    def _read_on(self) -> None:
        """Slide the window on; it doubles while one value fills it, so that each character is decoded twice at most."""
        left = len(self._text) - self._at
        more = self._file.read(max(CHUNK, left))
        self._text = self._text[self._at :] + more
        self._passed += self._at
        self._at = 0
        self._ended = not more
        if len(self._text) > LARGEST:
            raise ValueError(f"one of its features has more than {LARGEST >> 20} MB")
