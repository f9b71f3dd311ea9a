"""A harvest of a project with many images and objects.

    python benchmarks/harvest.py [--images 100] [--objects 5000]

Makes a project of that many images (one slide under many names) in a temporary folder, with nuclei as a run would have
written them, a tenth of them corrected, all of it marked as reviewed; harvests it twice, and tells time and memory.
Processor time stands beside wall time, because other work on the machine does not count there.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from shapely import affinity
from shapely.geometry import Point, box

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.run import Outcome, harvest
from cerberus_annotate.harvest.summary import summarise
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.qupath import PathClass, PathObject, Project, create_project
from cerberus_annotate.slide.pyramid import write_pyramid

STEP = 56
"""px from nucleus to nucleus at 0.25 µm/px: 5,100 a mm², dense tissue."""


@dataclass(frozen=True)
class Model:
    """What a run notes of a model."""

    name: str = "made-up"
    sha256: str = "0" * 64
    tasks: tuple[str, ...] = ("nuclei", "gland", "lumen")


def make_project(folder: Path, images: int, objects: int) -> Project:
    """A project whose images have `objects` nuclei each, a tenth of them moved by 2 px after the run."""
    count = round(objects**0.5)
    side = (count + 1) * STEP
    rng = np.random.default_rng(1)
    write_pyramid(
        folder / "0.tif", rng.normal((225, 170, 200), 12, (side, side, 3)).clip(0, 255).astype(np.uint8), 0.25
    )
    project = create_project(folder / "project")
    for number in range(images):
        if number:
            os.link(folder / "0.tif", folder / f"{number}.tif")
        add_slide(project, describe_slide(folder / f"{number}.tif"))
    shape = affinity.scale(Point(0, 0).buffer(12, quad_segs=6), 1.3, 1)
    places = [(x, y) for y in range(STEP, side - 28, STEP) for x in range(STEP, side - 28, STEP)]
    nuclei = [affinity.translate(affinity.rotate(shape, rng.uniform(0, 180)), x, y) for x, y in places]

    def predict(slide: Any, mpp: Any, *, tasks: Any, areas: Any, progress: Any) -> ObjectList:
        return ObjectList([PredictedObject("nuclei", "Nucleus: Epithelial", nucleus, 0.9) for nucleus in nuclei])

    run(project, Model(), Options(regions="whole"), predict)
    mark = PathObject(roi=box(0, 0, side, side), roi_kind="Rectangle", path_class=PathClass.of("Reviewed", (9, 9, 9)))
    for image in project.images:
        corrected = image.read_objects()[::10]
        with project.edit(image) as edit:
            for obj in corrected:
                edit.replace(replace(obj, roi=affinity.translate(obj.roi, 2, 0)))
            edit.add(mark)
    return project


def timed(what: str, work: Callable[[], Outcome]) -> None:
    """Prints what a harvest took and gave."""
    wall, processor = time.perf_counter(), time.process_time()
    outcome = work()
    spent = time.perf_counter() - wall, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    summary = summarise(outcome.harvest)
    print(
        f"{what}: {spent[0]:.1f} s ({spent[1]:.1f} s of processor), {memory:.2f} GB; {summary.images} images, "
        f"{summary.patches} patches, {sum(summary.objects.values()):,} objects; {outcome.changes}"
    )


def main() -> None:
    """Reads the arguments, makes the project, harvests it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--objects", type=int, default=5000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder), arguments.images, arguments.objects)
        out = Path(folder) / "harvest"
        timed("first harvest", lambda: harvest(project, out, HarvestOptions()))
        timed("the same again", lambda: harvest(project, out, HarvestOptions()))


if __name__ == "__main__":
    main()
