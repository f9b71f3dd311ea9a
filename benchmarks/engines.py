"""The engines side by side: seconds to add, save and read annotations, and to open a project of 1,000 images.

    python -m benchmarks.engines [5000 20000 100000]

Needs paquo and a QuPath (PAQUO_QUPATH_DIR). Polygons have 20 corners, a class, two measurements and two texts of
metadata each. "add" ends when the objects are in the engine's hands, "save" when the file is in place and was read
back; paquo's own `load_geojson` of the same polygons stands for what its calls would take to add them.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from shapely.geometry import Polygon, mapping

from benchmarks.large_project import many_images
from cerberus_annotate.qupath import PathClass, PathObject, create_project, open_project, server_for_slide
from cerberus_annotate.qupath.paquo.virtual_machine import start


def polygons(count: int) -> list[PathObject]:
    """Annotations like those of nuclei, scattered over a slide."""
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    return [
        PathObject(
            Polygon(rng.random(2) * 50_000 + (5 + 3 * rng.random((20, 1))) * circle),
            path_class=PathClass.of(f"Nucleus: {number % 5}"),
            measurements={"Confidence": rng.random(), "Area µm²": 60 * rng.random()},
            metadata={"cerberus.run": "20260101-000000-0000", "cerberus.id": str(number)},
        )
        for number in range(count)
    ]


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Prints wall seconds of the block."""
    began = time.perf_counter()
    yield
    print(f"  {what:<28}{time.perf_counter() - began:8.2f} s", flush=True)


def compare(folder: Path, count: int) -> None:
    """Both engines on a new image each."""
    objects = polygons(count)
    for engine in ("native", "paquo"):
        project = open_project(create_project(folder / f"{engine}-{count}").path, engine)
        image = project.add_image(server_for_slide(folder / "slide.svs", "slide", 60_000, 60_000), "slide")
        began = time.perf_counter()
        with project.edit(image) as edit, timed(f"{engine} add {count:,}"):
            edit.add(objects)
        print(f"  {engine + ' add and save':<28}{time.perf_counter() - began:8.2f} s", flush=True)
        with timed(f"{engine} read"):
            image.read_objects()


def paquos_own(count: int) -> None:
    """The same polygons through `load_geojson`, which keeps no UUID, no metadata and no plane."""
    from paquo.hierarchy import QuPathPathObjectHierarchy

    features = [
        {
            "type": "Feature",
            "id": "PathAnnotationObject",
            "geometry": mapping(item.roi),
            "properties": {
                "classification": {"name": str(item.path_class), "colorRGB": -1},
                "isLocked": False,
                "measurements": [{"name": name, "value": value} for name, value in item.measurements.items()],
            },
        }
        for item in polygons(count)
    ]
    with timed(f"paquo.load_geojson {count:,}"):
        QuPathPathObjectHierarchy().load_geojson(features)


def main(counts: list[int]) -> None:
    with timed("start of Java"):
        version = start()
    print(f"QuPath {version}")
    folder = Path(tempfile.mkdtemp())
    try:
        paquos_own(min(counts))
        for count in counts:
            compare(folder, count)
        (folder / "large").mkdir()
        large = many_images(folder / "large", 1000)
        for engine in ("native", "paquo"):
            with timed(f"{engine} open 1,000 images"):
                open_project(large, engine)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [5000, 20_000, 100_000])
