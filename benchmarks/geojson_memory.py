"""Time and peak memory of a million nuclei as GeoJSON: written, read, imported into a project, exported again.

python benchmarks/geojson_memory.py [--count 1000000]

Each step runs in a process of its own. Writing and reading go through files of any length in the same memory; import
and export also hold the image's data, which QuPath's own file format has as one tree.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import shapely

from cerberus_annotate.annotate.importing import import_geojson
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.qupath import (
    PathClass,
    PathObject,
    ServerBuilder,
    create_project,
    iterate_geojson,
    open_project,
    write_geojson,
)

SIDE = 100_000  # px
VERTICES = 14


def nuclei(count: int) -> Iterator[PathObject]:
    """Nuclei of about 20 px, drawn by a fixed seed, each with a class and two measurements."""
    random = np.random.default_rng(0)
    classes = [PathClass.of(f"Nucleus: {name}", (200, 10, 10)) for name in ("Epithelial", "Lymphocyte", "Plasma")]
    angles = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    for number in range(count):
        points = random.uniform(20, SIDE - 20, 2) + circle * random.uniform(6, 12, (VERTICES, 1))
        yield PathObject(
            shapely.Polygon(points.round(2)),
            "detection",
            "Polygon",
            path_class=classes[number % 3],
            measurements={"Confidence": float(random.random()), "Area µm^2": float(random.uniform(10, 60))},
        )


def write(folder: Path, count: int) -> None:
    write_geojson(nuclei(count), folder / "nuclei.geojson")


def write_packed(folder: Path, count: int) -> None:
    write_geojson(nuclei(count), folder / "nuclei.geojson.gz")


def read(folder: Path, count: int) -> None:
    assert sum(1 for _ in iterate_geojson(folder / "nuclei.geojson")) == count


def read_packed(folder: Path, count: int) -> None:
    assert sum(1 for _ in iterate_geojson(folder / "nuclei.geojson.gz")) == count


def import_all(folder: Path, count: int) -> None:
    project = create_project(folder / "project")
    metadata = {"name": "slide", "width": SIDE, "height": SIDE, "sizeZ": 1, "sizeT": 1}
    builder = {"builderType": "uri", "uri": "file:/slide.svs", "args": [], "metadata": metadata}
    image = project.add_image(ServerBuilder.from_json(builder), "slide")
    done = import_geojson(project, image, [folder / "nuclei.geojson"], Options(), False)
    assert done.added == count


def import_again(folder: Path, count: int) -> None:
    project = open_project(folder / "project")
    done = import_geojson(project, project.images[0], [folder / "nuclei.geojson"], Options(), False)
    assert done.unchanged == count


def export(folder: Path, count: int) -> None:
    (image,) = open_project(folder / "project").images
    assert write_geojson(image.read_objects(), folder / "exported.geojson") == count


STEPS = (write, write_packed, read, read_packed, import_all, export, import_again)


def _measured(step: Callable[[Path, int], None], folder: Path, count: int) -> tuple[float, float]:
    """Seconds, and the process's peak memory in MB."""
    started = time.perf_counter()
    step(folder, count)
    # Linux counts in KiB
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=1_000_000)
    count = arguments.parse_args().count
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for step in STEPS:
            # a new process each, so that the peak is the step's own
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, peak = pool.apply(_measured, (step, folder, count))
            print(f"{step.__name__:14s} {count:>10,} objects {seconds:8.1f} s {peak:8.0f} MB", flush=True)
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".geojson", ".gz", ".qpdata"):
                print(f"{path.name:20s} {path.stat().st_size / 1e6:8.1f} MB")


if __name__ == "__main__":
    main()
