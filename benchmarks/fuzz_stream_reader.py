"""Changed data files read: `python -m benchmarks.fuzz_stream_reader --inputs 100000` says in a line what came of it.

QuPath's own files get bit flips, cuts, lengths far beyond the file, other type codes, wrong references, parts taken out
or repeated. Each is read, written, read again, checked, and its objects are taken out. Whatever is not refused with a
StreamError must be written back in the same length and the same from then on; what the reader refuses the check must
refuse; and where the stream is sound and what it holds is not, that must end in a DataFileError. Anything else, an
input that takes longer than SLOWEST seconds, or memory beyond MEMORY ends the program with the input's number.
"""

import argparse
import contextlib
import io
import random
import signal
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cerberus_annotate.errors import DataFileError
from cerberus_annotate.qupath.java import StreamError, check_stream, read_stream, write_stream
from cerberus_annotate.qupath.native.data_file import head_of, objects_of, reading

SAMPLES = Path(__file__).parents[1] / "tests" / "data" / "qupath-samples"
LONGEST = 20_000  # bytes of a file that is changed
SLOWEST = 20  # s of one input
MEMORY = 16 << 20  # bytes that one input may hold at once
TRACED = 50  # every so many inputs memory is looked at, which makes Python slow

KINDS = ["bit", "bit", "bits", "cut", "length", "length", "bomb", "code", "byte", "remove", "repeat", "reference"]
LENGTHS = [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\xff\xff\xff", b"\xff\xff", b"\x7f\xff" + bytes(6), bytes(4)]
# A string, a long string, a block, a long block, an array of an earlier class: type codes that a length follows.
WITH_LENGTH = {0x74: 1, 0x7C: 1, 0x77: 1, 0x7A: 1, 0x75: 6}
OBJECTS = b"\x72\x00\x13[Ljava.lang.Object;" + bytes(8) + b"\x02\x00\x00\x78\x70"
BOMBS = [
    b"\x75" + OBJECTS + b"\x7f\xff\xff\xff",
    b"\x7c\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x7a\x7f\xff\xff\xff",
    b"\x74\xff\xff",
    b"\x75" + OBJECTS + (b"\x00\x00\x00\x01\x75\x71\x00\x7e\x00\x05" * 500),
    b"\x72\x00\x01A" + bytes(8) + b"\x02\x7f\xff" + b"I\x00\x01a" * 50,
    b"\x73\x72\x00\x01A" + bytes(8) + b"\x02\x00\x00\x78" * 40,
]


def changed(data: bytes, source: random.Random) -> bytes:
    """`data` with a random fault or some."""
    kind = source.choice(KINDS)
    place = source.randrange(len(data))
    if kind == "cut":
        return data[:place]
    if kind == "length":
        places = [at for at, byte in enumerate(data) if byte in WITH_LENGTH]
        place = source.choice(places)
        place += WITH_LENGTH[data[place]]
        length = source.choice(LENGTHS)
        return data[:place] + length + data[place + len(length) :]
    if kind == "bomb":
        return data[:place] + source.choice(BOMBS) + data[place:]
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
        codes = [at for at, byte in enumerate(data) if 0x70 <= byte <= 0x7E]
        out[source.choice(codes)] = source.randrange(0x70, 0x7F)
    elif kind == "byte":
        out[place] = source.randrange(256)
    else:
        for _ in range(1 if kind == "bit" else source.randrange(2, 20)):
            out[source.randrange(len(out))] ^= 1 << source.randrange(8)
    return bytes(out)


def fuzz(count: int, seed: int = 0) -> Counter[str]:
    """Reads `count` changed files.

    Returns how many ended in what, with `slowest, ms` of processor time for one and `peak, kB` of Python's memory.
    Raises AssertionError, or whatever a reader let through, with the number of the input.
    """
    source = random.Random(seed)
    files = [data for path in sorted(SAMPLES.rglob("*.qpdata")) if len(data := path.read_bytes()) < LONGEST]
    counts: Counter[str] = Counter()
    for number in range(count):
        data = changed(source.choice(files), source)
        start = time.process_time()
        try:
            with _alarm():
                if number % TRACED:
                    counts[outcome(data)] += 1
                else:
                    result, peak = _traced(data)
                    counts[result] += 1
                    counts["peak, kB"] = max(counts["peak, kB"], peak // 1000)
        except BaseException as error:
            error.add_note(f"seed {seed}, input {number}")
            raise
        counts["slowest, ms"] = max(counts["slowest, ms"], round(1000 * (time.process_time() - start)))
    return counts


def outcome(data: bytes) -> str:
    """`refused`, `refused by the check`, `no objects` (sound stream, no QuPath data) or `read`.

    Raises AssertionError when the codec is at odds with itself.
    """
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
        with reading("image", Path("data.qpdata")):
            head_of(stream)
            objects_of(stream, "1", ())
    except DataFileError:
        sound = False
    else:
        sound = True
    try:
        check_stream(io.BytesIO(data))
    except StreamError:
        return "refused by the check"
    return "read" if sound else "no objects"


def _traced(data: bytes) -> tuple[str, int]:
    """The outcome and the bytes that were held at once."""
    tracemalloc.start()
    try:
        result = outcome(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY, f"{peak:,} bytes of memory for an input of {len(data):,}"
    return result, peak


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    """TimeoutError after SLOWEST seconds, where the system has such alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise TimeoutError(f"an input took longer than {SLOWEST} s")

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SLOWEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads changed data files and prints what came of them.")
    parser.add_argument("--inputs", type=int, default=10_000, help="how many changed files are read")
    parser.add_argument("--seed", type=int, default=0, help="another seed changes them differently")
    options = parser.parse_args()
    counts = fuzz(options.inputs, options.seed)
    results = ", ".join(
        f"{counts[name]:,} {name}" for name in ("refused", "refused by the check", "no objects", "read")
    )
    print(
        f"{options.inputs:,} inputs (seed {options.seed}): {results}; every refusal a StreamError or DataFileError, "
        f"slowest {counts['slowest, ms']} ms, peak {counts['peak, kB'] / 1000:.1f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
