"""What the check of a stream knows while it goes: a number for each handle, and the class descriptors."""

from array import array
from collections.abc import Callable
from typing import Any, BinaryIO

from .descriptors import read_class_desc
from .errors import StreamError
from .layout import element_code, fits_signature, object_layout
from .repeats import Repeats
from .values import ELEMENT_DTYPES, MAX_DESCRIPTOR_NESTING, ClassDesc, JavaString
from .window import Window

MOST_IN_BYTES = 120  # classes whose numbers fit in a byte
MAX_TOP_LEVEL = 1_000  # entries of StreamSummary.top_level

# What has a handle: a string, a class, the class descriptor DESCRIPTOR - n, or an object, array or enum of the class
# descriptor n.
STRING = -1
CLASS = -2
DESCRIPTOR = -3


class Checker(Window):
    """The state of checking one stream: the window, a number for each handle, and the class descriptors."""

    def __init__(self, file: BinaryIO, check_annotation: "Callable[[Checker], None]") -> None:
        super().__init__(file)
        self.check_annotation = check_annotation
        self.kinds = array("b")  # a byte each, as long as there are not more classes than that
        self.descs: list[ClassDesc] = []
        self.numbers: dict[ClassDesc, int] = {}
        self.plans: list[Any] = []  # for each descriptor, None until it is complete
        self.counts: list[int] = []
        self.elements: dict[int, tuple[int, str]] = {}
        self.type_strings: dict[int, JavaString] = {}
        self.fitting: set[tuple[str, int]] = set()
        self.top_level: list[str] = []
        self.ends_with_eof = False
        self.nesting = 0
        self.repeats = Repeats()

    def remember(self, value: JavaString | ClassDesc) -> None:
        if isinstance(value, ClassDesc):
            if len(self.descs) == MOST_IN_BYTES:
                self.kinds = array("i", self.kinds)
            self.numbers[value] = len(self.descs)
            self.kinds.append(DESCRIPTOR - len(self.descs))
            self.descs.append(value)
            self.plans.append(None)
            self.counts.append(0)
        else:
            if value.text.startswith("[") or (value.text.startswith("L") and value.text.endswith(";")):
                self.type_strings[len(self.kinds)] = value  # may be the type of a field
            self.kinds.append(STRING)

    def recall(self, index: int) -> JavaString | ClassDesc | None:
        kind = self.kind_of(index)
        if kind == STRING:
            return self.type_strings.get(index) or JavaString("")
        return self.descs[DESCRIPTOR - kind] if kind <= DESCRIPTOR else None

    def kind_of(self, index: int) -> int:
        if not 0 <= index < len(self.kinds):
            raise StreamError("a reference to something that has not come yet", self.position)
        return self.kinds[index]

    def is_complete(self, desc: ClassDesc) -> bool:
        return self.plans[self.numbers[desc]] is not None

    def finish(self, desc: ClassDesc) -> None:
        self.plans[self.numbers[desc]] = plan_of(desc)

    def read_annotation(self) -> list[Any]:
        if self.nesting >= MAX_DESCRIPTOR_NESTING:
            raise StreamError("class descriptors nested too deep", self.position)
        self.nesting += 1
        self.check_annotation(self)
        self.nesting -= 1
        return []

    def class_number(self) -> int:
        """The number of the class descriptor, or reference to one, at the current byte."""
        start = self.position
        desc = read_class_desc(self)
        if desc is None:
            raise StreamError("null where a class descriptor should be", start)
        if self.place > self.limit:
            self.advance()
        return self.numbers[desc]

    def element_of(self, number: int) -> tuple[int, str]:
        """Bytes of an element of an array class, 0 for objects; and the signature of an element."""
        element = self.elements.get(number)
        if element is None:
            name = self.descs[number].name
            try:
                code = element_code(self.descs[number])
            except ValueError as error:
                raise StreamError(str(error), self.position) from None
            size = ELEMENT_DTYPES[code].itemsize if code in ELEMENT_DTYPES else 0
            element = self.elements[number] = size, name[1:]
        return element

    def name_of(self, kind: int) -> str:
        if kind >= 0:
            return self.descs[kind].name
        return {STRING: "java.lang.String", CLASS: "java.lang.Class"}.get(kind, "java.io.ObjectStreamClass")

    def check_fit(self, signature: str, kind: int, position: int) -> None:
        """Raises StreamError when a value cannot stand in a field or array of a type."""
        if not fits_signature(signature, self.name_of(kind)):
            raise StreamError(f"a {self.name_of(kind)} where a {signature} should be", position)
        self.fitting.add((signature, kind))

    def note_top_level(self, name: str) -> None:
        self.ends_with_eof = False
        if len(self.top_level) < MAX_TOP_LEVEL:
            self.top_level.append(name)


def plan_of(desc: ClassDesc) -> tuple[Any, ...] | str:
    """How objects of a class are passed over: a chain of (bytes of the primitives, signatures of the other fields,
    their number, annotated, the next class or None); () when it is Externalizable; why there can be no such
    object."""
    try:
        layouts = object_layout(desc)
    except ValueError as error:
        return str(error)
    plan: tuple[Any, ...] | None = None
    level: ClassDesc | None = desc
    for layout in reversed(layouts or ()):
        assert level is not None
        signatures = tuple(field.signature.text for field in level.fields if field.signature is not None)
        plan = (layout.primitives.size, signatures, len(signatures), layout.annotated, plan)
        level = level.parent
    return plan or ()
