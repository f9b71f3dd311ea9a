"""A data file of many polygons, written and read through the public interface.

    python benchmarks/data_file.py [200000]

Adds that many nucleus outlines (8 to 24 vertices, two measurements each) to a new project in a temporary folder, reads
them back, and checks that they are the same. QuPath's own Java takes 2.0 to 2.5 s each way for 200,000. Processor time
stands beside wall time, because other work on the machine does not count there.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import shapely
from PIL import Image

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.qupath import PathClass, PathObject, Project, create_project

Result = TypeVar("Result")


def outlines(count: int) -> list[PathObject]:
    """Nucleus-like annotations spread over a large slide, the same every time."""
    rng = np.random.default_rng(1)
    classes = [PathClass.of(f"Nucleus: {name}") for name in ("Epithelial", "Inflammatory", "Connective")]
    made = []
    for index in range(count):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(8, 25)))
        centre = np.array([index % 1000, index // 1000]) * 60 + 40
        ring = centre + np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(8, 20)
        ring = np.round(ring, 2).astype(np.float32).astype(float)
        made.append(
            PathObject(
                roi=shapely.Polygon(ring),
                path_class=classes[index % 3],
                measurements={"Confidence": 0.9, "Area µm²": float(index)},
            )
        )
    return made


def timed(what: str, action: Callable[[], Result]) -> Result:
    """Runs and prints wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = action()
    print(
        f"{what}: {time.perf_counter() - wall:.1f} s wall, {time.process_time() - processor:.1f} s processor",
        flush=True,
    )
    return result


def write(project: Project, objects: list[PathObject]) -> None:
    """Adds the objects to the project's only image."""
    with project.edit(project.images[0]) as edit:
        edit.add(objects)


def main() -> None:
    """Prints both times and the file's size."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    objects = outlines(count)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        Image.new("RGB", (64, 64), "white").save(picture)
        project = create_project(Path(folder) / "project.qpproj")
        add_slide(project, describe_slide(picture, (0.5, 0.5)))
        timed(f"write {count:,} polygons", lambda: write(project, objects))
        image = project.images[0]
        print(f"{image.data_path.stat().st_size / 1e6:.0f} MB")
        found = timed(f"read {count:,} polygons", image.read_objects)
        assert [o.uuid for o in found] == [o.uuid for o in objects]
        assert all(a.roi.equals(b.roi) for a, b in zip(found[::1000], objects[::1000], strict=True))


if __name__ == "__main__":
    main()
