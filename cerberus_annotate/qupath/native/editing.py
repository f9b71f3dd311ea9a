"""Changes to the objects of one image, made on the parsed tree: what is not touched stays as it was read."""

import uuid as uuid_module
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cerberus_annotate.qupath.java import Stream
from cerberus_annotate.qupath.java.values import ClassData, JavaObject
from cerberus_annotate.qupath.native.data_file import release_of_stream, root_of
from cerberus_annotate.qupath.native.later_objects import LaterObjects
from cerberus_annotate.qupath.native.node_building import CLASS_NAMES, Nodes, probability_bytes
from cerberus_annotate.qupath.native.object_parts import (
    Parts,
    identity_of,
    items_of,
    kind_of,
    metadata_of,
)
from cerberus_annotate.qupath.native.object_reading import Classes, Step, name_steps, read_steps, walk
from cerberus_annotate.qupath.native.properties import set_property
from cerberus_annotate.qupath.native.roi_writing import write_rois
from cerberus_annotate.qupath.object_rules import (
    check_new,
    check_texts,
    checked_class,
    describe,
    equal_number,
    equal_numbers,
    equal_shapes,
    other_number,
)
from cerberus_annotate.qupath.path_object import InvalidObjectError, PathClass, PathObject


class TreeEdit:
    """The objects of one stream, open for changes. Nothing is written here; `finish` brings the tree up to date."""

    def __init__(self, stream: Stream, image_id: str, listed_classes: Iterable[PathClass]) -> None:
        """Raises MalformedError and the like for a stream that is no QuPath data."""
        self.stream = stream
        self.changed = False
        self._all_pinned = False
        self._classes = Classes(listed_classes)
        self._nodes = Nodes(self._classes, release_of_stream(stream))
        # By the number of the UUID: a UUID's own hash is slow Python.
        self._steps: dict[int, Step] = {}
        self._stale: dict[int, Step] = {}
        for step in name_steps(walk(root_of(stream)), image_id):
            self._nodes.adopt(step)
            if step.parent is None:
                self._root = step
            else:
                step.parent.children[step.uuid.int] = step
                self._steps[step.uuid.int] = step
        self._later = LaterObjects(self._nodes, lambda uuid: uuid.int in self._steps, self._root.uuid)

    def add(self, objects: PathObject | Iterable[PathObject]) -> None:
        """Add objects under the parents that they name (in the file or among them), else at the root.

        All or none: raises InvalidObjectError, and nothing is added, when one is not in order.
        """
        batch = [objects] if isinstance(objects, PathObject) else list(objects)
        if not batch:
            return
        check_new(batch, lambda uuid: uuid.int in self._steps, self._root.uuid)
        steps = self._new_steps(batch)
        self._steps.update((step.uuid.int, step) for step in steps)
        for item, step in zip(batch, steps, strict=True):
            self._attach(step, self._root if item.parent is None else self._steps[item.parent.int])
        self.changed = True

    def add_later(self, parent: uuid_module.UUID | None, count: int, objects: Iterable[PathObject]) -> None:
        """Add `count` objects under `parent`, which is there by now (None: the root), when the data are written.

        `objects` is walked then, once, and none is kept; each must name the parent. They are checked as `add` checks
        its own, and cannot be changed, removed or be parents in this edit.
        Raises InvalidObjectError when there is no such parent. The edit ends by that error when an object is not in
        order or there is another number of them, and by what `objects` raises; nothing is changed then.
        """
        under = self._root if parent is None else self._find(parent)
        step = Step(self._later.node(parent, count, objects), Parts(), under, 0)  # type: ignore[arg-type]
        # It keeps a place among the children, in which all of them come.
        step.uuid = uuid_module.uuid4()
        if count:
            self._attach(step, under)
            self.changed = True
        elif next(iter(objects), None) is not None:
            raise other_number(0, 1)

    def replace(self, item: PathObject) -> None:
        """Make the object with the UUID of `item` equal to it; only what differs is written anew.

        Raises InvalidObjectError.
        """
        step = self._find(item.uuid)
        now = read_steps([step], self._classes)[0]
        if item.kind != now.kind:
            raise InvalidObjectError(
                f"{describe(item)} cannot change from {now.kind} to {item.kind}; remove it and add another."
            )
        check_texts(item)
        parent = self._root if item.parent is None else self._find(item.parent)
        _refuse_inside_itself(step, parent, item)
        updates = [*self._plain_updates(now, item), *self._roi_updates(step.parts, now, item)]
        for part, value in updates:
            setattr(step.parts, part, value)
        if updates:
            self._pin(step)
            self._stale[id(step)] = step
            self.changed = True
        if parent is not step.parent:
            self._pin_all()
            self._detach(step)
            self._attach(step, parent)

    def remove(self, uuid: uuid_module.UUID) -> None:
        """Take an object out; its children move up to its parent.  Raises InvalidObjectError."""
        step = self._find(uuid)
        if kind_of(step.node.desc) == "tma_core":
            raise InvalidObjectError("A TMA core cannot be removed; the grid would fall apart. Do that in QuPath.")
        self._pin_all()
        parent = step.parent
        assert parent is not None
        self._detach(step)
        for child in list(step.children.values()):
            self._attach(child, parent)
        del self._steps[uuid.int]
        self._stale.pop(id(step), None)

    def set_property(self, key: str, value: str) -> None:
        """Give a property of the image's data a text; QuPath keeps it and shows it nowhere."""
        set_property(self.stream, key, value, self._nodes.descriptors)
        self.changed = True

    def close(self) -> None:
        """Let go of the tree; steps hold each other, and only the collector would free them, some time."""
        for step in self._steps.values():
            step.children.clear()
        self._root.children.clear()
        self._steps.clear()
        self._stale.clear()

    def finish(self) -> None:
        """Write all changes into the nodes of the tree."""
        for step in self._stale.values():
            step.parts.children = [child.node for child in step.children.values()]
            step.node.data[0].annotation = items_of(step.parts, kind_of(step.node.desc))

    def kinds_and_classes(self) -> Counter[tuple[str, PathClass | None]]:
        """How many objects there are of each kind and class, for the summary; once the data are written."""
        found: Counter[tuple[str, PathClass | None]] = Counter(
            (kind_of(step.node.desc) or "", self._classes.of_node(step.parts.path_class))
            for step in self._steps.values()
        )
        found.update(self._later.written)
        return found

    def count_by_class(self) -> dict[str, int]:
        """How many objects of each Java class the written file must hold, the root's among them.

        Raises InvalidObjectError when two of those that `add_later` got have the same UUID.
        """
        self._later.refuse_twice()
        counts = Counter(step.node.desc.name for step in self._steps.values())
        counts[self._root.node.desc.name] += 1
        for (kind, _), count in self._later.written.items():
            counts[CLASS_NAMES[kind]] += count
        return dict(counts)

    def _find(self, uuid: uuid_module.UUID) -> Step:
        step = self._steps.get(uuid.int)
        if step is None:
            raise InvalidObjectError(f"There is no object with the UUID {uuid} in the image.")
        return step

    def _detach(self, step: Step) -> None:
        assert step.parent is not None
        del step.parent.children[step.uuid.int]
        self._stale[id(step.parent)] = step.parent
        self.changed = True

    def _attach(self, step: Step, parent: Step) -> None:
        step.parent = parent
        parent.children[step.uuid.int] = step
        self._stale[id(parent)] = parent

    def _pin(self, step: Step) -> None:
        """Write a UUID that the file does not hold into it, so that the object keeps it when its place changes."""
        if step.parts.identity is not None or identity_of(step.parts) != step.uuid:
            metadata, _ = metadata_of(step.parts.metadata)
            step.parts.metadata = self._nodes.metadata(metadata, str(step.uuid))
            step.parts.identity = None
            self._stale[id(step)] = step

    def _pin_all(self) -> None:
        """Places are about to change, and with them the UUIDs of objects that have none in the file."""
        if not self._all_pinned:
            for step in self._steps.values():
                self._pin(step)
            self._all_pinned = True

    def _new_steps(self, batch: list[PathObject]) -> list[Step]:
        rois = self._write_rois(batch, [item.roi for item in batch], [item.roi_kind for item in batch])
        cells = [item for item in batch if item.nucleus is not None]
        nuclei = self._write_rois(cells, [item.nucleus for item in cells], [""] * len(cells))
        nucleus_of = iter(nuclei)
        return [
            self._new_step(item, roi, None if item.nucleus is None else next(nucleus_of))
            for item, roi in zip(batch, rois, strict=True)
        ]

    def _write_rois(self, items: list[PathObject], shapes: list[Any], kinds: list[str]) -> list[Any]:
        planes = [item.plane for item in items]
        return write_rois(self._nodes, shapes, kinds, planes, lambda place: describe(items[place]))

    def _new_step(self, item: PathObject, roi: JavaObject, nucleus: JavaObject | None) -> Step:
        nodes = self._nodes
        parts = Parts()
        parts.name = None if item.name is None else nodes.text(item.name, str(item.uuid))
        parts.colour = nodes.colour(item.colour)
        parts.identity = None
        parts.metadata = nodes.metadata(item.metadata, str(item.uuid))
        parts.measurements = nodes.measurements(item.measurements)
        parts.children = []
        parts.locked = nodes.boolean(item.locked)
        parts.path_class = nodes.path_class(checked_class(item))
        parts.roi, parts.nucleus = roi, nucleus
        parts.tail = probability_bytes(item.class_probability)
        step = Step(nodes.path_object(item.kind, parts), parts, self._root, 0)
        step.uuid = item.uuid
        return step

    def _plain_updates(self, now: PathObject, item: PathObject) -> Iterator[tuple[str, Any]]:
        """(part, new node) for everything but shapes that differs."""
        nodes = self._nodes
        if item.name != now.name:
            yield "name", None if item.name is None else nodes.string(item.name)
        if item.colour != now.colour:
            yield "colour", nodes.colour(item.colour)
        if item.locked != now.locked:
            yield "locked", nodes.boolean(item.locked)
        if item.path_class != now.path_class:
            yield "path_class", nodes.path_class(checked_class(item))
        if dict(item.metadata) != dict(now.metadata):
            yield "metadata", nodes.metadata(item.metadata, str(item.uuid))
        if not equal_numbers(item.measurements, now.measurements):
            yield "measurements", nodes.measurements(item.measurements)
        if not equal_number(item.class_probability, now.class_probability):
            tail = self._steps[item.uuid.int].parts.tail
            yield "tail", probability_bytes(item.class_probability) + tail[8:]

    def _roi_updates(self, parts: Parts, now: PathObject, item: PathObject) -> Iterator[tuple[str, Any]]:
        moved = item.plane != now.plane
        for part, shape, shape_now, kind, kind_now in (
            ("roi", item.roi, now.roi, item.roi_kind, now.roi_kind),
            ("nucleus", item.nucleus, now.nucleus, "", ""),
        ):
            same = equal_shapes(shape, shape_now) and kind in ("", kind_now)
            if same and (not moved or shape is None):
                continue
            if shape is None:
                if part == "roi":
                    raise InvalidObjectError(f"{describe(item)} has no shape.")
                yield part, None
            elif same:
                yield part, _on_plane(getattr(parts, part), item.plane)
            else:
                yield part, self._write_rois([item], [shape], [kind])[0]


def _on_plane(roi: JavaObject, plane: tuple[int, int, int]) -> JavaObject:
    """A copy of a ROI node on another plane."""
    if plane[0] < -1 or plane[1] < 0 or plane[2] < 0:
        raise InvalidObjectError(f"There is no plane c, z, t = {plane}; z and t start at 0, c at -1 (all channels).")
    numbers = dict(zip("czt", plane, strict=True))
    values = [numbers.get(field.name, value) for field, value in zip(roi.desc.fields, roi.data[-1].values, strict=True)]
    return JavaObject(roi.desc, [*roi.data[:-1], ClassData(values, roi.data[-1].annotation)])


def _refuse_inside_itself(step: Step, parent: Step, item: PathObject) -> None:
    above: Step | None = parent
    while above is not None:
        if above is step:
            raise InvalidObjectError(f"{describe(item)} cannot be moved into itself or one of its children.")
        above = above.parent
