"""A project of many images: how long until it is open, and what the commands that need no slide take.

    python -m benchmarks.large_project [1000]

Makes a project with that many entries, as QuPath 0.6 describes them, and a data file each, in a temporary folder. None
of the slides exists, so whatever opened one would fail.
"""

import copy
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.annotate.opening import choose_images
from cerberus_annotate.annotate.undo import restore
from cerberus_annotate.qupath import create_project, open_project
from cerberus_annotate.qupath.native.project_file import load_project, save_project

Result = TypeVar("Result")


def many_images(folder: Path, count: int) -> Path:
    """A project of `count` images `slide 0001.tif` …; returns its file."""
    picture = folder / "slide.png"
    Image.new("RGB", (256, 256), "white").save(picture)
    project = create_project(folder / "project")
    add_slide(project, describe_slide(picture, (0.5, 0.5)))
    picture.unlink()
    content = load_project(project.path)
    (first,) = content["images"]
    data = project.folder / "data"
    content["images"] = []
    for number in range(1, count + 1):
        entry = copy.deepcopy(first)
        name = f"slide {number:04d}.tif"
        entry.update(entryID=number, imageName=name)
        entry["serverBuilder"]["uri"] = f"file:/slides/slide%20{number:04d}.tif"
        entry["serverBuilder"]["metadata"]["name"] = name
        content["images"].append(entry)
        if number > 1:
            shutil.copytree(data / "1", data / str(number))
    content["lastID"] = count
    save_project(project.path, content)
    return project.path


def timed(what: str, action: Callable[[], Result]) -> Result:
    """Runs and prints wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = action()
    print(
        f"{what}: {time.perf_counter() - wall:.2f} s wall, {time.process_time() - processor:.2f} s processor",
        flush=True,
    )
    return result


def main() -> None:
    """Prints the times."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        path = many_images(Path(folder), count)
        print(f"{count:,} images, project file of {path.stat().st_size / 1e6:.1f} MB")
        project = timed("open", lambda: open_project(path))
        timed("name, size and pixel size of all", lambda: [(i.name, i.width, i.pixel_size) for i in project.images])
        timed("choose ten by a pattern", lambda: choose_images(project, ["slide 000?.tif", "slide 0010.tif"]))
        timed("image type of all, from their data files", lambda: [image.image_type for image in project.images])
        timed("objects of all, from their data files", lambda: [image.read_objects() for image in project.images])
        timed("restore, where there is nothing to restore", lambda: restore(project))


if __name__ == "__main__":
    main()
