"""`review`: the bundled network over a small slide; what is printed where, exit codes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from shapely.geometry import box

from cerberus_annotate.qupath import PathClass, PathObject, open_project

from .conftest import Result, write_slide

Call = Callable[..., Result]


@pytest.fixture
def project(call: Call, slide: Path, tmp_path: Path) -> Path:
    path = tmp_path / "P" / "project.qpproj"
    assert call("create", path, slide, write_slide(tmp_path / "two.tif")).code == 0
    return path


@pytest.fixture
def propose(call: Call, project: Path, tmp_path: Path) -> Callable[..., Result]:
    """Calls `review` for small regions."""

    def run(*arguments: object) -> Result:
        out = tmp_path / "queue.html"
        return call("review", project, "--size", 50, "--device", "cpu", "-o", out, *arguments)

    return run


def test_json_is_one_object_with_the_regions(propose: Callable[..., Result], project: Path, tmp_path: Path) -> None:
    result = propose("--budget", 3, "--tasks", "nuclei", "--json")
    assert (result.code, result.err) == (0, "")
    assert set(result.json) == {"regions", "candidates", "out"}
    assert result.json["out"] == str(tmp_path / "queue.html")
    assert result.json["candidates"] >= 3
    assert [region["rank"] for region in result.json["regions"]] == [1, 2, 3]
    for region in result.json["regions"]:
        assert set(region) == {"rank", "image", "bounds", "score", "reason"}
        assert region["image"] in ("one.tif", "two.tif")
        assert all(0 <= value <= 300 for value in region["bounds"])
    written = [obj.name for image in open_project(project).images for obj in image.read_objects()]
    assert sorted(name or "" for name in written) == ["To review 1", "To review 2", "To review 3"]


def test_sentences_and_a_page_for_people(propose: Callable[..., Result], tmp_path: Path) -> None:
    result = propose("--budget", 2, "--images", "one*")
    assert result.code == 0
    assert "To review 1: one.tif, at " in result.out
    assert "To review 3" not in result.out
    assert "squares in 1 image were looked at." in result.out
    page = (tmp_path / "queue.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert "two.tif" not in page
    assert "http" not in page


def test_a_slide_that_is_gone(propose: Callable[..., Result], slide: Path, tmp_path: Path) -> None:
    slide.unlink()
    result = propose("--budget", 1, "--json")
    assert result.code == 1
    assert "one.tif" in result.err
    assert "Traceback" not in result.err
    assert [region["image"] for region in result.json["regions"]] == ["two.tif"]
    assert "one.tif" in (tmp_path / "queue.html").read_text()


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_nothing_left_is_a_sentence_and_exit_code_1(
    propose: Callable[..., Result], project: Path, options: tuple[str, ...]
) -> None:
    opened = open_project(project)
    for image in opened.images:
        with opened.edit(image) as edit:
            reviewed = PathClass.of("Reviewed", (9, 9, 9))
            edit.add(PathObject(roi=box(0, 0, 300, 300), roi_kind="Rectangle", path_class=reviewed))
    result = propose(*options)
    assert result.code == 1
    assert "No region is left to review." in result.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(("--tasks", "cells"), "'cells' cannot be reviewed"), (("--images", "no*"), "No image of the project")],
)
def test_wrong_usage(propose: Callable[..., Result], options: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    result = propose(*options)
    assert result.code == 2
    assert sentence in result.err
    assert not (tmp_path / "queue.html").exists()
