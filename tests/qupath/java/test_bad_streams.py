"""Bytes that Java could not read are refused with a StreamError that says where, by the reader and the check."""

import io
import struct
import tracemalloc

import pytest

from benchmarks.fuzz_stream_reader import fuzz
from cerberus_annotate.qupath.java import Stream, StreamError, check_stream, read_stream, write_stream
from cerberus_annotate.qupath.java.values import (
    Block,
    ClassData,
    ClassDesc,
    Field,
    JavaArray,
    JavaEnum,
    JavaObject,
    JavaString,
)

from .trees import OBJECTS, SAMPLES

START = b"\xac\xed\x00\x05"


def desc(name: bytes, flags: int, fields: bytes = b"\0\0", parent: bytes = b"\x70", suid: int = 1) -> bytes:
    """The bytes of a class descriptor."""
    return b"\x72" + struct.pack(">H", len(name)) + name + struct.pack(">qB", suid, flags) + fields + b"\x78" + parent


def reference(index: int) -> bytes:
    """A reference to the value with this handle, counted from 0."""
    return b"\x71" + struct.pack(">I", 0x7E0000 + index)


OBJECT_ARRAY = b"\x75" + desc(OBJECTS.encode(), 2)

BAD = {
    "no stream": (b"PK\x03\x04", "does not begin with AC ED 00 05"),
    "nothing": (b"", "does not begin with AC ED 00 05"),
    "unknown type code": (START + b"\x6f", "byte 6F where a value should be"),
    "reset": (START + b"\x79", "a reset of the stream"),
    "exception": (START + b"\x7b", "an exception"),
    "proxy class": (START + b"\x73\x7d", "a dynamic proxy class"),
    "proxy class as a value": (START + b"\x7d", "a dynamic proxy class"),
    "reference forward": (START + reference(0), "has not come yet"),
    "reference below the first handle": (START + b"\x74\0\0" + reference(-1), "has not come yet"),
    "class of another sort": (START + b"\x74\0\x01a\x73" + reference(0), "no complete class descriptor"),
    "array class of another sort": (START + b"\x74\0\x01a\x75" + reference(0), "no complete class descriptor"),
    "null class": (START + b"\x73\x70", "null where a class descriptor"),
    "class byte": (START + b"\x73\x74", "byte 74 where a class descriptor"),
    "enum class of another sort": (START + b"\x7e" + desc(b"A", 2), "which is no enum"),
    "enum constant of another sort": (START + b"\x7e" + desc(b"A", 0x12, suid=0) + b"\x70", "where a string should"),
    "enum with suid": (START + b"\x7e" + desc(b"A", 0x12), "has fields or a serialVersionUID"),
    "object of an enum": (START + b"\x73" + desc(b"A", 0x12, suid=0), "an array or enum"),
    "object of an array class": (START + b"\x73" + desc(b"[F", 2), "an array or enum"),
    "array of no array class": (START + b"\x75" + desc(b"A", 2) + bytes(4), "an array cannot be of the class A"),
    "both flags": (START + b"\x73" + desc(b"A", 6), "both Serializable and Externalizable"),
    "neither flag": (START + b"\x73" + desc(b"A", 0), "is not Serializable"),
    "protocol 1": (START + b"\x73" + desc(b"A", 4), "without block data"),
    "Externalizable super class": (
        START + b"\x73" + desc(b"A", 2, parent=desc(b"B", 0x0C)),
        "B of an object is not Serializable",
    ),
    "its own super class": (START + b"\x73" + desc(b"A", 2, parent=reference(0)), "inside its own descriptor"),
    "negative field count": (START + b"\x73" + desc(b"A", 2, b"\xff\xff"), "-1 fields"),
    "unknown field type": (START + b"\x73" + desc(b"A", 2, b"\0\x01X\0\x01a"), "unknown type 'X'"),
    "field type that does not fit": (
        START + b"\x73" + desc(b"A", 2, b"\0\x01L\0\x01a\x74\0\x01I"),
        "no type that fits",
    ),
    "primitive after object": (
        START + b"\x73" + desc(b"A", 2, b"\0\x02L\0\x01a\x74\0\x03La;I\0\x01b"),
        "out of order",
    ),
    "block in a field": (START + b"\x73" + desc(b"A", 2, b"\0\x01L\0\x01a\x74\0\x03La;") + b"\x77\0", "primitive data"),
    "block in an array": (START + OBJECT_ARRAY + b"\0\0\0\x01\x77\0", "primitive data"),
    "end at the top": (START + b"\x78", "an end of data"),
    "end in an array": (START + OBJECT_ARRAY + b"\0\0\0\x01\x78", "an end of data"),
    "negative array": (START + OBJECT_ARRAY + b"\xff\xff\xff\xff", "an array of -1 elements"),
    "negative block": (START + b"\x7a\xff\xff\xff\xff", "primitive data"),
    "text that is no UTF-8": (START + b"\x74\0\x01\xff", "UTF-8"),
    "long text that is no UTF-8": (START + b"\x7c" + bytes(7) + b"\x02\xc3\xc3", "UTF-8"),
    "class name that is no UTF-8": (START + b"\x73" + desc(b"\xff", 2), "UTF-8"),
    "chain of classes": (START + b"\x73" + desc(b"A", 2, parent=b"") * 60, "super classes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_java_could_not_read_is_refused_with_its_place(name: str) -> None:
    data, text = BAD[name]
    with pytest.raises(StreamError, match=text) as reading:
        read_stream(data)
    with pytest.raises(StreamError, match=text):
        check_stream(io.BytesIO(data))
    assert reading.value.offset is not None
    assert f"at byte {reading.value.offset:,}" in str(reading.value)


def test_a_stream_cut_anywhere_inside_a_value_is_refused() -> None:
    data = SAMPLES[0].read_bytes()
    assert len(data) < 20_000
    whole = {len(write_stream(Stream(read_stream(data).contents[:count]))) for count in range(1, 10)} | {4}
    for end in range(0, len(data), 7):
        if end in whole:
            continue
        with pytest.raises(StreamError):
            read_stream(data[:end])
        with pytest.raises(StreamError):
            check_stream(io.BytesIO(data[:end]))


def test_a_stream_without_its_last_value_is_not_complete() -> None:
    data = SAMPLES[0].read_bytes()
    assert check_stream(io.BytesIO(data)).complete
    cut = data[: -len(b"\x74\0\x03EOF")]
    assert not check_stream(io.BytesIO(cut)).complete


@pytest.mark.parametrize(
    "bomb",
    [
        OBJECT_ARRAY + b"\x7f\xff\xff\xff",
        b"\x75" + desc(b"[D", 2) + b"\x7f\xff\xff\xff",
        b"\x7a\x7f\xff\xff\xff",
        b"\x74\xff\xff",
        b"\x7c\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x7c\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
    ids=["objects", "doubles", "block", "text", "long text", "longest text"],
)
def test_a_length_beyond_the_end_takes_no_memory(bomb: bytes) -> None:
    data = START + bomb + bytes(1000)
    tracemalloc.start()
    try:
        with pytest.raises(StreamError):
            read_stream(data)
        with pytest.raises(StreamError):
            check_stream(io.BytesIO(data))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_any_depth_is_read_or_refused_but_never_crashes() -> None:
    depth = 150_000
    one = b"\0\0\0\x01\x75" + reference(0)
    data = START + OBJECT_ARRAY + one * depth + bytes(4)
    assert write_stream(read_stream(data)) == data
    with pytest.raises(StreamError, match="nested deeper than 100,000"):
        check_stream(io.BytesIO(data))


def test_descriptors_that_nest_in_their_annotations_are_refused() -> None:
    data = START + (b"\x72\0\x01A" + struct.pack(">qB", 1, 2) + b"\0\0") * 10_000
    with pytest.raises(StreamError, match="nested too deep"):
        read_stream(data)
    with pytest.raises(StreamError, match="nested too deep"):
        check_stream(io.BytesIO(data))


def test_changed_files_are_read_or_refused_and_nothing_else() -> None:
    """`python -m benchmarks.fuzz_stream_reader --inputs 100000` does the same at length."""
    counts = fuzz(3_000, seed=1)
    assert counts["refused"] > 1_000
    assert counts["read"] > 100
    assert counts["peak, kB"] < 16_000


FLOATS = ClassDesc("[F", 1, 2)
NUMBER = ClassDesc("Number", 1, 2, (Field("I", "value"),))
EXTERNAL = ClassDesc("External", 1, 0x0C)
OWN_PARENT = ClassDesc("Own", 1, 2)
OWN_PARENT.parent = OWN_PARENT

CANNOT_BE_WRITTEN = {
    "number too large": (JavaObject(NUMBER, [ClassData([1 << 40])]), "does not fit"),
    "text for a number": (JavaObject(NUMBER, [ClassData(["1"])]), "does not fit"),
    "no value": (JavaObject(NUMBER, [ClassData()]), "one value for each field"),
    "no data": (JavaObject(NUMBER, []), "needs 1 ClassData, not 0"),
    "annotation without the flag": (JavaObject(NUMBER, [ClassData([1], [None])]), "does not write"),
    "fields of an Externalizable": (JavaObject(EXTERNAL, [ClassData([1])]), "one annotation only"),
    "its own super class": (JavaObject(OWN_PARENT, [ClassData()]), "its own super class"),
    "array of texts as floats": (JavaArray(FLOATS, ["a"]), "cannot hold"),
    "half a float": (JavaArray(FLOATS, b"abc"), "no whole number"),
    "enum of no enum class": (JavaEnum(NUMBER, JavaString("A")), "no enum"),
    "block in an array": (JavaArray(ClassDesc(OBJECTS, 1, 2), [Block(b"")]), "only a value can"),
    "python text": ("text", "a str is no value"),
    "python list": ([], "a list is no value"),
    "field without type": (JavaObject(ClassDesc("A", 1, 2, (Field("L", "a"),)), [ClassData([None])]), "no type"),
    "number as a field's object": (
        JavaObject(ClassDesc("A", 1, 2, (Field("L", "a", JavaString("La;")),)), [ClassData([1])]),
        "a int is no value",
    ),
}


@pytest.mark.parametrize("name", CANNOT_BE_WRITTEN)
def test_a_tree_that_cannot_be_written_is_refused(name: str) -> None:
    value, text = CANNOT_BE_WRITTEN[name]
    with pytest.raises(StreamError, match=text):
        write_stream(Stream([value]))
