"""Peak memory of a run by the size of the slide, from 1 to 20 gigapixel.

    python -m benchmarks.slide_memory [--sizes 1,5,20,100000x80000] [--out docs/results/slide-memory.json]

The slide stores no pixels and the network has no convolutions (`benchmarks/synthetic_slide.py`); all else is the run
that a user starts: tissue, tiles, objects, ledger and data file of a QuPath project in a temporary folder. Every size
is a process of its own. Printed are its peak resident memory, where it stood before the slide was opened and when the
last tile was done, and the growth from the smallest size to the largest. What lies on disk (objects, project) is not
memory.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ASPECT = 5 / 4
DEFAULT_SIZES = "1,5,20,100000x80000"


def size_of(text: str) -> tuple[int, int]:
    """(width, height) of `WIDTHxHEIGHT`, or of so many gigapixel."""
    if "x" in text:
        width, height = map(int, text.split("x"))
        return width, height
    height = round(math.sqrt(float(text) * 1e9 / ASPECT))
    return round(height * ASPECT), height


def main() -> None:
    """Runs each size and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=DEFAULT_SIZES, help="gigapixel or WIDTHxHEIGHT, comma-separated")
    parser.add_argument("--out", type=Path, help="write the figures there as JSON too")
    parser.add_argument("--one", metavar="WIDTHxHEIGHT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run_one(*size_of(given.one))))
        return
    results = []
    for width, height in map(size_of, given.sizes.split(",")):
        own = [sys.executable, "-m", "benchmarks.slide_memory", "--one", f"{width}x{height}"]
        found = json.loads(subprocess.run(own, check=True, stdout=subprocess.PIPE).stdout)
        results.append(found)
        print(
            f"{width:,} x {height:,} px ({found['gigapixel']:.1f} gigapixel): {found['nuclei']:,} nuclei, "
            f"{found['glands']:,} glands, {found['seconds']:,.0f} s; peak {found['peak_mb']:,.0f} MB "
            f"(start {found['start_mb']:,.0f}, after the tiles {found['tiles_mb']:,.0f}), data file "
            f"{found['data_file_mb']:,.0f} MB",
            flush=True,
        )
    smallest, largest = (pick(results, key=lambda each: each["gigapixel"]) for pick in (min, max))
    if len(results) > 1:
        growth = largest["peak_mb"] / smallest["peak_mb"] - 1
        print(f"peak memory from {smallest['gigapixel']:.1f} to {largest['gigapixel']:.1f} gigapixel: {growth:+.1%}")
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def run_one(width: int, height: int) -> dict[str, Any]:
    """One size in this process."""
    from functools import partial

    import cerberus_annotate.slide
    from benchmarks.synthetic_slide import MPP, SyntheticSlide, seeing_model
    from cerberus_annotate.annotate.adding import NewSlide, add_slide
    from cerberus_annotate.annotate.options import Options
    from cerberus_annotate.annotate.run import Silent, run
    from cerberus_annotate.predict.stream import predict_slide
    from cerberus_annotate.qupath import create_project, server_for_slide

    after_tiles = 0.0

    class Watching(Silent):
        def tiles(self, done: int, total: int, objects: int) -> None:
            nonlocal after_tiles
            if done == total:
                after_tiles = after_tiles or peak_mb()

    model = seeing_model()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "synthetic.svs"
        file.write_bytes(b"no pixels")
        slide = SyntheticSlide(file, width, height)
        cerberus_annotate.slide.open_slide = lambda path, **_: slide
        project = create_project(Path(folder) / "project")
        server = server_for_slide(file, file.name, width, height, slide.levels, (MPP, MPP), 40.0)
        image = add_slide(project, NewSlide(server, file.name, width, height, (MPP, MPP), slide.format, b""))
        start, started = peak_mb(), time.perf_counter()
        summary = run(project, model, Options(), partial(predict_slide, model=model), Watching())
        seconds = time.perf_counter() - started
        record = summary.images[image.id]
        if record.status != "done":
            raise SystemExit(record.reason)
        data = next(each for each in project.images if each.id == image.id).data_path.stat().st_size
    return {
        "width": width,
        "height": height,
        "gigapixel": width * height / 1e9,
        "nuclei": sum(count for name, count in record.objects.items() if name.startswith("Nucleus")),
        "glands": record.objects.get("Gland", 0),
        "seconds": round(seconds, 1),
        "start_mb": round(start),
        "tiles_mb": round(after_tiles),
        "peak_mb": round(peak_mb()),
        "data_file_mb": round(data / 1e6, 1),
    }


def peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
