"""The properties of an image's data: a Java map of texts and numbers that QuPath reads and writes back as it is."""

import struct
from collections.abc import Mapping
from typing import Any

from cerberus_annotate.qupath.java import Stream
from cerberus_annotate.qupath.java.values import Block, ClassData, ClassDesc, JavaObject, JavaString
from cerberus_annotate.qupath.native.object_parts import class_name

MAP = "java.util.HashMap"


def read_properties(stream: Stream) -> dict[str, str]:
    """The properties whose value is a text."""
    found = _find(stream)
    items = [] if found is None else found.data[0].annotation[1:]
    pairs = zip(items[::2], items[1::2], strict=False)
    return {key.text: value.text for key, value in pairs if _is_text(key) and _is_text(value)}


def set_property(stream: Stream, key: str, value: str, descriptors: Mapping[str, ClassDesc]) -> None:
    """Give the property `key` the text `value`; the others stay as they are, in their order.

    descriptors: class name → descriptor, for a stream that has no properties at all.
    """
    found = _find(stream)
    if found is None:
        found = JavaObject(descriptors[MAP], [ClassData([0.75, 0], [Block(struct.pack(">ii", 16, 0))])])
        stream.contents.insert(_end(stream), found)
    run = found.data[0].annotation
    for at in range(1, len(run), 2):
        if _is_text(run[at]) and run[at].text == key:
            run[at + 1] = JavaString(value)
            return
    buckets, size = struct.unpack(">ii", run[0].data)
    # a power of two above size / 0.75 is what Java would write
    buckets = max(buckets, 16)
    while buckets * 3 < (size + 1) * 4:
        buckets *= 2
    run[0] = Block(struct.pack(">ii", buckets, size + 1))
    run += [JavaString(key), JavaString(value)]


def _end(stream: Stream) -> int:
    """Where the string "EOF" stands, after which nothing counts."""
    for at, item in enumerate(stream.contents):
        if _is_text(item) and item.text == "EOF":
            return at
    return len(stream.contents)


def _find(stream: Stream) -> JavaObject | None:
    """The last map at the top level, as QuPath takes it."""
    found = None
    for item in stream.contents[: _end(stream)]:
        if class_name(item) == MAP and isinstance(item.data[0].annotation[0], Block):
            found = item
    return found


def _is_text(item: Any) -> bool:
    return isinstance(item, JavaString)
