"""`scripts`: what is installed where, and the outlines of differences."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from cerberus_annotate.qupath import PathClass, PathObject, open_project, read_geojson

from .conftest import Result

Call = Callable[..., Result]


@pytest.fixture
def project(call: Call, slide: Path, stub: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "home"))
    path = tmp_path / "a project" / "project.qpproj"
    assert call("create", path, slide).code == 0
    assert call(path, "--regions", "whole").code == 0
    return path


def test_install_puts_the_scripts_where_qupath_looks(call: Call, project: Path, tmp_path: Path) -> None:
    result = call("scripts", "install", project)
    folder = project.parent / "scripts" / "cerberus"
    assert result.code == 0
    assert str(folder) in result.out
    assert (folder / "annotate_image.groovy").is_file()
    words = json.loads((tmp_path / "home" / "command.json").read_text("utf-8"))["command"]
    assert Path(words[0]).is_file()
    assert words[1:] == ["-m", "cerberus_annotate"]


def test_install_again_keeps_what_was_changed_and_says_so(call: Call, project: Path) -> None:
    call("scripts", "install", project)
    own = project.parent / "scripts" / "cerberus" / "harvest.groovy"
    own.write_text("println 1")
    result = call("scripts", "install", project)
    assert "harvest.groovy was changed here and stays" in result.out
    assert call("scripts", "install", project, "--json").json["scripts"]["harvest.groovy"] == "kept"
    assert own.read_text() == "println 1"


def test_no_project_is_a_sentence(call: Call, tmp_path: Path) -> None:
    result = call("scripts", "install", tmp_path / "none.qpproj")
    assert result.code == 2
    assert result.err.startswith("Error: ")


def test_differences_are_outlines_by_what_happened(call: Call, project: Path, tmp_path: Path) -> None:
    opened = open_project(project)
    image = opened.images[0]
    by_class = {str(obj.path_class): obj for obj in image.read_objects()}
    with opened.edit(image) as edit:
        edit.remove(by_class["Nucleus: Epithelial"].uuid)
        edit.replace(replace(by_class["Gland"], roi=box(90, 90, 150, 190), roi_kind="Polygon"))
        edit.add(PathObject(roi=box(200, 200, 210, 210), roi_kind="Polygon", path_class=PathClass.of("Nucleus")))
    out = tmp_path / "out dir" / "d.geojson"
    result = call("scripts", "differences", project, "--image", image.id, "-o", out, "--json")
    assert result.code == 0
    assert result.json["objects"] == {"deleted": 1, "reshaped": 1, "added": 1}
    found = sorted((str(obj.path_class), obj.name, obj.roi.area) for obj in read_geojson(out))
    assert found == [
        ("added", "corrected", 100),
        ("deleted", "predicted", 120),
        ("reshaped", "corrected", 6000),
        ("reshaped", "predicted", 10000),
    ]


def test_differences_of_an_image_that_is_not_there(call: Call, project: Path, tmp_path: Path) -> None:
    result = call("scripts", "differences", project, "--image", "77", "-o", tmp_path / "d.geojson")
    assert result.code == 2
    assert "no image with the entryID 77" in result.err
