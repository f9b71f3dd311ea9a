"""Values to bytes. One flat loop, as in the reader."""

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import StreamError
from .later import Filled, Hole, Later, OwnArray, OwnObject
from .layout import MAX_CLASSES, ClassLayout, check_descriptor, class_layout, element_code, object_layout
from .modified_utf8 import encode
from .pattern_writing import PIECE, Patterns
from .values import (
    ELEMENT_DTYPES,
    FIRST_HANDLE,
    MAGIC,
    MAX_DESCRIPTOR_NESTING,
    MAX_STRING,
    SC_ENUM,
    TC_ARRAY,
    TC_BLOCKDATA,
    TC_BLOCKDATALONG,
    TC_CLASS,
    TC_CLASSDESC,
    TC_ENDBLOCKDATA,
    TC_ENUM,
    TC_LONGSTRING,
    TC_NULL,
    TC_OBJECT,
    TC_REFERENCE,
    TC_STRING,
    Block,
    ClassDesc,
    ClassObject,
    JavaArray,
    JavaEnum,
    JavaObject,
    JavaString,
    VerbatimString,
)

NULL = bytes((TC_NULL,))
END = bytes((TC_ENDBLOCKDATA,))
OBJECT = bytes((TC_OBJECT,))
ARRAY = bytes((TC_ARRAY,))
SHORT_BLOCKS = [bytes((TC_BLOCKDATA, length)) for length in range(256)]

# Values that are written one after the other; whether there may be a Block among them; what follows them.
Run = tuple[Iterator[Any], bool, bytes]


def write_contents(contents: Iterable[Any], write: Callable[[bytes], object]) -> None:
    """Hands the bytes of a stream with these values and Block at its top level to `write`, piece by piece.

    Raises StreamError when they cannot be written.
    """
    writer = Writer(write)
    writer.out += MAGIC
    writer.write_values(iter(contents))
    write(bytes(writer.out))


class Writer:
    """The state of writing one stream: the bytes not yet handed on and the handles given."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write
        self.out = bytearray()
        self.handles: dict[Any, int] = {}
        self.next_handle = itertools.count(FIRST_HANDLE).__next__
        self.layouts: dict[ClassDesc, tuple[ClassLayout, ...] | None] = {}
        self.elements: dict[ClassDesc, str] = {}  # array classes: the code of their elements
        self.nesting = 0
        self.flushes = 0
        self.patterns = Patterns()

    def write_values(self, values: Iterator[Any]) -> None:
        """Writes values and Block one after the other, with all that they hold."""
        out = self.out
        handles = self.handles
        handle_of = handles.get
        next_handle = self.next_handle
        layouts_of = self.layouts.get
        pack_code_int = struct.Struct(">BI").pack
        pack_code_short = struct.Struct(">BH").pack
        pack_int = struct.Struct(">I").pack
        blocks = True
        tail = b""
        stack: list[Run] = []

        while True:
            for value in values:
                if value is None:
                    out += NULL
                    continue
                kind = value.__class__
                try:
                    handle = handle_of(value)
                except TypeError:
                    raise StreamError(f"a {kind.__name__} is no value of a stream") from None
                if handle is not None:
                    out += pack_code_int(TC_REFERENCE, handle)

                elif kind is JavaString:
                    handles[value] = next_handle()
                    text = value.text
                    raw = text.encode("ascii") if text.isascii() and "\0" not in text else encode(text)
                    length = len(raw)
                    if length > MAX_STRING:
                        out += struct.pack(">BQ", TC_LONGSTRING, length)
                    else:
                        out += pack_code_short(TC_STRING, length)
                    out += raw

                elif kind is JavaObject or kind is OwnObject:
                    if len(out) > PIECE:
                        self.flush()
                    desc = value.desc
                    handle = handle_of(desc)
                    out += OBJECT
                    if handle is not None:
                        out += pack_code_int(TC_REFERENCE, handle)
                    else:
                        self.write_class_desc(desc)
                    if kind is OwnObject:
                        self.pass_handle()
                    else:
                        handles[value] = next_handle()
                    parts = value.data
                    if layouts_of(desc, ()) is None and len(parts) == 1 and not parts[0].values:
                        stack.append((values, blocks, tail))
                        values, blocks, tail = iter(parts[0].annotation), True, END
                        break
                    runs = self.object_runs(value)
                    if runs:
                        stack.append((values, blocks, tail))
                        stack.extend(reversed(runs))
                        values, blocks, tail = stack.pop()
                        break

                elif kind is JavaArray or kind is OwnArray:
                    desc = value.desc
                    handle = handle_of(desc)
                    out += ARRAY
                    if handle is not None:
                        out += pack_code_int(TC_REFERENCE, handle)
                    else:
                        self.write_class_desc(desc)
                    if kind is OwnArray:
                        self.pass_handle()
                    else:
                        handles[value] = next_handle()
                    raw = self.encoded_elements(value)
                    if raw is not None:
                        out += raw
                    else:
                        out += pack_int(len(value.content))
                        if value.content:
                            stack.append((values, blocks, tail))
                            values, blocks, tail = iter(value.content), False, b""
                            break

                elif kind is Block:
                    if not blocks:
                        raise StreamError("a Block stands where only a value can")
                    raw = value.data
                    length = len(raw)
                    if length > 255 or value.long:
                        out += pack_code_int(TC_BLOCKDATALONG, length)
                    else:
                        out += SHORT_BLOCKS[length]
                    out += raw

                elif kind is Filled:
                    self.patterns.write(self, value)

                elif kind is Later:
                    stack.append((values, blocks, tail))
                    values, blocks, tail = iter(value), False, b""
                    break

                else:
                    self.write_rare(value)
            else:
                out += tail
                if not stack:
                    return
                values, blocks, tail = stack.pop()

    def object_runs(self, value: JavaObject) -> list[Run]:
        """Writes the primitive fields that come first; the runs of values that follow."""
        desc = value.desc
        parts = value.data
        if desc not in self.layouts:
            self.layouts[desc] = _checked(object_layout, desc)
        layouts = self.layouts[desc]
        if layouts is None:
            if len(parts) != 1 or parts[0].values:
                raise StreamError(f"an object of the Externalizable class {desc.name} needs one annotation only")
            return [(iter(parts[0].annotation), True, END)]
        if len(parts) != len(layouts):
            raise StreamError(f"an object of {desc.name} needs {len(layouts)} ClassData, not {len(parts)}")
        runs: list[Run] = []
        for layout, part in zip(layouts, parts, strict=True):
            values = part.values
            count = layout.primitive_count
            if len(values) != count + layout.object_count:
                raise StreamError(f"an object of {desc.name} does not have one value for each field")
            if count:
                try:
                    raw = layout.primitives.pack(*values[:count])
                except (struct.error, OverflowError) as error:
                    raise StreamError(f"an object of {desc.name} has a value that does not fit: {error}") from None
                if runs:
                    before, blocks, tail = runs[-1]
                    runs[-1] = before, blocks, tail + raw
                else:
                    self.out += raw
            if layout.object_count:
                runs.append((iter(values[count:]), False, b""))
            if layout.annotated:
                runs.append((iter(part.annotation), True, END))
            elif part.annotation:
                raise StreamError(f"an object of {desc.name} has an annotation that its class does not write")
        return runs

    def encoded_elements(self, value: JavaArray) -> bytes | None:
        """Length and elements of an array of primitives; None when the elements are objects."""
        desc = value.desc
        if desc not in self.elements:
            self.elements[desc] = _checked(element_code, desc)
        dtype = ELEMENT_DTYPES.get(self.elements[desc])
        if dtype is None:
            return None
        raw = value.content
        if raw.__class__ is Hole:
            return self.patterns.next_fill(len(self.out))
        if raw.__class__ is not bytes or len(raw) % dtype.itemsize:
            raw = _checked(JavaArray.encoded, value)
        return (len(raw) // dtype.itemsize).to_bytes(4) + raw

    def write_rare(self, value: Any) -> None:
        """Writes what is in a stream seldom, and is not in it yet."""
        if isinstance(value, VerbatimString):
            self.give_handle(value)
            self.out += value.form
        elif isinstance(value, JavaEnum):
            if not value.desc.flags & SC_ENUM:
                raise StreamError(f"a constant of the class {value.desc.name}, which is no enum")
            self.out.append(TC_ENUM)
            self.write_class_desc(value.desc)
            self.give_handle(value)
            self.write_string(value.constant)
        elif isinstance(value, ClassObject):
            self.out.append(TC_CLASS)
            self.write_class_desc(value.desc)
            self.give_handle(value)
        elif isinstance(value, ClassDesc):
            self.write_class_desc(value)
        elif isinstance(value, Hole):
            self.out += self.patterns.next_fill(len(self.out))
            if value.has_handle:
                self.pass_handle()
        else:
            raise StreamError(f"a {type(value).__name__} is no value of a stream")

    def flush(self) -> None:
        """Hands on what was gathered."""
        self.write(bytes(self.out))
        self.out.clear()
        self.flushes += 1

    def pass_handle(self) -> None:
        """Gives the next handle to something that nothing refers to."""
        self.next_handle()
        self.patterns.own_handles += 1

    def write_class_desc(self, desc: ClassDesc) -> None:
        """Writes a descriptor and its super classes, or a reference to it."""
        chain: list[ClassDesc] = []
        level: ClassDesc | None = desc
        while level is not None and level not in self.handles:
            if len(chain) >= MAX_CLASSES:
                raise StreamError(f"the class {desc.name} has more than {MAX_CLASSES} super classes")
            chain.append(level)
            self.write_one_desc(level)
            level = level.parent
        if level is None:
            self.out += NULL
        elif level in chain:
            raise StreamError(f"the class {desc.name} is its own super class")
        else:
            self.out += struct.pack(">BI", TC_REFERENCE, self.handles[level])

    def write_one_desc(self, desc: ClassDesc) -> None:
        """Writes a descriptor up to its super class."""
        out = self.out
        _checked(check_descriptor, desc)
        _checked(class_layout, desc)
        out.append(TC_CLASSDESC)
        out += _name(desc.name)
        try:
            out += struct.pack(">qB", desc.suid, desc.flags)
        except struct.error as error:
            raise StreamError(f"the class {desc.name} has a number that does not fit: {error}") from None
        self.give_handle(desc)
        out += len(desc.fields).to_bytes(2)
        for field in desc.fields:
            out += field.code.encode("ascii")
            out += _name(field.name)
            if field.signature is not None:
                self.write_string(field.signature)
        if desc.annotation:
            self.nesting += 1
            if self.nesting > MAX_DESCRIPTOR_NESTING:
                raise StreamError("class descriptors nested too deep")
            self.write_values(iter(desc.annotation))
            self.nesting -= 1
        out += END

    def write_string(self, string: JavaString) -> None:
        """Writes a string or a reference to it."""
        if not isinstance(string, JavaString):
            raise StreamError(f"a {type(string).__name__} where a string must be")
        self.write_values(iter((string,)))

    def give_handle(self, value: Any) -> None:
        """Gives the next handle to a value."""
        self.handles[value] = self.next_handle()


def _name(name: str) -> bytes:
    raw = encode(name)
    if len(raw) > MAX_STRING:
        raise StreamError(f"the name {name[:40]}… of a class or field is too long")
    return len(raw).to_bytes(2) + raw


def _checked(function: Callable[[Any], Any], value: Any) -> Any:
    try:
        return function(value)
    except ValueError as error:
        raise StreamError(str(error)) from None
