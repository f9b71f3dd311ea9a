"""New nodes of the tree, as QuPath 0.6 would write them; equal texts, numbers and classes are one node each."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cerberus_annotate.qupath.colours import Colour, default_colour, to_argb
from cerberus_annotate.qupath.java.later import Hole
from cerberus_annotate.qupath.java.values import ClassData, JavaArray, JavaObject, JavaString
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native.descriptors import Descriptors
from cerberus_annotate.qupath.native.measurement_names import name_list, name_map
from cerberus_annotate.qupath.native.object_parts import OBJECT_ID, Parts, class_name, field_values, items_of
from cerberus_annotate.qupath.native.object_reading import Classes, Step
from cerberus_annotate.qupath.path_object import Kind, PathClass

#: The Java class of each kind of object that can be added.
CLASS_NAMES = {
    "annotation": names.ANNOTATION,
    "detection": names.DETECTION,
    "tile": names.TILE,
    "cell": names.CELL,
}
#: Different texts of objects (names, values of metadata), and numbers, that are kept so that equal ones are one node.
MOST_KEPT = 10_000
NO_PROBABILITY = b"\x7f\xf8\0\0\0\0\0\0"


def probability_bytes(probability: float) -> bytes:
    """Eight bytes; NaN in the one form that Java writes."""
    return NO_PROBABILITY if probability != probability else struct.pack(">d", probability)


class Nodes:
    """Makes nodes for one data file.

    What the file has already of descriptors, Integers, Booleans and PathClasses is used again (`adopt`).
    """

    def __init__(self, classes: Classes, release: tuple[int, int]) -> None:
        """release: (major, minor) of the QuPath whose file it is."""
        self._release = release
        self.descriptors = Descriptors()
        self._classes = classes
        self._strings: dict[str, JavaString] = {}
        self._integers: dict[int, JavaObject] = {}
        self._booleans: dict[bool, JavaObject] = {}
        self._path_classes: dict[tuple[str, ...], JavaObject] = {}
        self._measurement_names: dict[tuple[str, ...], tuple[struct.Struct, list[Any]]] = {}
        self._adopted: set[int] = set()
        # What an object has for itself is made of these.
        self._object: type[JavaObject] = JavaObject
        self._array: type[JavaArray] = JavaArray

    def adopt(self, step: Step) -> None:
        """Take over what the parts of an object of the file offer."""
        parts = step.parts
        for node in (step.node, parts.metadata, parts.measurements, parts.roi, parts.nucleus):
            if type(node) is JavaObject and id(node.desc) not in self._adopted:
                self._adopted.add(id(node.desc))
                self.descriptors.adopt(node.desc)
        if parts.locked is not None:
            self._booleans.setdefault(bool(parts.locked.data[-1].values[0]), parts.locked)
        if class_name(parts.colour) == "java.lang.Integer":
            self._integers.setdefault(parts.colour.data[-1].values[0], parts.colour)
        if parts.path_class is not None and id(parts.path_class) not in self._adopted:
            self._adopted.add(id(parts.path_class))
            self._adopt_class(parts.path_class)

    def _adopt_class(self, node: JavaObject) -> None:
        while node is not None:
            path_class = self._classes.of_node(node)
            fields = field_values(node)
            # A node without a colour or with a null name is no good for others.
            if path_class is not None and fields["name"] is not None and fields["colorRGB"] is not None:
                self._path_classes.setdefault(path_class.names, node)
            node = fields["parentClass"]

    def string(self, text: str) -> JavaString:
        """One node a text."""
        node = self._strings.get(text)
        if node is None:
            node = self._strings[text] = JavaString(text)
        return node

    def shared_text(self, text: str, uuid_text: str) -> JavaString | None:
        """The node of a text that objects may have in common.

        None for one that is to be written anew: the object's own UUID, and those that come when many are kept.
        """
        node = self._strings.get(text)
        if node is None and text != uuid_text and len(self._strings) < MOST_KEPT:
            node = self._strings[text] = JavaString(text)
        return node

    def text(self, text: str, uuid_text: str) -> JavaString:
        """The node of a text of an object with this UUID."""
        return self.shared_text(text, uuid_text) or JavaString(text)

    def integer(self, number: int) -> JavaObject:
        node = self._integers.get(number)
        if node is None:
            kept = len(self._integers) < MOST_KEPT
            kind = JavaObject if kept else self._object
            node = kind(self.descriptors["java.lang.Integer"], [ClassData(), ClassData([number])])
            if kept:
                self._integers[number] = node
        return node

    def boolean(self, value: bool) -> JavaObject:
        node = self._booleans.get(value)
        if node is None:
            node = self._booleans[value] = JavaObject(self.descriptors["java.lang.Boolean"], [ClassData([value])])
        return node

    def colour(self, colour: Colour | None) -> JavaObject | None:
        return None if colour is None else self.integer(to_argb(colour))

    def path_class(self, path_class: PathClass | None) -> JavaObject | None:
        """The one PathClass node of a class; its colour is the project's, else the file's, else its own."""
        if path_class is None:
            return None
        node = self._path_classes.get(path_class.names)
        if node is not None:
            return node
        for depth in range(1, len(path_class.names) + 1):
            chain = path_class.names[:depth]
            existing = self._path_classes.get(chain)
            if existing is None:
                own = path_class.colour if chain == path_class.names else None
                colour = self._classes.colour_of(chain) or own or default_colour(chain)
                values = [self.integer(to_argb(colour)), self.string(chain[-1]), node]
                existing = JavaObject(self.descriptors[names.PATH_CLASS], [ClassData(values)])
                self._path_classes[chain] = existing
            node = existing
        return node

    def metadata(self, metadata: Mapping[str, str], uuid_text: str | None) -> JavaObject | None:
        """A MetadataMap with the UUID as its last key; None when there is nothing to hold."""
        values = [self.text(text, uuid_text or "") for text in metadata.values()]
        if uuid_text is None:
            return self.metadata_map(list(metadata), values) if metadata else None
        # Every UUID is another text, so it is not kept for reuse.
        return self.metadata_map([*metadata, OBJECT_ID], [*values, JavaString(uuid_text)])

    def metadata_map(self, keys: Sequence[str], values: list[Any]) -> JavaObject:
        """A MetadataMap of texts and nodes."""
        array = self.descriptors["[Ljava.lang.Object;"]
        arrays = self._array(array, [self.string(key) for key in keys]), self._array(array, values)
        return self._object(self.descriptors[names.METADATA_MAP], [ClassData([], [self.integer(1), *arrays])])

    def measurements(self, measurements: Mapping[str, float]) -> JavaObject | None:
        """A DoubleList, closed as QuPath's are, or None without measurements."""
        if not measurements:
            return None
        key = tuple(measurements)
        return self.measurement_list(key, self.number_bytes(key, measurements))

    def number_bytes(self, key: tuple[str, ...], measurements: Mapping[str, float]) -> bytes:
        """The values of measurements with the names `key` as big-endian float64."""
        return self._measured(key)[0].pack(*measurements.values())

    def measurement_list(self, key: tuple[str, ...], numbers: bytes | Hole) -> JavaObject:
        """A DoubleList of names and values."""
        values = self._array(self.descriptors["[D"], numbers)  # type: ignore[arg-type]
        shared = self._measured(key)[1]
        return self._object(self.descriptors[names.DOUBLE_LIST], [ClassData(list(shared)), ClassData([values])])

    def _measured(self, key: tuple[str, ...]) -> tuple[struct.Struct, list[Any]]:
        """How values with these names are packed, and what lists with these names share."""
        template = self._measurement_names.get(key)
        if template is None:
            texts = [self.string(name) for name in key]
            name_to_place = name_map(self.descriptors, texts, self.integer)
            shared = [True, name_to_place, name_list(self.descriptors, texts, self._release)]
            template = self._measurement_names[key] = (struct.Struct(f">{len(key)}d"), shared)
        return template

    def vertices(self, x: Any, y: Any) -> list[Any]:
        """The two float[] of big-endian coordinates."""
        array = self.descriptors["[F"]
        return [self._array(array, x), self._array(array, y)]

    def polygon(self, x: Any, y: Any, plane: tuple[int, int, int]) -> Any:
        """The ROI of a ring of big-endian float32 coordinates."""
        c, z, t = plane
        return self.roi(names.POLYGON, (c, t, z, None, None, *self.vertices(x, y)))

    def roi(self, class_name: str, values: Sequence[Any]) -> JavaObject:
        return self._object(self.descriptors[class_name], [ClassData(list(values))])

    def byte_array(self, data: bytes) -> JavaArray:
        return self._array(self.descriptors["[B"], data)

    def path_object(self, kind: Kind, parts: Parts) -> JavaObject:
        """The object that has these parts."""
        return self._object(self.descriptors[CLASS_NAMES[kind]], [ClassData([], items_of(parts, kind))])


def float_bytes(coordinates: np.ndarray) -> bytes:
    """Big-endian float32."""
    return coordinates.astype(">f4").tobytes()
