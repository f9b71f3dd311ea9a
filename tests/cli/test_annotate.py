"""`annotate`: options, what is printed where, exit codes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cerberus_annotate.network.registry import DEFAULT_MODEL, registered_models
from cerberus_annotate.qupath import open_project

from .conftest import Result, write_slide

Call = Callable[..., Result]


@pytest.fixture
def project(call: Call, slide: Path, tmp_path: Path) -> Path:
    path = tmp_path / "P" / "project.qpproj"
    assert call("create", path, slide).code == 0
    return path


def test_project_alone_is_the_annotate_command(call: Call, project: Path, stub: dict[str, Any]) -> None:
    result = call(project, "--json")
    assert result.code == 0
    content = result.json
    assert content["objects"] == {"Gland": 1, "Nucleus: Epithelial": 1}
    assert content["exit_code"] == 0
    assert content["model"] == {"name": "stub", "sha256": "0" * 64}
    (image,) = content["images"]
    assert (image["name"], image["id"], image["status"], image["reason"]) == ("one.tif", "1", "done", "")
    assert image["objects"] == content["objects"]
    assert image["seconds"] >= 0
    assert len(open_project(project).images[0].read_objects()) == 2


def test_the_folder_and_options_first_will_do(call: Call, project: Path, stub: dict[str, Any]) -> None:
    result = call("--tasks", "gland", project.parent, "--json")
    assert result.json["objects"] == {"Gland": 1}


def test_again_nothing_is_doubled(call: Call, project: Path, stub: dict[str, Any]) -> None:
    for _ in range(2):
        assert call("annotate", project, "--json").json["objects"] == {"Gland": 1, "Nucleus: Epithelial": 1}
    assert len(open_project(project).images[0].read_objects()) == 2


def test_the_summary_for_people_is_on_stdout_and_progress_on_stderr(
    call: Call, project: Path, stub: dict[str, Any]
) -> None:
    result = call(project)
    assert "1 image, 1 done" in result.out
    assert "Gland" in result.out
    assert "one.tif: 2 objects" in result.err
    quiet = call(project, "-q")
    assert (quiet.out, quiet.err) == ("", "")


def test_options_reach_the_network(call: Call, project: Path, stub: dict[str, Any]) -> None:
    wanted = {"model": "m", "device": "cpu", "precision": "fp32", "batch_size": 3, "geometry": "reference"}
    options = [text for key, value in wanted.items() for text in (f"--{key.replace('_', '-')}", value)]
    assert call(project, *options, "--tasks", "nuclei").code == 0
    assert {key: stub[key] for key in wanted} == wanted
    assert stub["tasks"] == ("nuclei",)


def test_failed_images_are_listed_with_their_reason(
    call: Call, project: Path, stub: dict[str, Any], tmp_path: Path
) -> None:
    call("create", project, write_slide(tmp_path / "two.tif"), write_slide(tmp_path / "three.tif", mpp=None))
    stub["fail_at"] = {"two.tif": RuntimeError("CUDA error 7")}
    result = call(project, "--json")
    assert result.code == 1
    assert [image["status"] for image in result.json["images"]] == ["done", "failed", "refused"]
    assert "2 of 3 images could not be done" in result.err
    assert "CUDA error 7" in result.err
    assert "--mpp" in result.err
    assert "Traceback" not in result.err
    stub["fail_at"] = {}
    assert call(project, "--mpp", "0.5").code == 0


def test_very_verbose_shows_where_it_failed(
    call: Call, project: Path, stub: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    stub["fail_at"] = {"one.tif": RuntimeError("CUDA error 7")}
    call(project, "-vv")
    assert "Traceback" in caplog.text


def test_dry_run_changes_nothing(call: Call, project: Path, stub: dict[str, Any]) -> None:
    before = {path: path.read_bytes() for path in project.parent.rglob("*") if path.is_file()}
    result = call(project, "--dry-run")
    assert result.code == 0
    assert "300 x 300" in result.out
    content = call(project, "--dry-run", "--json").json
    assert content["images"][0]["tiles"] == 1
    assert content["tasks"] == ["nuclei", "gland"]
    assert {path: path.read_bytes() for path in project.parent.rglob("*") if path.is_file()} == before


def test_interrupted(call: Call, project: Path, stub: dict[str, Any]) -> None:
    stub["fail_at"] = {"one.tif": KeyboardInterrupt()}
    result = call(project)
    assert result.code == 130
    assert "the same command goes on" in result.err
    assert "cut off" in call("runs", "list", project).out
    stub["fail_at"] = {}
    assert call(project, "--json").json["resumed"]


def test_a_labs_classes(call: Call, project: Path, stub: dict[str, Any], tmp_path: Path) -> None:
    mapping = tmp_path / "lab.toml"
    mapping.write_text('"Nucleus: Epithelial" = { name = "Tumour", colour = "#c80a00" }')
    assert call(project, "--classes", mapping, "--json").json["objects"] == {"Gland": 1, "Tumour": 1}
    listed = json.loads((project.parent / "classifiers" / "classes.json").read_text("utf-8"))
    assert "Tumour" in [entry["name"] for entry in listed["pathClasses"]]
    mapping.write_text('Nukleus = "x"')
    result = call(project, "--classes", mapping)
    assert result.code == 2
    assert '"Nucleus: Epithelial"' in result.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tasks", "cells"], "no task 'cells'"),
        (["--tasks", "lumen"], "has no task 'lumen'"),
        (["--tasks", ","], "no name is given"),
        (["--slides-dir", "nowhere"], "does not exist"),
        (["--regions", "here"], "names no regions"),
        (["--images", "nothing*"], "Its images: one.tif"),
        (["--mpp", "250"], "is no pixel size"),
        (["--mpp", "a,b"], "is no pixel size"),
        (["--device", "gpu"], "is no device"),
        (["--min-confidence", "2"], "0<=x<=1"),
        (["--nope"], "No such option"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_2(
    call: Call, project: Path, stub: dict[str, Any], arguments: list[str], sentence: str
) -> None:
    result = call(project, *arguments)
    assert result.code == 2
    assert sentence in result.err
    assert "Traceback" not in result.err


def test_unusable_projects(call: Call, stub: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "text.qpproj").write_text("not JSON")
    for path in (tmp_path / "none.qpproj", tmp_path, tmp_path / "text.qpproj"):
        result = call(path)
        assert result.code == 2
        assert result.err.startswith("Error: ")


def test_an_unreadable_data_file_fails_that_image_and_is_kept(
    call: Call, project: Path, stub: dict[str, Any], tmp_path: Path
) -> None:
    call("create", project, write_slide(tmp_path / "two.tif"))
    data = project.parent / "data" / "1" / "data.qpdata"
    data.write_bytes(data.read_bytes()[:200])
    before = data.read_bytes()
    result = call(project, "--json")
    assert result.code == 1
    assert [image["status"] for image in result.json["images"]] == ["failed", "done"]
    assert data.read_bytes() == before


def test_a_precision_that_the_device_has_not_is_wrong_usage(call: Call, project: Path) -> None:
    if not any(model.name == DEFAULT_MODEL for model in registered_models()):
        pytest.skip("the bundled weights are not there")
    result = call(project, "--precision", "fp16", "--device", "cpu")
    assert result.code == 2
    assert "fp16 is for GPUs" in result.err


def test_verbose_names_slide_pixel_size_and_regions(
    call: Call, project: Path, stub: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    call(project, "-v")
    assert "300 x 300 px of 0.5 x 0.5 µm (project), the tissue" in caplog.text


def test_a_dry_run_shows_whole_names(call: Call, stub: dict[str, Any], tmp_path: Path) -> None:
    name = "a very long name that a laboratory system made up " * 2
    call("create", tmp_path / "P", write_slide(tmp_path / f"{name}.tif"))
    shown = call(tmp_path / "P", "--dry-run").out
    assert "…" not in shown
    assert "0.5 (project)" in " ".join(shown.split())


def test_a_model_that_is_not_there(call: Call, project: Path) -> None:
    result = call(project, "--model", "no-such-model")
    assert result.code == 2
    assert "no model 'no-such-model'" in result.err


def test_a_real_slide_twice(call: Call, shared: Path, stub: dict[str, Any], tmp_path: Path) -> None:
    slide = tmp_path / "CMU 1.svs"
    shutil.copy(shared / "data" / "slides" / "CMU-1-Small-Region.svs", slide)
    call("create", tmp_path / "P", slide)
    for _ in range(2):
        assert call(tmp_path / "P", "--regions", "whole", "--json").json["objects"]["Gland"] == 1
