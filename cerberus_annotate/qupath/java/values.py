"""What a Java object stream holds, as a tree of plain mutable objects.

A Java object that is referred to twice is one Python object in two places: identity is the handle. So nothing
here compares by content. None stands for Java's null.

Source of the names and forms: Java Object Serialization Specification, chapter 6 (protocol version 2).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAGIC = b"\xac\xed\x00\x05"
FIRST_HANDLE = 0x7E0000
MAX_STRING = 0xFFFF  # bytes of text; a longer one is a TC_LONGSTRING
MAX_DESCRIPTOR_NESTING = 50  # class descriptors in the annotations of class descriptors in …

TC_NULL = 0x70
TC_REFERENCE = 0x71
TC_CLASSDESC = 0x72
TC_OBJECT = 0x73
TC_STRING = 0x74
TC_ARRAY = 0x75
TC_CLASS = 0x76
TC_BLOCKDATA = 0x77
TC_ENDBLOCKDATA = 0x78
TC_RESET = 0x79
TC_BLOCKDATALONG = 0x7A
TC_EXCEPTION = 0x7B
TC_LONGSTRING = 0x7C
TC_PROXYCLASSDESC = 0x7D
TC_ENUM = 0x7E

UNSUPPORTED = {
    TC_RESET: "a reset of the stream, which is not supported",
    TC_EXCEPTION: "an exception that was thrown while the stream was written",
    TC_PROXYCLASSDESC: "a dynamic proxy class, which is not supported",
}

SC_WRITE_METHOD = 0x01
SC_SERIALIZABLE = 0x02
SC_EXTERNALIZABLE = 0x04
SC_BLOCK_DATA = 0x08
SC_ENUM = 0x10

# Java's primitive types: the code in a field or an array's name, and how its values lie in the stream.
PRIMITIVES = {"B": "b", "C": "H", "D": "d", "F": "f", "I": "i", "J": "q", "S": "h", "Z": "?"}
ELEMENT_DTYPES: dict[str, np.dtype[Any]] = {
    "B": np.dtype("i1"),
    "C": np.dtype(">u2"),
    "D": np.dtype(">f8"),
    "F": np.dtype(">f4"),
    "I": np.dtype(">i4"),
    "J": np.dtype(">i8"),
    "S": np.dtype(">i2"),
    "Z": np.dtype("?"),
}


@dataclass(slots=True, eq=False)
class JavaString:
    """A java.lang.String. Lone surrogates stand in `text` as they do in Java.

    The same JavaString in two places is written once and referred to the second time.
    """

    text: str


class VerbatimString(JavaString):
    """A string that was read in a form that Java itself does not write (a long string that is short, an
    overlong character), kept so that it is written back the same.

    form: all its bytes in the stream, from the type code on. `text` must not be changed.
    """

    __slots__ = ("form",)

    def __init__(self, text: str, form: bytes) -> None:
        super().__init__(text)
        self.form = form


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a class descriptor.

    code: one of B C D F I J S Z (primitives), L (object), [ (array).
    signature: the type as a JavaString, such as `Ljava/lang/String;` or `[F`; None for primitives.
    """

    code: str
    name: str
    signature: JavaString | None = None


@dataclass(slots=True, eq=False, repr=False)
class ClassDesc:
    """A class descriptor.

    name: with dots, such as `java.util.ArrayList`, `[F` or `[Ljava.lang.Object;`.  suid: serialVersionUID.
    flags: SC_… bits.  fields: primitives first, then the others, each group by name.
    annotation: Block or values before the end of the descriptor; empty in every file that we know.
    parent: the super class that is serializable too, or None.
    """

    name: str
    suid: int
    flags: int
    fields: tuple[Field, ...] = ()
    annotation: list[Any] = field(default_factory=list)
    parent: "ClassDesc | None" = None

    def __repr__(self) -> str:
        return f"<ClassDesc {self.name}>"


@dataclass(slots=True, eq=False, repr=False)
class ClassData:
    """What one class of an object's chain wrote.

    values: one for each field, in the descriptor's order: bool for Z, float for D and F, int for the other
        primitives (C: the UTF-16 code unit), a value of this module or None for L and [.
    annotation: Block or values after the fields, when the class has a write method or is Externalizable.
    """

    values: list[Any] = field(default_factory=list)
    annotation: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<ClassData of {len(self.values)} values and {len(self.annotation)} more>"


@dataclass(slots=True, eq=False, repr=False)
class JavaObject:
    """An object.

    data: one ClassData for each class from the topmost super class down to `desc`; for an Externalizable
        class exactly one, without values, whose annotation is the whole object.
    """

    desc: ClassDesc
    data: list[ClassData]

    def __repr__(self) -> str:
        return f"<JavaObject of {self.desc.name}>"


class JavaArray:
    """An array.

    desc: its class, whose name tells the element type: `[F` is float[], `[Ljava.lang.Object;` is Object[].
    content: what is stored: a list for an array of objects; for primitives the big-endian bytes as they
        stand in the stream, or any sequence or numpy array that was set.
    """

    __slots__ = ("content", "desc")

    def __init__(self, desc: ClassDesc, values: Sequence[Any] | np.ndarray | bytes) -> None:
        """values: a list for objects; for primitives a sequence, a numpy array of any byte order, or bytes
        (big-endian elements)."""
        self.desc = desc
        self.content: Any = values

    @property
    def values(self) -> Any:
        """The elements: the list itself for objects, bytes for byte[], a 1-D big-endian numpy array for other
        primitives. The array is read-only when it was read from a stream: assign another one to change it."""
        code = self.desc.name[1:2]
        if code in ELEMENT_DTYPES and code != "B" and isinstance(self.content, bytes):
            return np.frombuffer(self.content, ELEMENT_DTYPES[code])
        return self.content

    @values.setter
    def values(self, values: Sequence[Any] | np.ndarray | bytes) -> None:
        self.content = values

    def encoded(self) -> bytes:
        """The elements of an array of primitives as big-endian bytes.

        Raises ValueError when the content does not fit the element type.
        """
        code = self.desc.name[1:2]
        dtype = ELEMENT_DTYPES[code]
        content = self.content
        if isinstance(content, bytes | bytearray | memoryview):
            raw = bytes(content)
            if len(raw) % dtype.itemsize:
                raise ValueError(f"{len(raw)} bytes are no whole number of elements of {self.desc.name}")
            return raw
        if isinstance(content, list | tuple):
            try:
                return struct.pack(f">{len(content)}{PRIMITIVES[code]}", *content)
            except struct.error as error:
                raise ValueError(f"an array {self.desc.name} cannot hold these values: {error}") from None
        array = np.asarray(content)
        if array.ndim != 1:
            raise ValueError(f"an array {self.desc.name} needs one dimension, not {array.ndim}")
        return array.astype(dtype, casting="same_kind", copy=False).tobytes()

    def __repr__(self) -> str:
        return f"<JavaArray {self.desc.name}>"


@dataclass(slots=True, eq=False, repr=False)
class JavaEnum:
    """A constant of an enum class, by its name."""

    desc: ClassDesc
    constant: JavaString

    def __repr__(self) -> str:
        return f"<JavaEnum {self.desc.name} {self.constant.text}>"


@dataclass(slots=True, eq=False, repr=False)
class ClassObject:
    """A java.lang.Class."""

    desc: ClassDesc

    def __repr__(self) -> str:
        return f"<ClassObject {self.desc.name}>"


@dataclass(slots=True, eq=False)
class Block:
    """Primitive data between objects, as bytes. `long`: with a 4-byte length though one byte would do."""

    data: bytes
    long: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Stream:
    """A whole stream: the Block and values at its top level, in order."""

    contents: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Stream of {len(self.contents)} parts>"
