"""`harvest`: options, what is printed where, exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from cerberus_annotate.qupath import PathClass, PathObject, open_project

from .conftest import Result

Call = Callable[..., Result]


@pytest.fixture
def project(call: Call, slide: Path, stub: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "P" / "project.qpproj"
    assert call("create", path, slide).code == 0
    assert call(path, "--regions", "whole").code == 0
    return path


def mark(project: Path) -> None:
    opened = open_project(project)
    area = PathObject(roi=box(50, 50, 250, 250), roi_kind="Rectangle", path_class=PathClass.of("Reviewed", (9, 9, 9)))
    with opened.edit(opened.images[0]) as edit:
        edit.add(area)


def test_json_is_one_object_with_the_counts(call: Call, project: Path, tmp_path: Path) -> None:
    mark(project)
    result = call("harvest", project, "-o", tmp_path / "h", "--json")
    assert (result.code, result.err) == (0, "")
    kinds = dict.fromkeys(("accepted", "reshaped", "reclassified", "deleted", "added", "split", "merged"), 0)
    expected = {"images": 1, "regions": 1, "objects": {**kinds, "accepted": 2}, "out": str(tmp_path / "h")}
    assert result.json == expected


def test_a_table_for_people_by_class_slide_and_model(call: Call, project: Path, tmp_path: Path) -> None:
    mark(project)
    result = call("harvest", project, "-o", tmp_path / "h")
    assert result.code == 0
    assert "1 image, 1 region, 1 patch in" in result.out
    assert "1 added, 0 replaced, 0 unchanged, 0 removed" in result.out
    for row in ("class Gland", "class Nucleus: Epithelial", "slide one.tif", "model stub", "all objects"):
        assert row in result.out
    assert "100.0% of the reviewed predictions of stub stand as they were predicted" in result.out
    assert "0 added, 0 replaced, 1 unchanged" in call("harvest", project, "-o", tmp_path / "h").out


def test_nothing_reviewed_is_a_sentence_and_exit_code_1(call: Call, project: Path, tmp_path: Path) -> None:
    result = call("harvest", project, "-o", tmp_path / "h", "--json")
    assert result.code == 1
    assert result.json["images"] == 0
    assert "give an annotation around what you have looked at the class Reviewed" in result.err


def test_formats_and_tasks(call: Call, project: Path, tmp_path: Path) -> None:
    mark(project)
    result = call(
        "harvest", project, "-o", tmp_path / "h", "--tasks", "nuclei", "--format", "coco", "--format", "geojson"
    )
    assert result.code == 0
    coco = json.loads((tmp_path / "h" / "coco.json").read_text())
    assert len([one for one in coco["annotations"] if not one["iscrowd"]]) == 1
    assert "Also written" in result.out
    assert list((tmp_path / "h" / "geojson").iterdir())


def test_a_task_that_nobody_knows(call: Call, project: Path, tmp_path: Path) -> None:
    result = call("harvest", project, "-o", tmp_path / "h", "--tasks", "cells")
    assert result.code == 2
    assert "no task 'cells'" in result.err


def test_a_slide_that_is_gone(call: Call, project: Path, slide: Path, tmp_path: Path) -> None:
    mark(project)
    slide.unlink()
    result = call("harvest", project, "-o", tmp_path / "h")
    assert result.code == 1
    assert "one.tif" in result.err
    assert "Traceback" not in result.err
