"""A whole run of the command over a project, by either engine."""

import dataclasses
import shutil
from collections import Counter
from pathlib import Path

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.annotate.undo import remove_run
from cerberus_annotate.qupath import PathClass, PathObject, create_project, open_project
from cerberus_annotate.slide.pyramid import write_pyramid
from tests.annotate.conftest import MPP, StubModel, StubPredictor, picture

WHOLE = Options(regions="whole")


def content(objects: list[PathObject]) -> Counter[tuple[object, ...]]:
    """What must be the same although every run gives its objects new UUIDs."""
    return Counter(
        (item.kind, item.path_class, item.locked, item.roi.wkb, tuple(item.measurements), tuple(sorted(item.metadata)))
        for item in objects
    )


def test_runs_reruns_and_their_removal_end_in_the_same_objects(writing_qupath: str, tmp_path: Path) -> None:
    write_pyramid(tmp_path / "one.tif", picture(), MPP)
    native = create_project(tmp_path / "native")
    add_slide(native, describe_slide(tmp_path / "one.tif"))
    shutil.copytree(native.folder, tmp_path / "paquo")
    projects = open_project(native.folder), open_project(tmp_path / "paquo", "paquo")
    for shift in (0.0, 3.0):
        seen = []
        for project in projects:
            first = run(project, StubModel(), WHOLE, StubPredictor(shift))
            assert first.exit_code == 0
            image = project.images[0]
            seen.append(content(open_project(project.folder).images[0].read_objects()))
            # What the pathologist does stays in the next round.
            corrected = next(item for item in image.read_objects() if item.path_class.base == "Nucleus")
            with project.edit(image) as edit:
                edit.replace(dataclasses.replace(corrected, path_class=PathClass.of("Mitosis"), locked=True))
        assert seen[0] == seen[1]
    for project in projects:
        last = run(project, StubModel(), WHOLE, StubPredictor(9.0))
        assert len(remove_run(project, last.run.id)) == 1
    left = [content(open_project(project.folder).images[0].read_objects()) for project in projects]
    assert left[0] == left[1]
    assert sum(count for key, count in left[0].items() if key[1] == PathClass.of("Mitosis")) == 2
