"""Java's modified UTF-8: NUL is C0 80, characters past U+FFFF are two surrogates of 3 bytes each.

Source: java.io.DataInput, "Modified UTF-8". Lone surrogates are kept as they are in Java.
"""

import re

_PAST_BMP = re.compile("[\U00010000-\U0010ffff]")


def encode(text: str) -> bytes:
    """The bytes that Java writes for `text`."""
    raw = _PAST_BMP.sub(_surrogates, text).encode("utf-8", "surrogatepass")
    return raw.replace(b"\0", b"\xc0\x80")


def decode(raw: bytes) -> str:
    """The text that Java reads from `raw`; overlong characters and a bare NUL are read, as Java does.

    Raises ValueError when Java would refuse the bytes (4-byte characters, stray or missing continuation bytes).
    """
    if raw.isascii():
        return raw.decode("ascii")
    if max(raw) >= 0xF0:
        raise ValueError("a byte above EF, which Java's UTF-8 has not")
    try:
        text = raw.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = _decode_overlong(raw)
    return _joined(text)


def _decode_overlong(raw: bytes) -> str:
    units = []
    place = 0
    while place < len(raw):
        lead = raw[place]
        length = 1 if lead < 0x80 else 2 if 0xC0 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 0
        tail = raw[place + 1 : place + length]
        if not length or len(tail) != length - 1 or any(byte & 0xC0 != 0x80 for byte in tail):
            raise ValueError("a character that is no UTF-8")
        unit = lead if length == 1 else lead & (0x1F if length == 2 else 0x0F)
        for byte in tail:
            unit = unit << 6 | byte & 0x3F
        units.append(chr(unit))
        place += length
    return "".join(units)


def _surrogates(match: re.Match[str]) -> str:
    code = ord(match.group()) - 0x10000
    return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))


def _joined(text: str) -> str:
    """`text` with pairs of surrogates as one character each."""
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
