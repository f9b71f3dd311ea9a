"""Whether Java could read a stream, found out without keeping what is in it."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from .checker import CLASS, DESCRIPTOR, STRING, Checker
from .descriptors import read_string
from .errors import StreamError
from .values import (
    FIRST_HANDLE,
    MAGIC,
    SC_ENUM,
    TC_ARRAY,
    TC_BLOCKDATA,
    TC_BLOCKDATALONG,
    TC_CLASS,
    TC_CLASSDESC,
    TC_ENDBLOCKDATA,
    TC_ENUM,
    TC_LONGSTRING,
    TC_NULL,
    TC_OBJECT,
    TC_REFERENCE,
    TC_STRING,
    UNSUPPORTED,
)

MAX_DEPTH = 100_000  # values inside values; Java's own stack ends long before
MAX_DEPTH_OF_REPEATS = 1_000  # to which objects that are as others were are passed over at once


@dataclass(frozen=True)
class StreamSummary:
    """What stands in a stream.

    objects_by_class: number of objects by the name of their class.
    top_level: the class of each value at the top level, `null`, or `block` for primitive data; the first 1,000.
    complete: whether the last value is the string "EOF", by which the writer tells that it came to the end.
    """

    objects_by_class: dict[str, int]
    top_level: list[str]
    complete: bool


def check_stream(file: BinaryIO) -> StreamSummary:
    """Reads a binary file from its current position to its end and keeps nothing but a few bytes a handle.

    Raises StreamError when Java could not read it: all that `read_stream` refuses, and strings and arrays in
    fields and arrays of another type, and values nested deeper than 100,000.
    """
    checker = Checker(file, partial(check_values, nested=True))
    checker.advance()
    if checker.data[:4] != MAGIC:
        raise StreamError("no Java object stream: it does not begin with AC ED 00 05", 0)
    checker.place = len(MAGIC)
    check_values(checker, nested=False)
    names = [desc.name for desc in checker.descs]
    objects: dict[str, int] = {}
    for name, count in zip(names, checker.counts, strict=True):
        if count:
            objects[name] = objects.get(name, 0) + count
    return StreamSummary(objects, checker.top_level, checker.ends_with_eof)


class Every(Sequence[str]):
    """The signature of the elements of an array, as long as one asks."""

    def __init__(self, signature: str) -> None:
        self.signature = signature

    def __getitem__(self, index: Any) -> Any:
        return self.signature

    def __len__(self) -> int:
        return 1


def check_values(checker: Checker, nested: bool) -> None:
    """Passes over the values from the current byte to the end of the file, or, `nested`, past the end-of-block
    byte. Raises StreamError when Java could not read them."""
    kinds = checker.kinds
    plans = checker.plans
    counts = checker.counts
    fitting = checker.fitting
    elements_of = checker.elements.get
    remember = kinds.append
    past = checker.repeats.past
    unpack_handle = struct.Struct(">I").unpack_from
    unpack_length = struct.Struct(">i").unpack_from

    # What is being passed over: how many values are still to come (below 0: all up to an end-of-block byte), the
    # types they must have, whether an annotation follows them, and the rest of the object's plan.
    wanted = -1
    expected: Sequence[str] | None = None
    extra = False
    plan: tuple[Any, ...] | None = None
    stack: list[tuple[Any, ...]] = []
    data, place, limit = checker.data, checker.place, checker.limit
    kind: int | None

    try:
        while True:
            while not wanted:
                if extra:
                    wanted, expected, extra = -1, None, False
                elif plan is not None:
                    length, expected, wanted, extra, plan = plan
                    place += length
                else:
                    wanted, expected, extra, plan = stack.pop()
            if place > limit:
                checker.place = place
                checker.advance()
                data, place, limit = checker.data, checker.place, checker.limit
            code = data[place]
            following: tuple[Any, ...] | None = None
            count = 0

            if code == TC_REFERENCE:
                index = unpack_handle(data, place + 1)[0] - FIRST_HANDLE
                if not 0 <= index < len(kinds):
                    raise StreamError("a reference to something that has not come yet", checker.start + place)
                kind = kinds[index]
                place += 5

            elif code == TC_NULL:
                kind = None
                place += 1

            elif code == TC_STRING:
                end = place + 3 + (data[place + 1] << 8 | data[place + 2])
                raw = data[place + 3 : end]
                if end <= len(data) and raw.isascii() and raw[:1] not in (b"L", b"["):
                    remember(STRING)
                    place = end
                else:
                    checker.place = place
                    read_string(checker)
                    data, place, limit = checker.data, checker.place, checker.limit
                kind = STRING

            elif code in (TC_OBJECT, TC_ARRAY):
                start = checker.start + place
                end = 0
                if data[place + 1] == TC_REFERENCE:
                    index = unpack_handle(data, place + 2)[0] - FIRST_HANDLE
                    kind = DESCRIPTOR - kinds[index] if 0 <= index < len(kinds) else -1
                    if kind < 0 or plans[kind] is None:
                        raise StreamError("a value whose class is no complete class descriptor", start)
                    if plans[kind] == () and code == TC_OBJECT and len(stack) < MAX_DEPTH_OF_REPEATS:
                        end = past(checker, data, place)
                    place = end or place + 6
                else:
                    checker.place = place + 1
                    kind = checker.class_number()
                    data, place, limit = checker.data, checker.place, checker.limit
                    kinds = checker.kinds
                    remember = kinds.append
                if end:
                    pass
                elif code == TC_OBJECT:
                    remember(kind)
                    following = plans[kind]
                    if following.__class__ is not tuple:
                        raise StreamError(str(following), start)
                    counts[kind] += 1
                else:
                    remember(kind)
                    size, signature = elements_of(kind) or checker.element_of(kind)
                    count = unpack_length(data, place)[0]
                    if count < 0:
                        raise StreamError(f"an array of {count} elements", start)
                    place += 4
                    if size:
                        place += count * size
                        count = 0

            elif code in (TC_BLOCKDATA, TC_BLOCKDATALONG):
                length = data[place + 1] if code == TC_BLOCKDATA else unpack_length(data, place + 1)[0]
                if wanted > 0 or length < 0:
                    raise StreamError("primitive data where a value should be", checker.start + place)
                place += length + (2 if code == TC_BLOCKDATA else 5)
                if not stack and not nested:
                    checker.note_top_level("block")
                continue

            elif code == TC_ENDBLOCKDATA:
                if wanted > 0 or not (stack or nested):
                    raise StreamError("an end of data where a value should be", checker.start + place)
                place += 1
                if not stack:
                    checker.place = place
                    return
                wanted = 0
                continue

            else:
                checker.place = place
                kind = _pass_rare(checker, code)
                data, place, limit = checker.data, checker.place, checker.limit
                kinds = checker.kinds
                remember = kinds.append

            if expected is not None and kind is not None and (expected[-wanted], kind) not in fitting:
                checker.check_fit(expected[-wanted], kind, checker.start + place)
            if not stack and not nested:
                checker.note_top_level("null" if kind is None else checker.name_of(kind))
                checker.ends_with_eof = code == TC_STRING and raw == b"EOF"
            wanted -= 1
            if following is not None or count:
                if len(stack) >= MAX_DEPTH:
                    raise StreamError(f"values nested deeper than {MAX_DEPTH:,}", checker.start + place)
                stack.append((wanted, expected, extra, plan))
                expected, extra, plan = None, False, following or None
                if count:
                    wanted = count
                    if signature != "Ljava.lang.Object;":
                        expected = Every(signature)
                else:
                    wanted = 0 if following else -1
    except (IndexError, struct.error):
        if place == len(data) and not stack and not nested:
            return
        raise StreamError("the stream ends in the middle of a value", checker.start + place) from None


def _pass_rare(checker: Checker, code: int) -> int:
    """Passes over a value of a sort that is in a stream seldom; what it is."""
    start = checker.position
    if code == TC_ENUM:
        checker.take(1)
        kind = checker.class_number()
        if not checker.descs[kind].flags & SC_ENUM:
            name = checker.descs[kind].name
            raise StreamError(f"a constant of the class {name}, which is no enum", start)
        checker.kinds.append(kind)
        read_string(checker)
        return kind
    if code == TC_CLASS:
        checker.take(1)
        checker.class_number()
        checker.kinds.append(CLASS)
        return CLASS
    if code == TC_CLASSDESC:
        return DESCRIPTOR - checker.class_number()
    if code == TC_LONGSTRING:
        checker.take(1)
        checker.skip_text(int.from_bytes(checker.take(8)))
        checker.kinds.append(STRING)
        return STRING
    raise StreamError(UNSUPPORTED.get(code, f"byte {code:02X} where a value should be"), start)
