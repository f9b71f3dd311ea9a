"""In a project of 1,000 images nothing is opened that the command does not need."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cerberus_annotate.slide
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.rewriting import rewrite_run
from cerberus_annotate.annotate.run import run
from cerberus_annotate.annotate.undo import remove_run, restore
from cerberus_annotate.qupath import Project, open_project
from cerberus_annotate.qupath.native.project_file import load_project, save_project

MakeProject = Callable[..., Project]
COUNT = 1000
WHOLE = Options(regions="whole")


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """Two images with slides, and many without slide whose data file is no data file: touching one is an error."""
    made = make_project("first.tif", "second.tif")
    content = load_project(made.path)
    for number in range(3, COUNT + 1):
        entry = copy.deepcopy(content["images"][0])
        entry.update(entryID=number, imageName=f"other {number}.tif")
        entry["serverBuilder"]["uri"] = f"file:/gone/other%20{number}.tif"
        content["images"].append(entry)
        folder = made.folder / "data" / str(number)
        folder.mkdir()
        (folder / "data.qpdata").write_bytes(b"not to be read")
    content["lastID"] = COUNT
    save_project(made.path, content)
    return open_project(made.path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the slides that were opened, in order."""
    names: list[str] = []
    open_slide = cerberus_annotate.slide.open_slide

    def counting(path: Path, **arguments: Any) -> Any:
        names.append(path.name)
        return open_slide(path, **arguments)

    monkeypatch.setattr(cerberus_annotate.slide, "open_slide", counting)
    return names


def test_to_open_and_list_it_no_slide_is_opened(project: Project, opened: list[str]) -> None:
    assert len({image.name for image in project.images}) == COUNT
    assert {(image.width, image.pixel_size) for image in project.images} == {(600, (0.5, 0.5))}
    assert all(image.has_data for image in project.images)
    assert opened == []


def test_a_run_opens_the_chosen_slides_once(project: Project, opened: list[str], model: Any, predict: Any) -> None:
    summary = run(project, model, replace(WHOLE, images=("second*",)), predict)
    assert summary.exit_code == 0
    assert opened == ["second.tif"]


def test_a_run_that_goes_on_opens_what_is_left(project: Project, opened: list[str], model: Any, predict: Any) -> None:
    options = replace(WHOLE, images=("first.tif", "second.tif"))

    def cut_off(slide: Any, *arguments: Any, **named: Any) -> Any:
        if slide.path.name == "second.tif":
            raise KeyboardInterrupt
        return predict(slide, *arguments, **named)

    with pytest.raises(KeyboardInterrupt):
        run(project, model, options, cut_off)
    opened.clear()
    assert run(project, model, options, predict).resumed
    assert opened == ["second.tif"]


def test_the_way_back_needs_no_slide(project: Project, opened: list[str], model: Any, predict: Any) -> None:
    data = project.images[0].data_path
    before = data.read_bytes()
    run_id = run(project, model, replace(WHOLE, images=("first*",)), predict).run.id
    opened.clear()
    data.write_bytes(before)  # QuPath saves its older state
    assert [image.written for image in rewrite_run(project, run_id)] == [38]
    assert [image.changed for image in restore(project)] == [True]
    assert [image.failed for image in remove_run(project, run_id)] == [False]
    assert opened == []
