"""Trees made by hand: by hypothesis, and the smallest ones; and what makes two trees the same."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from cerberus_annotate.qupath.java import modified_utf8
from cerberus_annotate.qupath.java.values import (
    ELEMENT_DTYPES,
    PRIMITIVES,
    Block,
    ClassData,
    ClassDesc,
    ClassObject,
    Field,
    JavaArray,
    JavaEnum,
    JavaObject,
    JavaString,
    Stream,
)

SAMPLES = sorted((Path(__file__).parents[2] / "data" / "qupath-samples").rglob("*.qpdata"))

OBJECTS = "[Ljava.lang.Object;"
KINDS = ["null", "again", "string", "numbers", "objects", "object", "object", "enum", "class", "desc"]


def described(stream: Stream) -> list[Any]:
    """A tree as a flat list that is equal for equal trees: each value once, references by number."""
    out: list[Any] = []
    numbers: dict[int, int] = {}
    todo: list[Any] = list(reversed(stream.contents))
    while todo:
        value = todo.pop()
        if value is None or isinstance(value, str | tuple):
            out.append(value)
            continue
        if isinstance(value, Block):
            out.append((value.data, value.long))
            continue
        if id(value) in numbers:
            out.append(numbers[id(value)])
            continue
        numbers[id(value)] = len(numbers)
        out.append(type(value).__name__)
        todo.extend(reversed(_parts(value)))
    return out


def _parts(value: Any) -> list[Any]:
    if isinstance(value, JavaString):
        return [value.text]
    if isinstance(value, ClassDesc):
        parts: list[Any] = [(value.name, value.suid, value.flags, len(value.fields))]
        for field in value.fields:
            parts += [(field.code, field.name), field.signature]
        return [*parts, *value.annotation, value.parent]
    if isinstance(value, JavaArray):
        if value.desc.name[1] in PRIMITIVES:
            return [value.desc, (value.encoded(),)]
        return [value.desc, (len(value.values),), *value.values]
    if isinstance(value, JavaObject):
        parts = [value.desc]
        for data in value.data:
            parts.append((len(data.values), len(data.annotation)))
            parts += [_plain(item) for item in (*data.values, *data.annotation)]
        return parts
    if isinstance(value, JavaEnum):
        return [value.desc, value.constant]
    return [value.desc]


def _plain(value: Any) -> Any:
    """A primitive as something whose equality also tells NaN, -0.0 and True from 1."""
    if isinstance(value, bool | int):
        return type(value).__name__, value
    return (struct.pack(">d", value),) if isinstance(value, float) else value


def texts() -> st.SearchStrategy[str]:
    """Texts with NUL, astral characters and lone surrogates."""
    anything = st.text(st.characters(exclude_categories=()), max_size=8)
    return anything.map(lambda text: modified_utf8.decode(modified_utf8.encode(text)))


def primitives(code: str) -> st.SearchStrategy[Any]:
    """Values of a primitive type."""
    if code == "Z":
        return st.booleans()
    if code in "DF":
        return st.floats(width=64 if code == "D" else 32)
    limits = np.iinfo(ELEMENT_DTYPES[code])
    return st.integers(int(limits.min), int(limits.max))


class Maker:
    """Draws values that may refer to each other, also in circles."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.pool: list[Any] = []
        self.classes: list[ClassDesc] = []
        self.enum = ClassDesc("Colour", 0, 0x12)
        self.arrays = {name: ClassDesc(name, 1, 2) for name in (OBJECTS, *("[" + code for code in PRIMITIVES))}

    def kept(self, value: Any) -> Any:
        self.pool.append(value)
        return value

    def string(self) -> JavaString:
        return self.kept(JavaString(self.draw(texts())))

    def new_class(self) -> ClassDesc:
        draw = self.draw
        codes = draw(st.lists(st.sampled_from([*PRIMITIVES]), max_size=3)) + draw(
            st.lists(st.sampled_from(["L", "["]), max_size=2)
        )
        flags = draw(st.sampled_from([0x02, 0x03, 0x0C]))
        fields = tuple(
            Field(
                code,
                draw(texts()),
                None if code in PRIMITIVES else JavaString({"L": "Ljava/lang/Object;", "[": OBJECTS}[code]),
            )
            for code in codes
        )
        parents = [desc for desc in self.classes if desc.flags != 0x0C or flags == 0x0C]
        parent = draw(st.sampled_from([None, *parents]))
        annotation = [Block(draw(st.binary(max_size=3)))] if draw(st.integers(0, 9)) == 0 else []
        name = "C" + draw(texts())
        desc = ClassDesc(name, draw(primitives("J")), flags, fields, annotation, parent)
        self.classes.append(desc)
        return desc

    def items(self, depth: int) -> list[Any]:
        """Values and Block in the annotation of an object or at the top level."""
        count = self.draw(st.integers(0, 3))
        sizes = st.sampled_from([0, 1, 255, 256, 1000])
        return [Block(bytes(self.draw(sizes))) if self.draw(st.booleans()) else self.value(depth) for _ in range(count)]

    def value(self, depth: int) -> Any:
        draw = self.draw
        kind = draw(
            st.sampled_from(
                ["null", "again", "string", "numbers", "objects", "object", "object", "enum", "class", "desc"]
            )
        )
        if kind == "again" and self.pool:
            return draw(st.sampled_from(self.pool))
        if kind == "string":
            return self.string()
        if kind == "numbers":
            code = draw(st.sampled_from([*PRIMITIVES]))
            values = draw(st.lists(primitives(code), max_size=4))
            return self.kept(JavaArray(self.arrays["[" + code], values))
        if kind == "enum":
            return self.kept(JavaEnum(self.enum, self.string()))
        if kind == "objects":
            array = self.kept(JavaArray(self.arrays[OBJECTS], []))
            if depth:
                array.values.extend(self.value(depth - 1) for _ in range(draw(st.integers(0, 3))))
            return array
        if kind in ("object", "class", "desc"):
            desc = self.new_class() if not self.classes or draw(st.booleans()) else None
            desc = desc or draw(st.sampled_from(self.classes))
            if kind == "desc":
                return desc
            return self.object(desc, depth) if kind == "object" else self.kept(ClassObject(desc))
        return None

    def object(self, desc: ClassDesc, depth: int) -> JavaObject:
        value = self.kept(JavaObject(desc, []))
        chain = [desc]
        while chain[-1].parent and desc.flags != 0x0C:
            chain.append(chain[-1].parent)
        for level in reversed(chain):
            data = ClassData()
            value.data.append(data)
            if desc.flags != 0x0C:
                for field in level.fields:
                    if field.code in PRIMITIVES:
                        data.values.append(self.draw(primitives(field.code)))
                    elif field.code == "[" or not depth:
                        data.values.append(None)
                    else:
                        data.values.append(self.value(depth - 1))
            if level.flags != 0x02:
                data.annotation = self.items(depth - 1) if depth else []
        return value


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Arbitrary trees."""
    return Stream(Maker(draw).items(depth=4))
