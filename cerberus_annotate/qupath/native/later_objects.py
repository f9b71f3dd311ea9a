"""New objects that become bytes while the data file is written: no more than a thousand are held at a time."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np

from cerberus_annotate.qupath.java.later import (
    Filled,
    Hole,
    Later,
    OwnArray,
    OwnObject,
    Pattern,
    block_fill,
    elements_fill,
    string_fill,
)
from cerberus_annotate.qupath.java.values import ELEMENT_DTYPES, JavaObject
from cerberus_annotate.qupath.native.node_building import Nodes, probability_bytes
from cerberus_annotate.qupath.native.object_parts import OBJECT_ID, Parts
from cerberus_annotate.qupath.native.roi_writing import write_rois
from cerberus_annotate.qupath.object_rules import check_later, checked_class, describe, other_number, standing_twice
from cerberus_annotate.qupath.path_object import Kind, PathClass, PathObject

AT_ONCE = 1_024  # objects that are made together
_MOST_PATTERNS = 1_024
_WRITTEN_ANEW = object()
_LIKE_NO_OTHER = object()


class ObjectsError(Exception):
    """What went wrong with the objects, not with the file, while it was written; `reason` is that error."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _LaterNodes(Nodes):
    """The nodes of the edit; those that an object has for itself nothing refers to."""

    def __init__(self, nodes: Nodes) -> None:
        vars(self).update(vars(nodes))
        self._object, self._array = OwnObject, OwnArray

    def polygon(self, x: bytes, y: bytes, plane: tuple[int, int, int]) -> Any:
        """Not a node, which would be taken apart again: what fills a polygon's."""
        return plane, elements_fill(x, 4), elements_fill(y, 4)

    def polygon_with_holes(self, plane: tuple[int, int, int]) -> JavaObject:
        """The node that a polygon fills."""
        return super().polygon(Hole(), Hole(), plane)


class LaterObjects:
    """The objects of one edit that are made while they are written.

    written: how many came of each kind and class.
    """

    def __init__(self, nodes: Nodes, is_taken: Callable[[UUID], bool], root: UUID) -> None:
        """is_taken: whether the image has an object with that UUID. root: that of the hierarchy's root."""
        self.written: Counter[tuple[Kind, PathClass | None]] = Counter()
        self._nodes = _LaterNodes(nodes)
        self._is_taken = is_taken
        self._root = root
        self._uuids = bytearray()  # 16 bytes each
        self._patterns: dict[tuple[Any, ...], Pattern] = {}
        self._classes: dict[tuple[str, ...], tuple[PathClass | None, JavaObject | None]] = {}  # by names as they come

    def node(self, parent: UUID | None, count: int, objects: Iterable[PathObject]) -> Later:
        """What stands among the children of `parent` in place of the objects.

        While it is written it raises ObjectsError for an object that may not be written, for another number of objects,
        and for what walking them raises.
        """
        return Later(self._values(parent, count, objects), count)

    def refuse_twice(self) -> None:
        """Raise InvalidObjectError when two of the objects that came have the same UUID."""
        if not self._uuids:
            return
        found = np.frombuffer(self._uuids, "S16")
        found.sort()
        twice = np.flatnonzero(found[1:] == found[:-1])
        if len(twice):
            start = 16 * int(twice[0])
            raise standing_twice(UUID(bytes=bytes(self._uuids[start : start + 16])))

    def _values(self, parent: UUID | None, count: int, objects: Iterable[PathObject]) -> Iterator[Filled]:
        left = count
        try:
            remaining = iter(objects)
            while left >= 0 and (batch := list(islice(remaining, AT_ONCE))):
                left -= len(batch)
                check_later(batch, parent, self._is_taken, self._root)
                self._uuids += b"".join([item.uuid.bytes for item in batch])
                yield from self._filled(batch)
            if left:
                raise other_number(count, count - left)
        except MemoryError:
            raise
        except Exception as error:
            raise ObjectsError(error) from error

    def _filled(self, batch: list[PathObject]) -> Iterator[Filled]:
        rois = self._write_rois(batch, [item.roi for item in batch], [item.roi_kind for item in batch])
        cells = [item for item in batch if item.nucleus is not None]
        nuclei = iter(self._write_rois(cells, [item.nucleus for item in cells], [""] * len(cells)))
        for item, roi in zip(batch, rois, strict=True):
            yield self._one(item, roi, None if item.nucleus is None else next(nuclei))
        of_each = Counter([(item.kind, None if item.path_class is None else item.path_class.names) for item in batch])
        for (kind, class_names), count in of_each.items():
            self.written[kind, None if class_names is None else self._classes[class_names][0]] += count

    def _write_rois(self, items: list[PathObject], shapes: list[Any], kinds: list[str]) -> list[Any]:
        return write_rois(self._nodes, shapes, kinds, [item.plane for item in items], lambda at: describe(items[at]))

    def _one(self, item: PathObject, roi: Any, nucleus: Any) -> Filled:
        """The pattern that the object has in common with those like it, and what it has for itself."""
        nodes = self._nodes
        uuid_text = str(item.uuid)
        fills: list[bytes] = []
        name = None if item.name is None else self._text(item.name, uuid_text, fills)
        texts = [self._text(text, uuid_text, fills) for text in item.metadata.values()]
        fills.append(string_fill(uuid_text))
        measured = tuple(item.measurements)
        if measured:
            fills.append(elements_fill(nodes.number_bytes(measured, item.measurements), 8))
        shape = _taken_out(roi, fills)
        fills.append(block_fill(probability_bytes(item.class_probability)))
        inner = None if nucleus is None else _taken_out(nucleus, fills)
        colour, locked = nodes.colour(item.colour), nodes.boolean(item.locked)
        path_class = None if item.path_class is None else self._class_node(item)
        key = (item.kind, name, colour, measured, locked, path_class, shape, inner, *item.metadata, *texts)
        pattern = self._patterns.get(key)
        if pattern is None:
            parts = Parts()
            parts.name, parts.colour, parts.locked, parts.path_class = _hole(name), colour, locked, path_class
            parts.metadata = nodes.metadata_map([*item.metadata, OBJECT_ID], [*map(_hole, texts), Hole(True)])
            parts.measurements = nodes.measurement_list(measured, Hole()) if measured else None
            parts.roi, parts.tail = self._shape_node(roi), Hole()
            parts.nucleus = None if nucleus is None else self._shape_node(nucleus)
            parts.children = []
            pattern = Pattern(nodes.path_object(item.kind, parts))
            if len(self._patterns) >= _MOST_PATTERNS:
                self._patterns.clear()
            if shape is not _LIKE_NO_OTHER and inner is not _LIKE_NO_OTHER:
                self._patterns[key] = pattern
        return Filled(pattern, fills)

    def _shape_node(self, shape: Any) -> JavaObject:
        return self._nodes.polygon_with_holes(shape[0]) if type(shape) is tuple else shape

    def _text(self, text: str, uuid_text: str, fills: list[bytes]) -> Any:
        """The node of a text that others may have too; else what stands for it, and its bytes go to `fills`."""
        node = self._nodes.shared_text(text, uuid_text)
        if node is None:
            fills.append(string_fill(text))
            return _WRITTEN_ANEW
        return node

    def _class_node(self, item: PathObject) -> JavaObject | None:
        assert item.path_class is not None
        try:
            return self._classes[item.path_class.names][1]
        except (KeyError, TypeError):
            checked = checked_class(item)
            node = self._nodes.path_class(checked)
            self._classes[item.path_class.names] = checked, node
            return node


def _hole(node: Any) -> Any:
    return Hole(has_handle=True) if node is _WRITTEN_ANEW else node


def _taken_out(roi: Any, fills: list[bytes]) -> Any:
    """Takes the vertices out of a shape; what is left, by which shapes of a kind and plane are the same."""
    if type(roi) is tuple:
        plane, *vertices = roi
        fills += vertices
        return tuple(plane)
    values = roi.data[0].values
    left = [roi.desc.name]
    for value in values:
        if type(value) is OwnArray:
            fills.append(elements_fill(value.content, ELEMENT_DTYPES[value.desc.name[1]].itemsize))
            value.content = Hole()
        else:
            left.append(value)
    # Without vertices the numbers are the shape.
    return tuple(left) if len(left) <= len(values) else _LIKE_NO_OTHER
