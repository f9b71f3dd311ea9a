"""Changes to QuPath's own objects of one image."""

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from cerberus_annotate.qupath.java.values import JavaObject
from cerberus_annotate.qupath.native.node_building import Nodes
from cerberus_annotate.qupath.native.object_reading import Classes
from cerberus_annotate.qupath.native.roi_reading import read_rois
from cerberus_annotate.qupath.native.roi_writing import write_rois
from cerberus_annotate.qupath.object_rules import (
    check_new,
    check_parent,
    check_texts,
    checked_class,
    describe,
    equal_shapes,
    other_number,
)
from cerberus_annotate.qupath.paquo.object_making import (
    make_object,
    set_class,
    set_colour,
    set_measurements,
    set_metadata,
    set_name,
    set_nucleus,
)
from cerberus_annotate.qupath.paquo.reading import ClassReader, read_objects, uuid_of
from cerberus_annotate.qupath.paquo.shapes import java_plane, make_roi
from cerberus_annotate.qupath.paquo.virtual_machine import java_class
from cerberus_annotate.qupath.path_object import InvalidObjectError, PathClass, PathObject


@dataclasses.dataclass
class _Later:
    """Objects to add when the block ends.  under: where they then go, when `parent` was taken out."""

    parent: UUID | None
    count: int
    objects: Iterable[PathObject]
    under: UUID | None


class JavaEdit:
    """The objects of QuPath's ImageData, open for changes. Nothing is written here.

    expected: what QuPath must read back from the file, by the number of the UUID.
    """

    def __init__(self, image_data: Any, items: list[Any], listed_classes: Iterable[PathClass]) -> None:
        self.image_data = image_data
        self.changed = False
        self._later: list[_Later] = []
        self._root = image_data.getHierarchy().getRootObject()
        self._listed = {path_class.names: path_class for path_class in listed_classes}
        found = read_objects(items, ClassReader(self._listed.values()))
        self._items = {item.uuid.int: java for item, java in zip(found, items, strict=True)}
        self.expected = {item.uuid.int: item for item in found}
        # Shapes are checked and mended as the other engine does it; QuPath then makes its own ROIs of them.
        self._nodes = Nodes(Classes(()), (0, 6))

    def add(self, objects: PathObject | Iterable[PathObject]) -> None:
        """Add objects under the parents that they name (in the image or among them), else at the root.

        All or none: raises InvalidObjectError, and nothing is added, when one is not in order.
        """
        batch = [objects] if isinstance(objects, PathObject) else list(objects)
        if not batch:
            return
        check_new(batch, lambda uuid: uuid.int in self._items, uuid_of(self._root))
        wanted, rois, nuclei = self._shaped(batch)
        made = [make_object(*parts, self._listed) for parts in zip(wanted, rois, nuclei, strict=True)]
        for item, java in zip(wanted, made, strict=True):
            self._items[item.uuid.int] = java
            self.expected[item.uuid.int] = item
        families: dict[int | None, Any] = {}
        for item, java in zip(wanted, made, strict=True):
            number = None if item.parent is None else item.parent.int
            if number not in families:
                families[number] = java_class("java.util.ArrayList")()
            families[number].add(java)
        for number, children in families.items():
            (self._root if number is None else self._items[number]).addChildObjects(children)
        self.changed = True

    def add_later(self, parent: UUID | None, count: int, objects: Iterable[PathObject]) -> None:
        """Add `count` objects under `parent` when the block ends.  See `qupath.project.Edit`.

        QuPath then holds them all, as it does whatever is in an image.
        """
        if parent is not None:
            self._find(parent)
        self._later.append(_Later(parent, count, objects, parent))
        self.changed = self.changed or count > 0

    def finish(self) -> None:
        """Add what was to come later.  Raises InvalidObjectError, and what walking the objects raises."""
        for later in self._later:
            batch = list(itertools.islice(later.objects, later.count + 1))
            if len(batch) != later.count:
                raise other_number(later.count, len(batch))
            for item in batch:
                check_parent(item, later.parent)
            self.add([dataclasses.replace(item, parent=later.under) for item in batch])

    def replace(self, item: PathObject) -> None:
        """Make the object with the UUID of `item` equal to it; only what differs is set anew.

        Raises InvalidObjectError.
        """
        java, now = self._find(item.uuid), self.expected[item.uuid.int]
        if item.kind != now.kind:
            raise InvalidObjectError(
                f"{describe(item)} cannot change from {now.kind} to {item.kind}; remove it and add another."
            )
        check_texts(item)
        if item.roi is None:
            raise InvalidObjectError(f"{describe(item)} has no shape.")
        parent = self._root if item.parent is None else self._find(item.parent)
        self._refuse_inside_itself(item)
        wanted = self._set_shapes(java, now, dataclasses.replace(item, path_class=checked_class(item)))
        if not _same_parts(wanted, now):
            set_name(java, wanted.name)
            set_metadata(java, wanted.metadata)
            set_measurements(java, wanted.measurements)
            set_class(java, wanted, self._listed)
            set_colour(java, wanted.colour)
            java.setLocked(wanted.locked)
            self.changed = True
        if item.parent != now.parent:
            moved = java_class("java.util.ArrayList")()
            moved.add(java)
            parent.addChildObjects(moved)
            self.changed = True
        self.expected[item.uuid.int] = wanted

    def remove(self, uuid: UUID) -> None:
        """Take an object out; its children move up to its parent.  Raises InvalidObjectError."""
        java, now = self._find(uuid), self.expected[uuid.int]
        if now.kind == "tma_core":
            raise InvalidObjectError("A TMA core cannot be removed; the grid would fall apart. Do that in QuPath.")
        parent = java.getParent()
        children = java_class("java.util.ArrayList")(java.getChildObjects())
        parent.removeChildObject(java)
        parent.addChildObjects(children)
        for child in children:
            number = uuid_of(child).int
            self.expected[number] = dataclasses.replace(self.expected[number], parent=now.parent)
        for later in self._later:
            if later.under == uuid:
                later.under = now.parent
        del self._items[uuid.int], self.expected[uuid.int]
        self.changed = True

    def set_property(self, key: str, value: str) -> None:
        """Give a property of the image's data a text; QuPath keeps it and shows it nowhere."""
        self.image_data.setProperty(key, value)
        self.changed = True

    def _find(self, uuid: UUID) -> Any:
        java = self._items.get(uuid.int)
        if java is None:
            raise InvalidObjectError(f"There is no object with the UUID {uuid} in the image.")
        return java

    def _refuse_inside_itself(self, item: PathObject) -> None:
        above = item.parent
        while above is not None:
            if above == item.uuid:
                raise InvalidObjectError(f"{describe(item)} cannot be moved into itself or one of its children.")
            above = self.expected[above.int].parent

    def _shaped(self, batch: list[PathObject]) -> tuple[list[PathObject], list[Any], list[Any]]:
        """(objects as QuPath will have them, their ROIs, their nuclei's ROIs or None).  Raises InvalidObjectError."""
        nodes = self._checked(batch, [item.roi for item in batch], [item.roi_kind for item in batch])
        cells = [item for item in batch if item.nucleus is not None]
        nucleus_nodes = iter(self._checked(cells, [item.nucleus for item in cells], [""] * len(cells)))
        of_nuclei = [None if item.nucleus is None else next(nucleus_nodes) for item in batch]
        geometries, kinds, _ = read_rois(nodes)
        nuclei, _, _ = read_rois([node for node in of_nuclei if node is not None])
        nucleus = iter(nuclei)
        wanted = [
            dataclasses.replace(
                item,
                roi=geometry,
                roi_kind=kind,
                nucleus=None if item.nucleus is None else next(nucleus),
                path_class=checked_class(item),
            )
            for item, geometry, kind in zip(batch, geometries, kinds, strict=True)
        ]
        return (
            wanted,
            [make_roi(node) for node in nodes],
            [None if node is None else make_roi(node) for node in of_nuclei],
        )

    def _checked(self, items: list[PathObject], shapes: list[Any], kinds: list[str]) -> list[JavaObject]:
        planes = [item.plane for item in items]
        return write_rois(self._nodes, shapes, kinds, planes, lambda place: describe(items[place]))

    def _set_shapes(self, java: Any, now: PathObject, item: PathObject) -> PathObject:
        """Set what differs of ROI, nucleus and plane; returns `item` as QuPath will have it."""
        same_roi = equal_shapes(item.roi, now.roi) and item.roi_kind in ("", now.roi_kind)
        same_nucleus = equal_shapes(item.nucleus, now.nucleus)
        if same_roi and same_nucleus and item.plane == now.plane:
            return dataclasses.replace(item, roi=now.roi, roi_kind=now.roi_kind, nucleus=now.nucleus)
        if item.nucleus is not None and item.kind != "cell":
            raise InvalidObjectError(f"{describe(item)} has a nucleus but is a {item.kind}; only cells have one.")
        (shaped,), (roi,), (nucleus,) = self._shaped([item])
        if same_roi:
            # Its own vertices stay as they are, also those that are on no grid.
            roi = java.getROI() if item.plane == now.plane else java.getROI().updatePlane(java_plane(item.plane))
            shaped = dataclasses.replace(shaped, roi=now.roi, roi_kind=now.roi_kind)
        if same_nucleus and item.nucleus is not None:
            nucleus = java.getNucleusROI()
            if item.plane != now.plane:
                nucleus = nucleus.updatePlane(java_plane(item.plane))
            shaped = dataclasses.replace(shaped, nucleus=now.nucleus)
        java.setROI(roi)
        if item.kind == "cell":
            set_nucleus(java, nucleus)
        # QuPath takes an object's measurements away with its ROI.
        set_measurements(java, item.measurements)
        self.changed = True
        return shaped


def _same_parts(one: PathObject, other: PathObject) -> bool:
    """Are two objects equal in all but shape and parent?"""
    return repr(_plain(one)) == repr(_plain(other))


def _plain(item: PathObject) -> tuple[Any, ...]:
    """All but shape and parent; as text, in which a NaN equals a NaN."""
    names = None if item.path_class is None else item.path_class.names
    numbers = {name: float(value) for name, value in item.measurements.items()}
    return (
        item.name,
        item.colour,
        item.locked,
        names,
        float(item.class_probability),
        dict(item.metadata),
        numbers,
    )
