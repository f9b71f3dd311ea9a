"""Objects that are written as others before them, passed over by what those were found to be.

The check takes every value apart. Objects of a hierarchy differ in their texts and numbers only: the bytes between are
the same, type codes, lengths and references to handles, and these alone say what the check would do. So once an object
was taken apart, those bytes and what lies between them are kept, and the next that has them is passed over by them.
"""

from array import array
from typing import Any, Protocol

from .values import (
    FIRST_HANDLE,
    TC_ARRAY,
    TC_BLOCKDATA,
    TC_ENDBLOCKDATA,
    TC_NULL,
    TC_OBJECT,
    TC_REFERENCE,
    TC_STRING,
)

# What lies after the bytes that are the same: a text with its length, some bytes, the number of elements and the
# elements of an array, nothing more.
_TEXT, _BYTES, _ELEMENTS, _END = range(4)
_MOST_STEPS = 64  # of one object
_MOST_KEPT = 4_096  # steps
_MOST_WAYS = 64  # from one step to the next
_MOST_MISSES = 256  # from there on only every 16th object that is like no other is looked at
_STRING = -1


class Known(Protocol):
    """What the check knows: see `checker.Checker`."""

    kinds: "array[int]"
    plans: list[Any]
    counts: list[int]
    fitting: set[tuple[str, int]]

    def element_of(self, number: int) -> tuple[int, str]: ...


class Repeats:
    """The forms of the objects of one stream so far, as a tree: steps that several begin with are there once."""

    def __init__(self) -> None:
        self._first: list[tuple[bytes, int, Any, Any]] = []
        self._kept = 0
        self._misses = 0

    def past(self, known: Known, data: bytes, place: int) -> int:
        """Where the object at `place` ends, 0 when it must be taken apart; `known` then knows of its handles."""
        end = self._pass(known, data, place)
        if end or self._kept >= _MOST_KEPT:
            return end
        self._misses += 1
        if self._misses > _MOST_MISSES and self._misses % 16:
            return 0
        steps = _steps(known, data, place)
        return self._pass(known, data, place) if steps and self._keep(steps) else 0

    def _pass(self, known: Known, data: bytes, place: int) -> int:
        ways = self._first
        while True:
            for way in ways:
                if data.startswith(way[0], place):
                    break
            else:
                return 0
            same, sort, size, ways = way
            place += len(same)
            # Past the end of the data nothing starts with anything, so what is cut ends up there.
            if sort == _ELEMENTS:
                count = int.from_bytes(data[place : place + 4], signed=True)
                if count < 0:
                    return 0
                place += 4 + count * size
            elif sort == _BYTES:
                place += size
            elif sort == _TEXT:
                end = place + 2 + int.from_bytes(data[place : place + 2])
                raw = data[place + 2 : end]
                if not raw.isascii() or raw[:1] in (b"L", b"["):
                    return 0
                place = end
            else:
                kinds, classes = size
                known.kinds.extend(kinds)
                counts = known.counts
                for number in classes:
                    counts[number] += 1
                return place

    def _keep(self, steps: list[tuple[bytes, int, Any]]) -> bool:
        ways = self._first
        for same, sort, size in steps:
            following = next((way[3] for way in ways if way[0] == same), None)
            if following is None:
                if len(ways) >= _MOST_WAYS:
                    return False
                following = []
                ways.append((same, sort, size, following))
                self._kept += 1
            ways = following
        return True


def _steps(known: Known, data: bytes, place: int) -> list[tuple[bytes, int, Any]] | None:
    """The object at `place`, whose class was before it, step by step; None when anything in it is out of the common.

    That is new classes, long texts, what is not sound or was never checked to fit: the check itself then looks at it.
    """
    kinds, plans, fitting = known.kinds, known.plans, known.fitting
    steps: list[tuple[bytes, int, Any]] = []
    new_kinds: list[int] = []
    classes: list[int] = []
    start = place
    # As in `check.check_values`.
    wanted, expected, extra, plan = 1, None, False, None
    stack: list[tuple[Any, ...]] = []
    try:
        while True:
            while not wanted:
                if extra:
                    wanted, expected, extra = -1, None, False
                elif plan is not None:
                    length, expected, wanted, extra, plan = plan
                    if length:
                        steps.append((data[start:place], _BYTES, length))
                        start = place = place + length
                elif stack:
                    wanted, expected, extra, plan = stack.pop()
                else:
                    end = array(kinds.typecode, new_kinds), classes
                    return [*steps, (data[start:place], _END, end)] if place <= len(data) else None
            if len(steps) >= _MOST_STEPS:
                return None
            code = data[place]
            following: Any = None
            count = 0
            kind: int | None = None
            signature = None
            if code == TC_NULL:
                place += 1
            elif code == TC_REFERENCE:
                kind = kinds[_index(data, place + 1, kinds)]
                place += 5
            elif code == TC_STRING:
                end_of_text = place + 3 + int.from_bytes(data[place + 1 : place + 3])
                raw = data[place + 3 : end_of_text]
                if not raw.isascii() or raw[:1] in (b"L", b"["):
                    return None
                kind = _STRING
                new_kinds.append(kind)
                steps.append((data[start : place + 1], _TEXT, 0))
                start = place = end_of_text
            elif code in (TC_OBJECT, TC_ARRAY) and data[place + 1] == TC_REFERENCE:
                kind = -3 - kinds[_index(data, place + 2, kinds)]
                if kind < 0 or plans[kind] is None:
                    return None
                place += 6
                new_kinds.append(kind)
                if code == TC_OBJECT:
                    following = plans[kind]
                    if following.__class__ is not tuple:
                        return None
                    classes.append(kind)
                else:
                    size, signature = known.element_of(kind)
                    count = int.from_bytes(data[place : place + 4], signed=True)
                    if count < 0:
                        return None
                    if size:
                        steps.append((data[start:place], _ELEMENTS, size))
                        start = place = place + 4 + count * size
                        count = 0
                    else:
                        place += 4
            elif code == TC_BLOCKDATA and wanted < 0:
                length = data[place + 1]
                place += 2
                if length:
                    steps.append((data[start:place], _BYTES, length))
                    start = place = place + length
                continue
            elif code == TC_ENDBLOCKDATA and wanted < 0:
                place += 1
                wanted = 0
                continue
            else:
                return None
            if expected is not None and kind is not None and (expected[-wanted], kind) not in fitting:
                return None
            wanted -= 1
            if following is not None or count:
                stack.append((wanted, expected, extra, plan))
                expected, extra, plan = None, False, following or None
                if count:
                    if signature != "Ljava.lang.Object;":
                        return None
                    wanted = count
                else:
                    wanted = 0 if following else -1
    except IndexError:
        return None


def _index(data: bytes, place: int, kinds: "array[int]") -> int:
    """The handle that is referred to.  Raises IndexError when it has not come yet."""
    index = int.from_bytes(data[place : place + 4]) - FIRST_HANDLE
    if not 0 <= index < len(kinds):
        raise IndexError
    return index
