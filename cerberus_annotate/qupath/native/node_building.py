"""New nodes of the tree, as QuPath 0.6 would write them; equal texts, numbers and classes are one node each."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cerberus_annotate.qupath.colours import Colour, default_colour, to_argb
from cerberus_annotate.qupath.java.values import ClassData, JavaArray, JavaObject, JavaString
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native.descriptors import Descriptors
from cerberus_annotate.qupath.native.measurement_names import name_list, name_map
from cerberus_annotate.qupath.native.object_parts import OBJECT_ID, class_name, field_values
from cerberus_annotate.qupath.native.object_reading import Classes, Step
from cerberus_annotate.qupath.path_object import PathClass

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

    def integer(self, number: int) -> JavaObject:
        node = self._integers.get(number)
        if node is None:
            data = [ClassData(), ClassData([number])]
            node = self._integers[number] = JavaObject(self.descriptors["java.lang.Integer"], data)
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
        keys = [self.string(key) for key in metadata]
        values = [self.string(value) for value in metadata.values()]
        if uuid_text is not None:
            keys.append(self.string(OBJECT_ID))
            # Every UUID is another text, so it is not kept for reuse.
            values.append(JavaString(uuid_text))
        if not keys:
            return None
        array = self.descriptors["[Ljava.lang.Object;"]
        return JavaObject(
            self.descriptors[names.METADATA_MAP],
            [ClassData([], [self.integer(1), JavaArray(array, keys), JavaArray(array, values)])],
        )

    def measurements(self, measurements: Mapping[str, float]) -> JavaObject | None:
        """A DoubleList, closed as QuPath's are, or None without measurements."""
        if not measurements:
            return None
        key = tuple(measurements)
        template = self._measurement_names.get(key)
        if template is None:
            texts = [self.string(name) for name in key]
            name_to_place = name_map(self.descriptors, texts, self.integer)
            shared = [True, name_to_place, name_list(self.descriptors, texts, self._release)]
            template = self._measurement_names[key] = (struct.Struct(f">{len(key)}d"), shared)
        numbers, shared = template
        values = JavaArray(self.descriptors["[D"], numbers.pack(*measurements.values()))
        return JavaObject(self.descriptors[names.DOUBLE_LIST], [ClassData(list(shared)), ClassData([values])])

    def vertices(self, x: bytes, y: bytes) -> list[Any]:
        """The two float[] of big-endian coordinates."""
        array = self.descriptors["[F"]
        return [JavaArray(array, x), JavaArray(array, y)]

    def roi(self, class_name: str, values: Sequence[Any]) -> JavaObject:
        return JavaObject(self.descriptors[class_name], [ClassData(list(values))])

    def byte_array(self, data: bytes) -> JavaArray:
        return JavaArray(self.descriptors["[B"], data)


def float_bytes(coordinates: np.ndarray) -> bytes:
    """Big-endian float32."""
    return coordinates.astype(">f4").tobytes()
