"""A plan tells what a run would do and writes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.plan import plan
from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath import Project

MakeProject = Callable[..., Project]


def expect(slide: Any, mpp: tuple[float, float], *, tasks: tuple[str, ...], areas: Any) -> tuple[int, float]:
    return 4, 2.5


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_area_tiles_and_pixel_size(make_project: MakeProject, model: Any) -> None:
    project = make_project()
    before = files_of(project.folder)
    planned = plan(project, model, Options(regions="whole"), expect)
    (image,) = planned.images
    assert (image.name, image.width, image.height) == ("one.tif", 600, 600)
    assert image.mpp == pytest.approx((0.5, 0.5))
    assert (image.mpp_from, image.regions) == ("project", "the whole image")
    assert image.area_mm2 == pytest.approx(0.09)
    assert (image.tiles, image.seconds) == (4, 2.5)
    assert planned.tasks == model.tasks
    assert planned.exit_code == 0
    assert files_of(project.folder) == before


def test_tiles_and_time_are_asked_for_the_regions(make_project: MakeProject, model: Any) -> None:
    asked = []

    def remember(slide: Any, mpp: tuple[float, float], *, tasks: tuple[str, ...], areas: Any) -> tuple[int, float]:
        asked.append((slide.path.name, mpp, tasks, areas))
        return 1, 1.0

    plan(make_project(), model, Options(tasks=("gland",)), remember)
    ((name, mpp, tasks, areas),) = asked
    assert (name, tasks) == ("one.tif", ("gland",))
    assert mpp == pytest.approx((0.5, 0.5))
    assert 0 < shapely.area(areas) < 600 * 600


def test_refusals_stand_beside_the_others(make_project: MakeProject, model: Any, tmp_path: Path) -> None:
    project = make_project("a.tif", "b.tif")
    (tmp_path / "a.tif").unlink()
    planned = plan(project, model, Options(), expect)
    assert "a.tif" in planned.images[0].refusal
    assert planned.images[1].regions == "the tissue"
    assert planned.exit_code == 1


def test_wrong_options_are_wrong_usage(make_project: MakeProject, model: Any) -> None:
    with pytest.raises(UsageError):
        plan(make_project(), model, Options(tasks=("cells",)), expect)
