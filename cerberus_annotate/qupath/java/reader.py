"""Bytes to values. One flat loop, since hierarchies nest deep and files hold millions of values."""

import struct
from typing import Any

from .descriptors import read_class_desc, read_string, string_of
from .errors import StreamError
from .layout import element_code, object_layout
from .values import (
    ELEMENT_DTYPES,
    FIRST_HANDLE,
    MAGIC,
    MAX_DESCRIPTOR_NESTING,
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
    UNSUPPORTED,
    Block,
    ClassData,
    ClassDesc,
    ClassObject,
    JavaArray,
    JavaEnum,
    JavaObject,
    JavaString,
)

_PENDING = JavaString("")  # in place of an enum's constant until that was read

# How an object is read: a chain of (unpack, bytes, objects, annotated, the next class or None), () when it is
# Externalizable, or the sentence why there can be no such object.
Plan = tuple[Any, ...] | str


class Reader:
    """The state of reading one stream: what has a handle, and what is known of the classes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.handles: list[Any] = []
        self.plans: dict[Any, Plan] = {}
        self.elements: dict[ClassDesc, int] = {}  # array classes: bytes of a primitive element, 0 for objects
        self.nesting = 0

    def take(self, count: int) -> bytes:
        start = self.position
        end = start + count
        if end > len(self.data):
            raise _cut(self.data, start)
        self.position = end
        return self.data[start:end]

    def remember(self, value: Any) -> None:
        self.handles.append(value)

    def recall(self, index: int) -> Any:
        if not 0 <= index < len(self.handles):
            raise StreamError("a reference to something that has not come yet", self.position)
        return self.handles[index]

    def is_complete(self, desc: ClassDesc) -> bool:
        return desc in self.plans

    def finish(self, desc: ClassDesc) -> None:
        self.plans[desc] = plan_of(desc)

    def read_annotation(self) -> list[Any]:
        if self.nesting >= MAX_DESCRIPTOR_NESTING:
            raise StreamError("class descriptors nested too deep", self.position)
        self.nesting += 1
        values, self.position = read_values(self, self.position, nested=True)
        self.nesting -= 1
        return values

    def class_desc(self, position: int) -> tuple[ClassDesc, int]:
        """The descriptor at `position`, which may be a reference, and the position after it."""
        self.position = position
        desc = read_class_desc(self)
        if desc is None:
            raise StreamError("null where a class descriptor should be", position)
        return desc, self.position

    def string(self, position: int) -> tuple[JavaString, int]:
        """The string at `position`, which may be a reference, and the position after it."""
        self.position = position
        return read_string(self), self.position

    def element_size(self, desc: ClassDesc, position: int) -> int:
        """Bytes of an element of an array class; 0 when the elements are objects."""
        size = self.elements.get(desc)
        if size is None:
            try:
                code = element_code(desc)
            except ValueError as error:
                raise StreamError(str(error), position) from None
            size = self.elements[desc] = ELEMENT_DTYPES[code].itemsize if code in ELEMENT_DTYPES else 0
        return size


def plan_of(desc: ClassDesc) -> Plan:
    """How objects of a class are read."""
    try:
        layouts = object_layout(desc)
    except ValueError as error:
        return str(error)
    plan: tuple[Any, ...] | None = None
    for layout in reversed(layouts or ()):
        primitives = layout.primitives
        plan = (primitives.unpack_from, primitives.size, layout.object_count, layout.annotated, plan)
    return plan or ()


def read_contents(data: bytes) -> list[Any]:
    """The Block and values at the top level of a stream. Raises StreamError when Java could not read it."""
    if data[:4] != MAGIC:
        raise StreamError("no Java object stream: it does not begin with AC ED 00 05", 0)
    return read_values(Reader(data), len(MAGIC), nested=False)[0]


def read_values(reader: Reader, position: int, nested: bool) -> tuple[list[Any], int]:
    """The values from `position` to the end of the data, or, `nested`, to the end-of-block byte; and the position
    after them."""
    data = reader.data
    size = len(data)
    handles = reader.handles
    plans: dict[Any, Any] = reader.plans
    remember = handles.append
    unpack_handle = struct.Struct(">I").unpack_from
    unpack_length = struct.Struct(">i").unpack_from
    new: Any = object.__new__

    contents: list[Any] = []
    values: list[Any]
    annotation: list[Any]
    desc: Any
    # The list that is being filled: how many values it still wants (below 0: all up to an end-of-block byte), the
    # annotation that follows these fields, the rest of the object's plan and the object's data.
    append = contents.append
    wanted = -1
    extra: list[Any] | None = None
    plan: tuple[Any, ...] | None = None
    parts: list[ClassData] = []
    stack: list[tuple[Any, ...]] = []
    push = stack.append
    pop = stack.pop

    try:
        while True:
            while not wanted:
                if extra is not None:
                    append = extra.append
                    extra = None
                    wanted = -1
                elif plan is not None:
                    unpack, length, wanted, annotated, plan = plan
                    part = new(ClassData)
                    if length:
                        part.values = values = list(unpack(data, position))
                        position += length
                    else:
                        part.values = values = []
                    part.annotation = annotation = []
                    parts.append(part)
                    append = values.append
                    if annotated:
                        extra = annotation
                else:
                    append, wanted, extra, plan, parts = pop()
            code = data[position]
            if code == TC_REFERENCE:
                index = unpack_handle(data, position + 1)[0] - FIRST_HANDLE
                if not 0 <= index < len(handles):
                    raise StreamError("a reference to something that has not come yet", position)
                append(handles[index])
                position += 5

            elif code == TC_NULL:
                append(None)
                position += 1

            elif code == TC_STRING:
                start = position + 3
                end = start + (data[position + 1] << 8 | data[position + 2])
                raw = data[start:end]
                if end > size:
                    raise _cut(data, position)
                if raw.isascii() and 0 not in raw:
                    value = new(JavaString)
                    value.text = raw.decode("ascii")
                else:
                    value = string_of(code, data[position + 1 : start], raw, position)
                remember(value)
                append(value)
                position = end

            elif code == TC_OBJECT:
                if data[position + 1] == TC_REFERENCE:
                    index = unpack_handle(data, position + 2)[0] - FIRST_HANDLE
                    desc = handles[index] if 0 <= index < len(handles) else None
                    end = position + 6
                else:
                    desc, end = reader.class_desc(position + 1)
                following = plans.get(desc)
                if following.__class__ is not tuple:
                    raise StreamError(following or "an object whose class is no complete class descriptor", position)
                value = new(JavaObject)
                value.desc = desc
                remember(value)
                append(value)
                push((append, wanted - 1, extra, plan, parts))
                value.data = parts = []
                position = end
                extra = None
                if following:
                    plan = following
                    wanted = 0
                else:
                    plan = None
                    part = new(ClassData)
                    part.values = []
                    part.annotation = values = []
                    parts.append(part)
                    append = values.append
                    wanted = -1
                continue

            elif code == TC_ARRAY:
                if data[position + 1] == TC_REFERENCE:
                    index = unpack_handle(data, position + 2)[0] - FIRST_HANDLE
                    desc = handles[index] if 0 <= index < len(handles) else None
                    end = position + 6
                    if desc not in plans:
                        raise StreamError("an array whose class is no complete class descriptor", position)
                else:
                    desc, end = reader.class_desc(position + 1)
                item = reader.element_size(desc, position)
                count = unpack_length(data, end)[0]
                start = end + 4
                end = start + count * (item or 1)
                if count < 0 or end > size:
                    raise StreamError(f"an array of {count} elements, more than the stream holds", position)
                value = new(JavaArray)
                value.desc = desc
                remember(value)
                append(value)
                if item:
                    value.content = data[start:end]
                    position = end
                else:
                    value.content = values = []
                    position = start
                    if count:
                        push((append, wanted - 1, extra, plan, parts))
                        append = values.append
                        wanted = count
                        extra = plan = None
                        continue

            elif code in (TC_BLOCKDATA, TC_BLOCKDATALONG):
                if wanted > 0:
                    raise StreamError("primitive data where a value should be", position)
                start = position + (2 if code == TC_BLOCKDATA else 5)
                count = data[position + 1] if code == TC_BLOCKDATA else unpack_length(data, position + 1)[0]
                end = start + count
                if count < 0 or end > size:
                    raise StreamError(f"primitive data of {count} bytes, more than there are", position)
                value = new(Block)
                value.data = data[start:end]
                value.long = code == TC_BLOCKDATALONG and count < 256
                append(value)
                position = end

            elif code == TC_ENDBLOCKDATA:
                if wanted > 0 or not (stack or nested):
                    raise StreamError("an end of data where a value should be", position)
                position += 1
                if not stack:
                    return contents, position
                wanted = 0
                continue

            elif code == TC_ENUM:
                desc, end = reader.class_desc(position + 1)
                if not desc.flags & SC_ENUM:
                    raise StreamError(f"a constant of the class {desc.name}, which is no enum", position)
                value = JavaEnum(desc, _PENDING)
                remember(value)
                append(value)
                value.constant, position = reader.string(end)

            elif code == TC_CLASS:
                desc, position = reader.class_desc(position + 1)
                value = ClassObject(desc)
                remember(value)
                append(value)

            elif code == TC_CLASSDESC:
                desc, position = reader.class_desc(position)
                append(desc)

            elif code == TC_LONGSTRING:
                value, position = reader.string(position)
                append(value)

            else:
                problem = UNSUPPORTED.get(code, f"byte {code:02X} where a value should be")
                raise StreamError(problem, position)

            wanted -= 1
    except (IndexError, struct.error):
        if position == size and not stack and not nested:
            return contents, position
        raise _cut(data, position) from None


def _cut(data: bytes, position: int) -> StreamError:
    return StreamError(f"the stream of {len(data):,} bytes ends in the middle of a value", position)
