"""Java's modified UTF-8."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cerberus_annotate.qupath.java.modified_utf8 import decode, encode

from .trees import texts


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("Tumor", b"Tumor"),
        ("\0", b"\xc0\x80"),
        ("é", b"\xc3\xa9"),
        ("核", b"\xe6\xa0\xb8"),
        ("\U0001f52c", b"\xed\xa0\xbd\xed\xb4\xac"),
        ("\ud83d", b"\xed\xa0\xbd"),
        ("\udd2c\ud83d", b"\xed\xb4\xac\xed\xa0\xbd"),
    ],
    ids=["ascii", "NUL", "two bytes", "three bytes", "astral", "lone surrogate", "surrogates the wrong way round"],
)
def test_texts_are_written_as_java_writes_them(text: str, raw: bytes) -> None:
    assert encode(text) == raw
    assert decode(raw) == text


@given(texts())
def test_any_text_comes_back(text: str) -> None:
    assert decode(encode(text)) == text


@pytest.mark.parametrize(
    ("raw", "text"), [(b"\xc1\xa1", "a"), (b"\xe0\x81\xa1", "a"), (b"\xe0\x80\x80", "\0"), (b"a\0b", "a\0b")]
)
def test_overlong_characters_are_read_as_java_reads_them(raw: bytes, text: str) -> None:
    assert decode(raw) == text


@pytest.mark.parametrize(
    "raw",
    [b"\xf0\x9f\x94\xac", b"\xff", b"\x80", b"\xc3", b"\xe6\xa0", b"\xc3a", b"\xe6a\xb8", b"\xc1\xa1\xe6"],
)
def test_what_java_refuses_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        decode(raw)


@given(st.binary(max_size=6))
@example(b"\xed\xa0\xbd\xed\xb4\xac")
@example(b"\xc0\x80\xc1\xa1\xed\xa0\x80")
def test_bytes_are_read_as_java_reads_them(raw: bytes) -> None:
    try:
        text = decode(raw)
    except ValueError:
        text = None
    assert text == _as_java_reads(raw)


def _as_java_reads(raw: bytes) -> str | None:
    """readUTF's own steps, one UTF-16 unit at a time."""
    units: list[int] = []
    rest = list(raw)
    while rest:
        lead = rest.pop(0)
        more = {0xC: 1, 0xD: 1, 0xE: 2}.get(lead >> 4, 0 if lead < 0x80 else None)
        if more is None or len(rest) < more or any(byte >> 6 != 2 for byte in rest[:more]):
            return None
        unit = lead & (0x7F, 0x1F, 0x0F)[more]
        for _ in range(more):
            unit = unit << 6 | rest.pop(0) & 0x3F
        units.append(unit)
    return b"".join(unit.to_bytes(2) for unit in units).decode("utf-16-be", "surrogatepass")
