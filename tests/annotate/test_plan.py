"""A plan tells what a run would do and writes nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.plan import plan
from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath import Project

MakeProject = Callable[..., Project]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_area_tiles_and_pixel_size(make_project: MakeProject, model: Any) -> None:
    project = make_project()
    before = files_of(project.folder)
    planned = plan(project, model, Options(regions="whole"))
    (image,) = planned.images
    assert (image.name, image.width, image.height, image.tiles) == ("one.tif", 600, 600, 1)
    assert image.mpp == pytest.approx((0.5, 0.5))
    assert (image.mpp_from, image.regions) == ("project", "the whole image")
    assert image.area_mm2 == pytest.approx(0.09)
    assert image.seconds > 0
    assert planned.tasks == model.tasks
    assert planned.exit_code == 0
    assert files_of(project.folder) == before


def test_tiles_follow_the_models_pixel_size(make_project: MakeProject, model: Any) -> None:
    (image,) = plan(make_project(), replace(model, mpp=0.1), Options(regions="whole")).images
    assert image.tiles == 9


def test_refusals_stand_beside_the_others(make_project: MakeProject, model: Any, tmp_path: Path) -> None:
    project = make_project("a.tif", "b.tif")
    (tmp_path / "a.tif").unlink()
    planned = plan(project, model, Options())
    assert "a.tif" in planned.images[0].refusal
    assert planned.images[1].regions == "the tissue"
    assert planned.exit_code == 1


def test_wrong_options_are_wrong_usage(make_project: MakeProject, model: Any) -> None:
    with pytest.raises(UsageError):
        plan(make_project(), model, Options(tasks=("cells",)))
