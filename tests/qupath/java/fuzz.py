"""Changed data files: `python -m tests.qupath.java.fuzz 100000` reads that many and prints what came of them.

Each is read, written, read again and checked. Whatever is not refused with a StreamError must be written back in
the same length and the same from then on; what the reader refuses the check must refuse.
"""

import io
import random
import sys
import time
from collections import Counter

from cerberus_annotate.qupath.java import StreamError, check_stream, read_stream, write_stream

from .trees import SAMPLES

LONGEST = 20_000  # bytes of a file that is changed
LENGTHS = [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\xff\xff\xff", b"\xff\xff", b"\x7f\xff" + bytes(6), bytes(4)]


def changed(data: bytes, source: random.Random) -> bytes:
    """`data` with a random fault or some."""
    kind = source.choice(["bit", "bit", "bits", "cut", "length", "code", "byte", "remove", "repeat", "reference"])
    place = source.randrange(len(data))
    if kind == "cut":
        return data[:place]
    if kind == "length":
        length = source.choice(LENGTHS)
        return data[:place] + length + data[place + len(length) :]
    if kind == "remove":
        return data[:place] + data[place + source.randrange(1, 50) :]
    if kind == "repeat":
        end = place + source.randrange(1, 200)
        return data[:end] + data[place:end] * source.randrange(1, 4) + data[end:]
    if kind == "reference":
        handle = 0x7E0000 + source.randrange(200)
        return data[:place] + b"\x71" + handle.to_bytes(4) + data[place + source.choice([1, 5]) :]
    out = bytearray(data)
    if kind == "code":
        codes = [place for place, byte in enumerate(data) if 0x70 <= byte <= 0x7E]
        out[source.choice(codes)] = source.randrange(0x70, 0x7F)
    elif kind == "byte":
        out[place] = source.randrange(256)
    else:
        for _ in range(1 if kind == "bit" else source.randrange(2, 20)):
            out[source.randrange(len(out))] ^= 1 << source.randrange(8)
    return bytes(out)


def fuzz(count: int, seed: int = 0) -> Counter[str]:
    """Reads `count` changed files; how many were read, refused, and the longest processor time in ms for one."""
    source = random.Random(seed)
    files = [data for path in SAMPLES if len(data := path.read_bytes()) < LONGEST]
    counts: Counter[str] = Counter()
    for number in range(count):
        data = changed(source.choice(files), source)
        start = time.process_time()
        try:
            counts[outcome(data)] += 1
        except Exception as error:
            error.add_note(f"seed {seed}, file {number}")
            raise
        counts["slowest, ms"] = max(counts["slowest, ms"], round(1000 * (time.process_time() - start)))
    return counts


def outcome(data: bytes) -> str:
    """`read`, `refused`, or `refused by the check`. Raises AssertionError when the codec is at odds with itself."""
    try:
        stream = read_stream(data)
    except StreamError:
        try:
            check_stream(io.BytesIO(data))
        except StreamError:
            return "refused"
        raise AssertionError("the check passed what the reader refuses") from None
    written = write_stream(stream)
    assert len(written) == len(data)
    assert write_stream(read_stream(written)) == written
    try:
        check_stream(io.BytesIO(data))
    except StreamError:
        return "refused by the check"
    return "read" if written == data else "read with another boolean or NaN"


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print(f"{wanted:,} changed files:", dict(fuzz(wanted)))
