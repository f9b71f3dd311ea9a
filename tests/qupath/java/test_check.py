"""The check tells what is in a stream, and refuses strings and arrays in places of another type."""

import io
import tracemalloc
from pathlib import Path

import pytest

from cerberus_annotate.qupath.java import Stream, StreamError, check_stream, write_stream
from cerberus_annotate.qupath.java.values import (
    Block,
    ClassData,
    ClassDesc,
    Field,
    JavaArray,
    JavaObject,
    JavaString,
)

from .trees import OBJECTS, SAMPLES

FLOATS = ClassDesc("[F", 1, 2)
NUMBER = ClassDesc("java.lang.Integer", 1, 2, (Field("I", "value"),))

TEXT = JavaString("a")
ARRAY = JavaArray(FLOATS, [1.0])
TABLE = JavaArray(ClassDesc("[[F", 1, 2), [ARRAY])
TEXTS = JavaArray(ClassDesc("[Ljava.lang.String;", 1, 2), [TEXT])
ANYTHING = JavaArray(ClassDesc(OBJECTS, 1, 2), [TEXT, ARRAY, None])
OBJECT = JavaObject(NUMBER, [ClassData([1])])


def check(value: object) -> None:
    check_stream(io.BytesIO(write_stream(Stream([value]))))


def in_field(signature: str, value: object) -> JavaObject:
    desc = ClassDesc("A", 1, 2, (Field(signature[0], "f", JavaString(signature)),))
    return JavaObject(desc, [ClassData([value])])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: "-".join(path.parts[-5:-1]))
def test_files_of_every_qupath_version_pass(path: Path) -> None:
    with path.open("rb") as file:
        summary = check_stream(file)
    assert summary.complete
    assert summary.objects_by_class["qupath.lib.objects.PathRootObject"] == 1
    assert summary.top_level[0] == "block"
    assert "qupath.lib.objects.hierarchy.PathObjectHierarchy" in summary.top_level
    assert summary.top_level[-1] == "java.lang.String"


def test_every_shared_data_file_passes(shared: Path) -> None:
    for path in shared.joinpath("data").glob("qupath-*/**/*.qpdata"):
        with path.open("rb") as file:
            assert check_stream(file).complete, path


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("Ljava/lang/String;", TEXT),
        ("Ljava/lang/String;", None),
        ("Ljava/lang/Object;", TEXT),
        ("Ljava/lang/Object;", ARRAY),
        ("Ljava/lang/Comparable;", TEXT),
        ("Ljava/util/Map;", OBJECT),
        ("[F", ARRAY),
        ("[[F", TABLE),
        (OBJECTS, TEXTS),
        (OBJECTS, TABLE),
    ],
)
def test_values_pass_in_fields_of_their_type(signature: str, value: object) -> None:
    check(in_field(signature.replace(".", "/"), value))


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("Ljava/lang/String;", OBJECT),
        ("Ljava/lang/String;", ARRAY),
        ("Ljava/util/Map;", TEXT),
        ("Ljava/util/Map;", ARRAY),
        ("[F", TEXT),
        ("[F", OBJECT),
        ("[F", TABLE),
        ("[D", ARRAY),
        ("[[F", ARRAY),
        ("[Ljava/lang/String;", ANYTHING),
        ("[Ljava/lang/Object;", ARRAY),
    ],
)
def test_values_in_fields_of_another_type_are_refused(signature: str, value: object) -> None:
    with pytest.raises(StreamError, match="should be"):
        check(in_field(signature, value))


def test_elements_of_another_type_are_refused() -> None:
    with pytest.raises(StreamError, match=r"a java.lang.Integer where a Ljava.lang.String; should be"):
        check(JavaArray(TEXTS.desc, [TEXT, OBJECT]))


def test_references_are_known_by_their_type() -> None:
    texts = JavaArray(TEXTS.desc, [TEXT, TEXT])
    check(JavaArray(ANYTHING.desc, [TEXT, in_field("Ljava/lang/String;", TEXT), texts]))
    with pytest.raises(StreamError, match="should be"):
        check(JavaArray(ANYTHING.desc, [OBJECT, in_field("Ljava/lang/String;", OBJECT)]))


def test_a_file_that_comes_in_dribbles_is_checked_the_same() -> None:
    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 1, 50))

    data = SAMPLES[0].read_bytes()
    assert check_stream(Dribble(data)) == check_stream(io.BytesIO(data))


def test_text_that_spans_the_window_is_checked() -> None:
    check(JavaString("核\U0001f52cé" * 100_000))
    data = bytearray(write_stream(Stream([JavaString("核" * 200_000)])))
    data[500_000] = 0xFF
    with pytest.raises(StreamError, match="UTF-8"):
        check_stream(io.BytesIO(data))


def test_a_file_is_checked_in_little_memory() -> None:
    external = ClassDesc("Some", 1, 0x0C)
    big = JavaObject(external, [ClassData([], [Block(bytes(5_000_000)), JavaArray(FLOATS, bytes(4_000_000))])])
    many = [JavaObject(external, [ClassData([], [JavaString("id"), Block(bytes(250))])]) for _ in range(20_000)]
    file = io.BytesIO(write_stream(Stream([big, *many])))
    tracemalloc.start()
    try:
        summary = check_stream(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert summary.objects_by_class == {"Some": 20_001}
    assert len(file.getvalue()) > 14_000_000
    assert peak < 3_000_000
