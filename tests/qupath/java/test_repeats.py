"""What the check passes over, because it is as an object before it was, is found the same as when it is taken apart."""

import io
import random
from pathlib import Path

import pytest

from cerberus_annotate.qupath.java import Stream, StreamError, StreamSummary, check_stream, repeats, write_stream
from cerberus_annotate.qupath.java.values import Block, ClassData, ClassDesc, Field, JavaArray, JavaObject, JavaString

from .trees import OBJECTS, SAMPLES

EXTERNAL = ClassDesc("Some", 1, 0x0C)
FLOATS = ClassDesc("[F", 1, 2)
BASE = ClassDesc("Base", 1, 2, (Field("I", "c"), Field("[", "x", JavaString("[F"))))
SHAPE = ClassDesc("Shape", 1, 2, (Field("I", "d"), Field("L", "name", JavaString("Ljava/lang/String;"))), parent=BASE)


def many(count: int) -> bytes:
    """Objects in which all stands that can: texts, blocks, arrays of numbers and values, fields of two classes."""
    shared = JavaString("shared")
    values: list[object] = []
    for number in range(count):
        shape = JavaObject(
            SHAPE,
            [
                ClassData([number, JavaArray(FLOATS, [0.5] * (number % 5))]),
                ClassData([7, shared if number % 2 else None]),
            ],
        )
        texts = JavaArray(ClassDesc(OBJECTS, 1, 2), [JavaString(f"a text {number}"), shared, None])
        inner = JavaObject(EXTERNAL, [ClassData([], [texts])])
        run = [inner, None, Block(bytes(number % 3 + 1)), shape, Block(b"")]
        values.append(JavaObject(EXTERNAL, [ClassData([], run)]))
    texts_class = values[0].data[0].annotation[0].data[0].annotation[0].desc  # type: ignore[attr-defined]
    for value in values:
        value.data[0].annotation[0].data[0].annotation[0].desc = texts_class  # type: ignore[attr-defined]
    return write_stream(Stream([*values, JavaString("EOF")]))


def found(data: bytes) -> StreamSummary | str:
    try:
        return check_stream(io.BytesIO(data))
    except StreamError as error:
        return str(error)


def found_without(data: bytes, monkeypatch: pytest.MonkeyPatch) -> StreamSummary | str:
    """As it is found when every value is taken apart."""
    with monkeypatch.context() as patch:
        patch.setattr(repeats, "_MOST_KEPT", 0)
        return found(data)


def assert_same(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(data) == found_without(data, monkeypatch)


def test_objects_that_are_alike_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    data = many(3000)
    passed: list[int] = []
    past = repeats.Repeats.past

    def counted(*arguments: object) -> int:
        end = past(*arguments)  # type: ignore[arg-type]
        passed.append(end)
        return end

    monkeypatch.setattr(repeats.Repeats, "past", counted)
    assert_same(data, monkeypatch)
    assert sum(end > 0 for end in passed) > 2900


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: "-".join(path.parts[-5:-1]))
def test_samples_are_found_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_same(path.read_bytes(), monkeypatch)


def test_changed_bytes_are_found_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(5)
    samples = [
        many(40),
        *(path.read_bytes() for path in SAMPLES if "kinds" in path.parts and path.stat().st_size < 40_000),
    ]
    refused = 0
    for _ in range(800):
        data = bytearray(source.choice(samples))
        for _ in range(source.randint(1, 3)):
            place = source.randrange(len(data))
            data[place] = source.choice(
                (0, 0x70, 0x71, 0x73, 0x74, 0x77, 0x78, 0xFF, data[place] ^ 1 << source.randrange(8))
            )
        if source.random() < 0.1:
            del data[source.randrange(len(data)) :]
        assert_same(bytes(data), monkeypatch)
        refused += isinstance(found(bytes(data)), str)
    assert refused > 100


def test_more_classes_than_a_byte_counts() -> None:
    values = [JavaObject(ClassDesc(f"Class{number % 300}", 1, 0x0C), [ClassData([], [])]) for number in range(900)]
    summary = check_stream(io.BytesIO(write_stream(Stream(values))))
    assert summary.objects_by_class == {f"Class{number}": 3 for number in range(300)}
