"""What was read is written back byte for byte; what was made by hand is read back as it was made."""

import gc
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from cerberus_annotate.qupath.java import Stream, check_stream, read_stream, write_stream, write_stream_to
from cerberus_annotate.qupath.java.values import (
    Block,
    ClassData,
    ClassDesc,
    Field,
    JavaArray,
    JavaObject,
    JavaString,
    VerbatimString,
)

from .trees import OBJECTS, SAMPLES, described, streams

START = b"\xac\xed\x00\x05"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: "-".join(path.parts[-5:-1]))
def test_files_of_every_qupath_version_are_written_back_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    assert write_stream(read_stream(data)) == data


def test_every_shared_data_file_is_written_back_byte_for_byte(shared: Path) -> None:
    paths = list(shared.joinpath("data").glob("qupath-*/**/*.qpdata"))
    assert paths
    for path in paths:
        data = path.read_bytes()
        assert write_stream(read_stream(data)) == data, path


@settings(max_examples=200, deadline=None)
@given(streams())
def test_any_tree_is_read_back_as_it_was_written(stream: Stream) -> None:
    data = write_stream(stream)
    again = read_stream(data)
    assert described(again) == described(stream)
    assert write_stream(again) == data
    check_stream(io.BytesIO(data))


def test_an_object_in_two_places_stays_one_object() -> None:
    text = JavaString("Tumor")
    array = JavaArray(ClassDesc(OBJECTS, 1, 2), [text, text, JavaString("Tumor")])
    array.values.append(array)
    first, second, other, itself = read_stream(write_stream(Stream([array]))).contents[0].values
    assert first is second
    assert first is not other
    assert first.text == other.text
    assert itself.values[0] is first


def test_a_hierarchy_nested_5000_deep_is_read_written_and_checked() -> None:
    desc = ClassDesc("Nested", 1, 0x0C)
    value = None
    for _ in range(5_000):
        value = JavaObject(desc, [ClassData([], [Block(b"\0"), value])])
    data = write_stream(Stream([value]))
    assert write_stream(read_stream(data)) == data
    assert check_stream(io.BytesIO(data)).objects_by_class == {"Nested": 5_000}


def test_fields_come_back_by_class_from_the_topmost_down() -> None:
    above = ClassDesc("Above", 1, 0x03, (Field("I", "count"), Field("L", "name", JavaString("Ljava/lang/Object;"))))
    below = ClassDesc("Below", 2, 0x02, (Field("Z", "locked"),), parent=above)
    made = JavaObject(below, [ClassData([7, JavaString("a")], [Block(b"xy"), None]), ClassData([True])])
    top, bottom = read_stream(write_stream(Stream([made]))).contents[0].data
    assert (top.values[0], top.values[1].text) == (7, "a")
    assert (top.annotation[0].data, top.annotation[1]) == (b"xy", None)
    assert bottom.values == [True]


@pytest.mark.parametrize(
    "values",
    [[1.5, -2.0], np.array([1.5, -2.0], "<f4"), np.array([1.5, -2.0]), b"\x3f\xc0\0\0\xc0\0\0\0"],
    ids=["list", "little-endian float32", "float64", "bytes"],
)
def test_a_float_array_takes_lists_numpy_arrays_and_bytes(values: object) -> None:
    array = JavaArray(ClassDesc("[F", 1, 2), values)
    read = read_stream(write_stream(Stream([array]))).contents[0].values
    assert read.dtype == ">f4"
    assert read.tolist() == [1.5, -2.0]
    assert not read.flags.writeable


def test_byte_arrays_are_bytes() -> None:
    array = JavaArray(ClassDesc("[B", 1, 2), b"\0\xff")
    assert read_stream(write_stream(Stream([array]))).contents[0].values == b"\0\xff"


@pytest.mark.parametrize("length", [65_535, 65_536])
def test_long_texts_take_the_long_form(length: int) -> None:
    data = write_stream(Stream([JavaString("x" * length)]))
    assert data[4] == (0x74 if length == 65_535 else 0x7C)
    assert read_stream(data).contents[0].text == "x" * length
    check_stream(io.BytesIO(data))


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (b"\x7c" + bytes(7) + b"\x01a", "a"),
        (b"\x74\x00\x01\x00", "\0"),
        (b"\x74\x00\x02\xc1\xa1", "a"),
    ],
    ids=["long form of a short text", "bare NUL", "overlong character"],
)
def test_a_text_in_a_form_that_java_reads_but_does_not_write_is_kept(form: bytes, text: str) -> None:
    stream = read_stream(START + form)
    assert isinstance(stream.contents[0], VerbatimString)
    assert stream.contents[0].text == text
    assert write_stream(stream) == START + form
    check_stream(io.BytesIO(START + form))


def test_blocks_keep_their_form() -> None:
    data = START + b"\x77\x00" + b"\x7a\0\0\0\x01a" + b"\x7a\0\0\x01\0" + bytes(256)
    assert write_stream(read_stream(data)) == data


def test_a_large_tree_is_written_in_pieces() -> None:
    desc = ClassDesc("Some", 1, 0x0C)
    stream = Stream([JavaObject(desc, [ClassData([], [Block(bytes(200_000))])]) for _ in range(20)])

    class Pieces(io.BytesIO):
        longest = 0

        def write(self, piece: object) -> int:
            self.longest = max(self.longest, len(piece))
            return super().write(piece)

    file = Pieces()
    write_stream_to(stream, file)
    assert file.getvalue() == write_stream(stream)
    assert file.longest < 2_000_000


def test_the_garbage_collector_is_as_it_was() -> None:
    data = SAMPLES[0].read_bytes()
    assert gc.isenabled()
    write_stream(read_stream(data))
    assert gc.isenabled()
    gc.disable()
    try:
        read_stream(data)
        assert not gc.isenabled()
    finally:
        gc.enable()
