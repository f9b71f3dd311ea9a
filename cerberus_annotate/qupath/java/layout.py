"""How the data of an object of a class lie in the stream."""

import struct
from dataclasses import dataclass

from .values import (
    PRIMITIVES,
    SC_BLOCK_DATA,
    SC_ENUM,
    SC_EXTERNALIZABLE,
    SC_SERIALIZABLE,
    SC_WRITE_METHOD,
    ClassDesc,
    Field,
)

# More than any real class has. Without a bound the six bytes of an object could ask for any number of ClassData.
MAX_CLASSES = 20


@dataclass(frozen=True, slots=True)
class ClassLayout:
    """The data of one class of an object's chain.

    primitives: packs the primitive fields, which come first.  primitive_count, object_count: how many fields of
    each sort.  annotated: whether more values follow, up to an end-of-block byte.
    """

    primitives: struct.Struct
    primitive_count: int
    object_count: int
    annotated: bool


def object_layout(desc: ClassDesc) -> tuple[ClassLayout, ...] | None:
    """The layouts of an object of this class, super class first; None when the class is Externalizable.

    Raises ValueError with a sentence when there can be no object of this class in a stream.
    """
    if desc.name.startswith("[") or desc.flags & SC_ENUM:
        raise ValueError(f"an object cannot be of the class {desc.name}, an array or enum")
    if desc.flags & SC_EXTERNALIZABLE:
        if not desc.flags & SC_BLOCK_DATA:
            raise ValueError(f"the class {desc.name} writes without block data (protocol 1)")
        return None
    layouts = []
    parent: ClassDesc | None = desc
    while parent is not None:
        if parent.flags & (SC_SERIALIZABLE | SC_EXTERNALIZABLE) != SC_SERIALIZABLE:
            raise ValueError(f"the class {parent.name} of an object is not Serializable")
        layouts.append(class_layout(parent))
        parent = parent.parent
        if len(layouts) > MAX_CLASSES:
            raise ValueError(f"the class {desc.name} has more than {MAX_CLASSES} super classes")
    return tuple(reversed(layouts))


def class_layout(desc: ClassDesc) -> ClassLayout:
    """The layout of one class. Raises ValueError when a primitive field follows one that is none."""
    codes = [field.code for field in desc.fields]
    count = sum(code in PRIMITIVES for code in codes)
    if any(code not in PRIMITIVES for code in codes[:count]):
        raise ValueError(f"the fields of the class {desc.name} are out of order")
    return ClassLayout(
        struct.Struct(">" + "".join(PRIMITIVES[code] for code in codes[:count])),
        count,
        len(codes) - count,
        bool(desc.flags & SC_WRITE_METHOD),
    )


def check_descriptor(desc: ClassDesc) -> None:
    """Raises ValueError with a sentence when Java would refuse the descriptor itself (its parent aside)."""
    if desc.flags & SC_SERIALIZABLE and desc.flags & SC_EXTERNALIZABLE:
        raise ValueError(f"the class {desc.name} is both Serializable and Externalizable")
    if desc.flags & SC_ENUM and (desc.suid or desc.fields):
        raise ValueError(f"the enum {desc.name} has fields or a serialVersionUID")
    for field in desc.fields:
        _check_field(desc, field)


def _check_field(desc: ClassDesc, field: Field) -> None:
    if field.code in PRIMITIVES:
        return
    if field.code not in ("L", "["):
        raise ValueError(f"the field {field.name} of the class {desc.name} has the unknown type {field.code!r}")
    if field.signature is None or not field.signature.text.startswith(field.code):
        raise ValueError(f"the field {field.name} of the class {desc.name} has no type that fits its code")


def element_code(desc: ClassDesc) -> str:
    """The code of the elements of an array class: a primitive's, or L or [ for objects.

    Raises ValueError when the class is no array class.
    """
    name = desc.name
    code = name[1:2]
    if not name.startswith("[") or not (
        (code in PRIMITIVES and len(name) == 2) or (code in ("L", "[") and len(name) > 2)
    ):
        raise ValueError(f"an array cannot be of the class {name}")
    return code


# Types other than its own that a string or an array may stand for.
_ANYTHING = {"Ljava.lang.Object;", "Ljava.io.Serializable;"}
_STRING_TYPES = {
    "Ljava.lang.String;",
    "Ljava.lang.CharSequence;",
    "Ljava.lang.Comparable;",
    "Ljava.lang.constant.Constable;",
    "Ljava.lang.constant.ConstantDesc;",
}


def fits_signature(signature: str, value: str) -> bool:
    """Whether a field or element of a type may hold a value of a class, as far as the names tell.

    signature: such as `Ljava/lang/String;` or `[F`.  value: the name of the class, such as `java.lang.String`.
    Only strings and arrays are told from the rest: how other classes are related is not in the stream.
    """
    wanted = signature.replace("/", ".")
    if wanted in _ANYTHING:
        return True
    if value == "java.lang.String":
        return wanted in _STRING_TYPES
    if not value.startswith("["):
        return wanted[0] == "L" and wanted != "Ljava.lang.String;"
    if wanted[0] != "[":
        return wanted == "Ljava.lang.Cloneable;"
    element, wanted_element = value[1:], wanted[1:]
    if element[0] in PRIMITIVES or wanted_element[0] in PRIMITIVES:
        return element == wanted_element
    return fits_signature(wanted_element, element[1:-1] if element[0] == "L" else element)
