"""The hierarchy of a data file as a flat list of PathObjects."""

import hashlib
import struct
import uuid as uuid_module
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from shapely.geometry.base import BaseGeometry

from cerberus_annotate.qupath.colours import Colour, from_argb
from cerberus_annotate.qupath.java.values import JavaArray, JavaObject
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native.object_parts import (
    MalformedError,
    Parts,
    class_name,
    elements_of,
    field_values,
    identity_of,
    kind_of,
    metadata_of,
    parts_of,
)
from cerberus_annotate.qupath.native.roi_reading import Plane, read_rois
from cerberus_annotate.qupath.path_object import PathClass, PathObject

_NAMESPACE = uuid_module.UUID("8f1d4f0c-6d0b-5c4e-9a51-0a5f5c3b7c11")
_UNNAMED = uuid_module.UUID(int=0)
_NAN = float("nan")


class Step:
    """One object on the walk through the hierarchy; `parent` is the Step around it (the root's for the top)."""

    __slots__ = ("_trail", "children", "node", "parent", "parts", "place", "uuid")

    def __init__(self, node: JavaObject, parts: Parts, parent: "Step | None", place: int) -> None:
        self.node = node
        self.parts = parts
        self.parent = parent
        #: Position among the children of its parent.
        self.place = place
        self._trail = b""
        #: Of the file or made up, see `name_steps`.
        self.uuid = _UNNAMED
        #: By the number of the UUID; filled and kept up by an editor only.
        self.children: dict[int, Step] = {}

    @property
    def trail(self) -> bytes:
        """Digest of the positions from the root down to here."""
        missing: list[Step] = []
        step = self
        while step.parent is not None and not step._trail:
            missing.append(step)
            step = step.parent
        above = step._trail
        for step in reversed(missing):
            above = step._trail = hashlib.sha256(above + struct.pack(">q", step.place)).digest()
        return above


def walk(root: JavaObject) -> Iterator[Step]:
    """The root, then every object in the order of the stream: children after their parent, before its siblings."""
    seen: set[int] = set()
    stack: list[tuple[JavaObject, Step | None, int]] = [(root, None, 0)]
    while stack:
        node, parent, place = stack.pop()
        if id(node) in seen:
            raise MalformedError("an object stands in two places of the hierarchy")
        seen.add(id(node))
        step = Step(node, parts_of(node), parent, place)
        yield step
        children = step.parts.children
        for position in range(len(children) - 1, -1, -1):
            stack.append((children[position], step, position))


def name_steps(steps: Iterable[Step], image_id: str) -> Iterator[Step]:
    """Give each step its UUID: that of the file, or a stable one where it has none or one that is taken."""
    taken: set[int] = set()
    for step in steps:
        identity = identity_of(step.parts)
        if identity is None or identity.int in taken:
            identity = _stable_uuid(step, image_id, taken)
        taken.add(identity.int)
        step.uuid = identity
        yield step


def _stable_uuid(step: Step, image_id: str, taken: set[int]) -> uuid_module.UUID:
    """The same for the same object in the same place: image, path in the hierarchy, class and ROI."""
    digest = hashlib.sha256(f"{image_id}\n{step.node.desc.name}\n".encode() + step.trail)
    if step.parts.roi is not None:
        digest.update(step.parts.roi.desc.name.encode())
        for value in field_values(step.parts.roi).values():
            if isinstance(value, JavaArray):
                _digest_array(digest, value)
            elif isinstance(value, int | float):
                digest.update(repr(value).encode())
    while True:
        identity = uuid_module.uuid5(_NAMESPACE, digest.hexdigest())
        if identity.int not in taken:
            return identity
        digest.update(b"again")


def _digest_array(digest: Any, array: JavaArray) -> None:
    if array.desc.name.startswith("[["):
        for inner in array.values:
            digest.update(inner.encoded())
    else:
        digest.update(array.encoded())


class Classes:
    """The PathClasses of a project and one of its data files; the first colour seen stays, as in QuPath.

    `listed`: those of classes.json.
    """

    def __init__(self, listed: Iterable[PathClass]) -> None:
        self._by_name = {path_class.names: path_class for path_class in listed}
        self._by_node: dict[int, PathClass | None] = {}

    def of_node(self, node: JavaObject | None) -> PathClass | None:
        """The class that a PathClass node stands for; None for null and for the null class."""
        if node is None:
            return None
        key = id(node)
        if key not in self._by_node:
            self._by_node[key] = self._read(node)
        return self._by_node[key]

    def _read(self, node: JavaObject) -> PathClass | None:
        levels: list[tuple[str, Colour | None]] = []
        step: Any = node
        while step is not None:
            if class_name(step) != names.PATH_CLASS or len(levels) > 1000:
                raise MalformedError("a classification is no PathClass")
            fields = field_values(step)
            colour = fields["colorRGB"]
            if fields["name"] is not None:
                rgb = None if colour is None else from_argb(colour.data[-1].values[0])
                levels.append((fields["name"].text, rgb))
            step = fields["parentClass"]
        path_class = None
        chain: tuple[str, ...] = ()
        for name, rgb in reversed(levels):
            chain += (name,)
            path_class = self._by_name.setdefault(chain, PathClass(chain, rgb))
        return path_class

    def colour_of(self, chain: tuple[str, ...]) -> Colour | None:
        """The colour of the class with these names, None when no class of that name is known."""
        known = self._by_name.get(chain)
        return None if known is None else known.colour


class Measurements:
    """Reads measurement lists; the lists of names, which objects share, are read once."""

    def __init__(self) -> None:
        self._names: dict[int, list[str]] = {}

    def of_node(self, node: JavaObject | None) -> dict[str, float]:
        """Value by name, in the list's order; all that is not a measurement list counts as none."""
        kind = class_name(node)
        if kind in (names.DOUBLE_LIST, names.FLOAT_LIST):
            assert node is not None
            shared = node.data[0].values[-1]
            key = id(shared)
            if key not in self._names:
                self._names[key] = [item.text for item in elements_of(shared)]
            raw = node.data[1].values[0].encoded()
            code, size = ("d", 8) if kind == names.DOUBLE_LIST else ("f", 4)
            # There may be more values than names in old files.
            return dict(zip(self._names[key], struct.unpack(f">{len(raw) // size}{code}", raw), strict=False))
        if kind == names.MEASUREMENTS + "DefaultMeasurementList":
            assert node is not None
            pairs = [field_values(item) for item in elements_of(node.data[0].values[0])]
            return {pair["name"].text: float(pair["value"]) for pair in pairs}
        return {}


def read_steps(steps: Sequence[Step], classes: Classes) -> list[PathObject]:
    """The PathObject of each step (none of them the root); their UUIDs must be there.

    Raises MalformedError and what a hostile tree makes of plain attribute access.
    """
    roi_of: dict[int, int] = {}
    rois: list[JavaObject] = []
    for step in steps:
        for node in (step.parts.roi, step.parts.nucleus):
            if node is not None and id(node) not in roi_of:
                roi_of[id(node)] = len(rois)
                rois.append(node)
    geometries, kinds, planes = read_rois(rois)
    measurements = Measurements()
    return [_path_object(step, roi_of, geometries, kinds, planes, classes, measurements) for step in steps]


def _path_object(
    step: Step,
    roi_of: dict[int, int],
    geometries: list[BaseGeometry],
    kinds: list[str],
    planes: list[Plane],
    classes: Classes,
    measurements: Measurements,
) -> PathObject:
    parts = step.parts
    kind = kind_of(step.node.desc)
    if kind is None:
        raise MalformedError("a root object stands inside the hierarchy")
    roi = None if parts.roi is None else roi_of[id(parts.roi)]
    assert step.parent is not None
    metadata, _ = metadata_of(parts.metadata)
    if kind == "tma_core" and "Unique ID" in metadata:
        # QuPath's former name of the key; it shows both.
        metadata.setdefault("Case ID", metadata["Unique ID"])
    return PathObject(
        None if roi is None else geometries[roi],
        kind,
        "" if roi is None else kinds[roi],
        (-1, 0, 0) if roi is None else planes[roi],
        None if parts.nucleus is None else geometries[roi_of[id(parts.nucleus)]],
        classes.of_node(parts.path_class),
        _probability(parts.tail),
        None if parts.name is None else parts.name.text,
        parts.locked is not None and bool(parts.locked.data[-1].values[0]),
        _colour(parts.colour),
        measurements.of_node(parts.measurements),
        metadata,
        None if step.parent.parent is None else step.parent.uuid,
        step.uuid,
    )


_NO_PROBABILITY = b"\x7f\xf8\0\0\0\0\0\0"


def _probability(tail: bytes) -> float:
    if tail[:8] == _NO_PROBABILITY:
        return _NAN
    return float(struct.unpack_from(">d", tail)[0])


def _colour(node: Any) -> Colour | None:
    # Very old files hold other types here, which QuPath ignores.
    return from_argb(node.data[-1].values[0]) if class_name(node) == "java.lang.Integer" else None
