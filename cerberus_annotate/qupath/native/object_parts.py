"""What one path object of the stream consists of.

A PathObject is Externalizable: all its parts stand in one run of blocks and objects. In order: name, colour, metadata
map (may be missing before QuPath 0.4), measurement list, number of children, the children; and for all but the root:
locked (missing before 0.1.2), class, ROI, class probability; for a cell its nucleus, for a TMA core `missing`.
"""

import struct
import uuid as uuid_module
from typing import Any

from cerberus_annotate.qupath.java.later import Hole, Later
from cerberus_annotate.qupath.java.values import Block, ClassDesc, JavaArray, JavaObject, JavaString
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.path_object import Kind

KINDS: dict[str, Kind] = {
    names.ANNOTATION: "annotation",
    names.DETECTION: "detection",
    names.TILE: "tile",
    names.CELL: "cell",
    names.TMA_CORE: "tma_core",
}
OBJECT_ID = "Object ID"


class MalformedError(ValueError):
    """The stream is well-formed, but what it holds is no QuPath data."""


class Parts:
    """The parts of one path object, each as it stands in the stream.

    metadata, measurements, locked, path_class, roi, nucleus: a node or None. identity: the UUID object of the
    form that QuPath can read but never writes. tail: probability (8 bytes) and, for TMA cores, `missing` (1 byte).
    Objects that are made while they are written stand among the children as a Later, and have a Hole as their tail.
    """

    __slots__ = (
        "children",
        "colour",
        "identity",
        "locked",
        "measurements",
        "metadata",
        "name",
        "nucleus",
        "path_class",
        "roi",
        "tail",
    )

    name: JavaString | None
    colour: Any
    metadata: JavaObject | None
    measurements: Any
    children: list[Any]
    locked: JavaObject | None
    path_class: JavaObject | None
    roi: JavaObject | None
    nucleus: JavaObject | None
    identity: JavaObject | None
    tail: Any


def kind_of(descriptor: ClassDesc) -> Kind | None:
    """The kind that a class stands for (a subclass stands for its nearest known class), None for the root."""
    step: ClassDesc | None = descriptor
    for _ in range(32):
        if step is None:
            break
        if step.name in KINDS:
            return KINDS[step.name]
        if step.name == names.ROOT:
            return None
        step = step.parent
    raise MalformedError(f"{descriptor.name} is no object of QuPath's hierarchy")


def is_path_object(value: Any) -> bool:
    return isinstance(value, JavaObject) and value.desc.name.startswith(names.OBJECTS)


def class_name(value: Any) -> str:
    """The Java class of a node, "" for null, strings and blocks."""
    return value.desc.name if type(value) is JavaObject else ""


def _primitive(items: list[Any], place: int, pending: bytes, size: int) -> tuple[bytes, int, bytes]:
    """`size` bytes from `pending` and the blocks from `place` on; the next place; what is left of the last block."""
    while len(pending) < size:
        item = items[place]
        if type(item) is not Block:
            raise MalformedError("a number is missing in an object")
        pending += item.data
        place += 1
    return pending[:size], place, pending[size:]


def parts_of(node: JavaObject) -> Parts:
    """Take a path object apart.  Raises MalformedError or IndexError when it is none."""
    items = node.data[0].annotation
    parts = Parts()
    parts.name, parts.colour = items[0], items[1]
    parts.metadata = parts.identity = parts.nucleus = None
    place, pending = 2, b""
    first = class_name(items[2])
    if first == names.METADATA_MAP:
        parts.metadata, parts.measurements = items[2], items[3]
        place = 4
    elif first == "java.util.UUID":
        parts.identity, parts.measurements = items[2], None
        raw, place, pending = _primitive(items, 3, b"", 4)
        count = int.from_bytes(raw)
        for value in items[place : place + count]:
            if class_name(value) == names.METADATA_MAP:
                parts.metadata = value
            elif class_name(value).startswith(names.MEASUREMENTS):
                parts.measurements = value
        place += count
    else:
        parts.measurements = items[2]
        place = 3
    raw, place, pending = _primitive(items, place, pending, 4)
    count = int.from_bytes(raw)
    parts.children = items[place : place + count] if count else []
    if len(parts.children) != count or pending:
        raise MalformedError("the number of children of an object is not that of the objects in it")
    for child in parts.children:
        if not is_path_object(child):
            raise MalformedError("a child of an object is no object of QuPath's hierarchy")
    place += count
    kind = kind_of(node.desc)
    if kind is None:
        parts.locked = parts.path_class = parts.roi = None
        parts.tail = b""
        return parts
    parts.locked = None
    if class_name(items[place]) == "java.lang.Boolean":
        parts.locked = items[place]
        place += 1
    parts.path_class, parts.roi = items[place], items[place + 1]
    parts.tail, place, pending = _primitive(items, place + 2, b"", 9 if kind == "tma_core" else 8)
    if kind == "cell":
        parts.nucleus = items[place] if place < len(items) else None
    return parts


def items_of(parts: Parts, kind: Kind | None) -> list[Any]:
    """The run of blocks and objects that `parts` stand for."""
    items = [
        parts.name,
        parts.colour,
        *(() if parts.metadata is None else (parts.metadata,)),
        parts.measurements,
        Block(struct.pack(">i", sum(child.count if type(child) is Later else 1 for child in parts.children))),
        *parts.children,
    ]
    if kind is not None:
        if parts.locked is not None:
            items.append(parts.locked)
        items += (parts.path_class, parts.roi, parts.tail if isinstance(parts.tail, Hole) else Block(parts.tail))
        if kind == "cell":
            items.append(parts.nucleus)
    return items


def metadata_of(node: JavaObject | None) -> tuple[dict[str, str], str | None]:
    """(metadata without the UUID, text of the UUID or None).  The same key twice: the last value counts."""
    if node is None:
        return {}, None
    _, keys, values = node.data[0].annotation
    keys, values = keys.values, values.values
    if len(keys) == 1 and keys[0].text == OBJECT_ID:
        return {}, values[0].text
    metadata = {
        key.text: value.text for key, value in zip(keys, values, strict=True) if key is not None and value is not None
    }
    return metadata, metadata.pop(OBJECT_ID, None)


def parse_uuid(text: str | None) -> uuid_module.UUID | None:
    """The UUID that Java reads from `text`, None when it reads none."""
    if text is None or len(text) > 36 or "-" not in text:
        return None
    if len(text) == 36:
        try:
            return uuid_module.UUID(text)
        except ValueError:
            return None
    parts = text.split("-")
    if len(parts) != 5:
        return None
    try:
        numbers = [int(part, 16) for part in parts]
    except ValueError:
        return None
    # Java cuts each group to its width.
    high = (numbers[0] & 0xFFFFFFFF) << 32 | (numbers[1] & 0xFFFF) << 16 | numbers[2] & 0xFFFF
    low = (numbers[3] & 0xFFFF) << 48 | numbers[4] & 0xFFFFFFFFFFFF
    return uuid_module.UUID(int=high << 64 | low)


def identity_of(parts: Parts) -> uuid_module.UUID | None:
    """The object's UUID in the stream, or None."""
    if parts.identity is not None:
        # java.util.UUID: fields leastSigBits, mostSigBits.
        low, high = parts.identity.data[-1].values
        return uuid_module.UUID(int=(high & (1 << 64) - 1) << 64 | low & (1 << 64) - 1)
    node = parts.metadata
    if node is None:
        return None
    _, keys, values = node.data[0].annotation
    for key, value in zip(reversed(keys.values), reversed(values.values), strict=True):
        if key is not None and key.text == OBJECT_ID:
            return parse_uuid(None if value is None else value.text)
    return None


def field_values(node: JavaObject) -> dict[str, Any]:
    """All fields of a Serializable object by name, the super classes' first."""
    chain: list[ClassDesc] = []
    step: ClassDesc | None = node.desc
    while step is not None:
        chain.append(step)
        step = step.parent
    return {
        field.name: value
        for descriptor, data in zip(reversed(chain), node.data, strict=True)
        for field, value in zip(descriptor.fields, data.values, strict=True)
    }


def elements_of(node: JavaObject | JavaArray | None) -> list[Any]:
    """What a Java list holds: ArrayList, Arrays.asList, List.of, unmodifiable lists and arrays.

    Raises MalformedError for other classes.
    """
    for _ in range(8):
        if isinstance(node, JavaArray):
            return list(node.values)
        if not isinstance(node, JavaObject):
            break
        if node.desc.name in ("java.util.ArrayList", "java.util.CollSer", "java.util.LinkedList"):
            return [item for item in node.data[-1].annotation if type(item) is not Block]
        fields = field_values(node)
        # Collections$Unmodifiable…List holds the list in `list`, Arrays$ArrayList its array in `a`.
        node = fields.get("list") or fields.get("c") or fields.get("a")
    raise MalformedError(f"a list of an unknown kind ({class_name(node) or 'null'})")
