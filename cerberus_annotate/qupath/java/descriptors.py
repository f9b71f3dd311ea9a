"""Class descriptors out of a stream, for the reader and for the check."""

import struct
from typing import Any, Protocol

from . import modified_utf8
from .errors import StreamError
from .layout import MAX_CLASSES, check_descriptor
from .values import (
    FIRST_HANDLE,
    MAX_STRING,
    TC_CLASSDESC,
    TC_LONGSTRING,
    TC_NULL,
    TC_PROXYCLASSDESC,
    TC_REFERENCE,
    TC_STRING,
    ClassDesc,
    Field,
    JavaString,
    VerbatimString,
)

_HEADER = struct.Struct(">qBh")  # suid, flags, number of fields


class Source(Protocol):
    """Where descriptors come from: bytes in memory or a file."""

    @property
    def position(self) -> int:
        """The offset of the next byte in the stream."""

    def take(self, count: int) -> bytes:
        """The next `count` bytes. Raises StreamError when there are not so many."""

    def remember(self, value: Any) -> None:
        """Gives the next handle to a JavaString or ClassDesc."""

    def recall(self, index: int) -> Any:
        """What has the handle FIRST_HANDLE + index. Raises StreamError when there is no such handle."""

    def is_complete(self, desc: ClassDesc) -> bool:
        """Whether the descriptor was read to its end, so that it may be used."""

    def finish(self, desc: ClassDesc) -> None:
        """Takes note that the descriptor was read to its end, its parents before it."""

    def read_annotation(self) -> list[Any]:
        """The values up to the end-of-block byte, which is read too."""


def read_class_desc(source: Source) -> ClassDesc | None:
    """The descriptor at the source's position with its super classes; None for null.

    Raises StreamError, also where Java would refuse the descriptor.
    """
    chain: list[ClassDesc] = []
    last: ClassDesc | None = None
    while True:
        start = source.position
        code = source.take(1)[0]
        if code == TC_NULL:
            break
        if code == TC_REFERENCE:
            last = _recalled(source, start)
            break
        if code == TC_PROXYCLASSDESC:
            raise StreamError("a dynamic proxy class, which is not supported", start)
        if code != TC_CLASSDESC:
            raise StreamError(f"byte {code:02X} where a class descriptor should be", start)
        if len(chain) > MAX_CLASSES:
            raise StreamError(f"a class with more than {MAX_CLASSES} super classes", start)
        chain.append(_read_one(source, start))
    for desc in reversed(chain):
        desc.parent = last
        source.finish(desc)
        last = desc
    return last


def _recalled(source: Source, start: int) -> ClassDesc:
    value = source.recall(read_handle(source))
    if not isinstance(value, ClassDesc):
        raise StreamError("a reference to something that is no class descriptor", start)
    if not source.is_complete(value):
        raise StreamError(f"the class {value.name} is used inside its own descriptor", start)
    return value


def _read_one(source: Source, start: int) -> ClassDesc:
    name = _read_name(source)
    suid, flags, field_count = _HEADER.unpack(source.take(_HEADER.size))
    desc = ClassDesc(name, suid, flags)
    source.remember(desc)
    if field_count < 0:
        raise StreamError(f"the class {name} has {field_count} fields", start)
    desc.fields = tuple(_read_field(source) for _ in range(field_count))
    desc.annotation = source.read_annotation()
    try:
        check_descriptor(desc)
    except ValueError as error:
        raise StreamError(str(error), start) from None
    return desc


def _read_field(source: Source) -> Field:
    code = chr(source.take(1)[0])
    name = _read_name(source)
    return Field(code, name, read_string(source) if code in ("L", "[") else None)


def _read_name(source: Source) -> str:
    start = source.position
    raw = source.take(int.from_bytes(source.take(2)))
    try:
        name = modified_utf8.decode(raw)
    except ValueError as error:
        raise StreamError(f"a name with {error}", start) from None
    if modified_utf8.encode(name) != raw:
        raise StreamError("a name that is not written as Java writes it", start)
    return name


def read_string(source: Source) -> JavaString:
    """The string, or reference to one, at the source's position.

    Raises StreamError when something else stands there or the text is no modified UTF-8.
    """
    start = source.position
    code = source.take(1)[0]
    if code == TC_REFERENCE:
        value = source.recall(read_handle(source))
        if not isinstance(value, JavaString):
            raise StreamError("a reference to something that is no string", start)
        return value
    if code not in (TC_STRING, TC_LONGSTRING):
        raise StreamError(f"byte {code:02X} where a string should be", start)
    length = source.take(2 if code == TC_STRING else 8)
    string = string_of(code, length, source.take(int.from_bytes(length)), start)
    source.remember(string)
    return string


def string_of(code: int, length: bytes, raw: bytes, start: int) -> JavaString:
    """The string whose type code, length and content these are; `start` is its offset, for the error."""
    try:
        text = modified_utf8.decode(raw)
    except ValueError as error:
        raise StreamError(f"a text with {error}", start) from None
    if modified_utf8.encode(text) != raw or (code == TC_LONGSTRING) != (len(raw) > MAX_STRING):
        return VerbatimString(text, bytes((code,)) + length + raw)
    return JavaString(text)


def read_handle(source: Source) -> int:
    """The number of a handle, counted from FIRST_HANDLE; may be out of range."""
    return int.from_bytes(source.take(4)) - FIRST_HANDLE
