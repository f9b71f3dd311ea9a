"""JSON as QuPath writes it: numbers keep their text, NaN may stand bare, layout and escapes are Gson's."""

import json
import math
from collections.abc import Iterator
from typing import Any

# Gson's default escapes: what could end a script element or an attribute is written as \uXXXX; lone surrogates
# have no UTF-8 and must be escaped as well.
_ESCAPES = {
    **{code: f"\\u{code:04x}" for code in (*range(0x20), 0x2028, 0x2029, *map(ord, "<>&='"))},
    **{code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)},
    **{ord('"'): '\\"', ord("\\"): "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"},
}


class NumberText(float):
    """A number that is written back as the text it was read from."""

    text: str

    def __new__(cls, text: str) -> "NumberText":
        number = super().__new__(cls, text)
        number.text = text
        return number


class IntegerText(int):
    """An integer with an unusual text, such as -0."""

    text: str

    def __new__(cls, text: str) -> "IntegerText":
        number = super().__new__(cls, text)
        number.text = text
        return number


def _integer(text: str) -> int:
    number = int(text)
    return number if str(number) == text else IntegerText(text)


def parse(text: str) -> Any:
    """The JSON value in `text`.  Raises ValueError (RecursionError inside it) when it is not JSON."""
    try:
        return json.loads(text, parse_float=NumberText, parse_int=_integer)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def number_text(number: float) -> str:
    """A number as Java prints it: whole doubles keep their `.0`, NaN and infinities stand bare."""
    if isinstance(number, NumberText | IntegerText):
        return number.text
    if isinstance(number, int):
        return str(number)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number).replace("e", "E").replace("E+", "E")


def _string(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def _pieces(value: Any, indent: str | None, level: int) -> Iterator[str]:
    if value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, str):
        yield _string(value)
    elif isinstance(value, int | float):
        yield number_text(value)
    else:
        is_object = isinstance(value, dict)
        first, last = "{}" if is_object else "[]"
        if not value:
            yield first + last
            return
        inner = "" if indent is None else "\n" + indent * (level + 1)
        colon = ":" if indent is None else ": "
        yield first
        for position, item in enumerate(value.items() if is_object else value):
            yield inner if position == 0 else "," + inner
            if is_object:
                yield _string(item[0]) + colon
                item = item[1]
            yield from _pieces(item, indent, level + 1)
        yield ("" if indent is None else "\n" + indent * level) + last


def dump(value: Any, indent: int | None = 2) -> str:
    """`value` as Gson writes it: indented by `indent` blanks, or on one line when that is None."""
    return "".join(_pieces(value, None if indent is None else " " * indent, 0))
