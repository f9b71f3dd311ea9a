"""Time and peak memory of many nuclei written at once, by `add` and by `add_later`, and whether the files are the same.

python -m benchmarks.streamed_writing [--counts 100000 1000000]

Each writes nuclei of 14 vertices, two measurements and the metadata of a run into a copy of the same empty image, in a
process of its own; `add_later` gets them from a generator, as from a store on disk. Seconds are processor time. Making
the nuclei is timed alone and is part of the others' seconds; so is `check`, the look at the written file.
"""

import argparse
import filecmp
import multiprocessing
import resource
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.geojson_memory import SIDE, nuclei
from cerberus_annotate.qupath import PathObject, ServerBuilder, create_project, open_project
from cerberus_annotate.qupath.java import check_stream


def written(count: int) -> Iterator[PathObject]:
    """Nuclei as a run writes them, the same at every call."""
    for number, item in enumerate(nuclei(count)):
        own = uuid.uuid5(uuid.NAMESPACE_OID, str(number))
        yield replace(item, uuid=own, metadata={"cerberus.run": "20260101-000000-abcd", "cerberus.id": str(own)})


def make(folder: Path, count: int) -> None:
    assert sum(1 for _ in written(count)) == count


def add(folder: Path, count: int) -> None:
    project = open_project(folder)
    with project.edit(project.images[0]) as edit:
        edit.add(written(count))


def add_later(folder: Path, count: int) -> None:
    project = open_project(folder)
    with project.edit(project.images[0]) as edit:
        edit.add_later(None, count, written(count))


def check(folder: Path, count: int) -> None:
    with (folder / "data" / "1" / "data.qpdata").open("rb") as file:
        assert check_stream(file).complete


def _measured(step: Callable[[Path, int], None], folder: Path, count: int) -> tuple[float, float]:
    """Processor seconds, and the process's peak memory in MB."""
    started = time.process_time()
    step(folder, count)
    # Linux counts in KiB
    return time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _empty_project(folder: Path) -> None:
    metadata = {"name": "slide", "width": SIDE, "height": SIDE, "sizeZ": 1, "sizeT": 1}
    builder = {"builderType": "uri", "uri": "file:/slide.svs", "args": [], "metadata": metadata}
    create_project(folder).add_image(ServerBuilder.from_json(builder), "slide")


def main() -> None:
    """Prints a line a step."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--counts", type=int, nargs="+", default=[100_000, 1_000_000])
    for count in arguments.parse_args().counts:
        with tempfile.TemporaryDirectory() as name:
            one, other = Path(name) / "one", Path(name) / "other"
            _empty_project(one)
            shutil.copytree(one, other)
            for step, folder in ((make, one), (add, one), (add_later, other), (check, other)):
                # a new process each, so that the peak is the step's own
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    seconds, peak = pool.apply(_measured, (step, folder, count))
                each = seconds / count * 1e6
                print(
                    f"{step.__name__:10s}{count:>10,} {seconds:7.1f} s {each:5.1f} µs each {peak:7.0f} MB", flush=True
                )
            files = [folder / "data" / "1" / "data.qpdata" for folder in (one, other)]
            same = "the same" if filecmp.cmp(*files, shallow=False) else "DIFFERENT"
            print(f"files of {files[0].stat().st_size / 1e6:.1f} MB, {same}", flush=True)


if __name__ == "__main__":
    main()
