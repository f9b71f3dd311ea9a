"""The names of a measurement list as QuPath keeps them: one closed list and one map to positions, shared by all objects
that measure the same."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from cerberus_annotate.qupath.java.values import Block, ClassData, JavaObject, JavaString
from cerberus_annotate.qupath.native.descriptors import Descriptors

_LOAD_FACTOR = 0.75
_FIRST_CAPACITY = 16


def name_list(described: Descriptors, names: Sequence[JavaString], release: tuple[int, int]) -> JavaObject:
    """The list that cannot be changed: List.copyOf since 0.6, Collections.unmodifiableList before; all read both."""
    run = [Block(struct.pack(">i", len(names))), *names]
    if release >= (0, 6):
        return JavaObject(described["java.util.CollSer"], [ClassData([1], run)])
    inner = JavaObject(described["java.util.ArrayList"], [ClassData([len(names)], run)])
    return JavaObject(described["java.util.Collections$UnmodifiableList"], [ClassData([inner]), ClassData([inner])])


def name_map(described: Descriptors, names: Sequence[JavaString], integer: Callable[[int], JavaObject]) -> JavaObject:
    """The HashMap of name to position, its entries in the order in which Java writes them."""
    capacity = _FIRST_CAPACITY
    while len(names) > _LOAD_FACTOR * capacity:
        capacity *= 2
    run: list[Any] = [Block(struct.pack(">ii", capacity, len(names)))]
    for position in sorted(range(len(names)), key=lambda place: bucket(names[place].text, capacity)):
        run += [names[position], integer(position)]
    threshold = int(_LOAD_FACTOR * capacity)
    return JavaObject(described["java.util.HashMap"], [ClassData([_LOAD_FACTOR, threshold], run)])


def bucket(text: str, capacity: int) -> int:
    """The place of a String in java.util.HashMap's table (String.hashCode, its upper half folded in)."""
    units = text.encode("utf-16-be", "surrogatepass")
    number = 0
    for unit in struct.unpack(f">{len(units) // 2}H", units):
        number = 31 * number + unit & 0xFFFFFFFF
    return (number ^ number >> 16) & capacity - 1
