"""`create`, `demo`, `runs`, `restore`, `models`, `doctor`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cerberus_annotate.network.registry import DEFAULT_MODEL, registered_models
from cerberus_annotate.qupath import open_project

from .conftest import Result, write_slide

Call = Callable[..., Result]


def objects(project: Path) -> int:
    return len(open_project(project).images[0].read_objects())


class TestCreate:
    def test_makes_folders_and_tells_what_to_do_next(self, call: Call, slide: Path, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "er" / "project.qpproj"
        result = call("create", path, slide)
        assert result.code == 0
        assert "one.tif: added; 300 x 300 px, 0.5 µm/px" in result.out
        assert f"Next: cerberus-annotate {path}" in result.out
        assert "is in the project already" in call("create", path, slide).out

    def test_one_that_cannot_be_opened_does_not_stop_the_others(self, call: Call, slide: Path, tmp_path: Path) -> None:
        result = call("create", tmp_path / "P", tmp_path / "none.svs", slide, "--json")
        assert result.code == 1
        assert [image["name"] for image in result.json["images"]] == ["one.tif"]
        assert "none.svs" in result.json["failed"][0]["reason"]

    @pytest.mark.parametrize("arguments", [("create", "P", "none.svs"), ("demo", "P", "--slide", "none.svs")])
    def test_slides_that_all_fail_leave_no_project_behind(
        self, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        result = call(*arguments)
        assert result.code != 0
        assert "none.svs" in result.err
        assert not (tmp_path / "P").exists()

    def test_a_slide_that_is_there_keeps_the_pixel_size_of_the_project(self, call: Call, tmp_path: Path) -> None:
        slide = write_slide(tmp_path / "one.tif", mpp=None)
        call("create", tmp_path / "P", slide, "--mpp", "0.25")
        assert call("create", tmp_path / "P", slide, "--json").json["images"][0]["mpp"] == [0.25, 0.25]

    def test_needs_a_slide(self, call: Call, tmp_path: Path) -> None:
        assert call("create", tmp_path / "P").code == 2


class TestDemo:
    def test_project_objects_and_picture(self, call: Call, stub: dict[str, Any], tmp_path: Path) -> None:
        result = call("demo", tmp_path / "demo")
        assert result.code == 0
        assert "overlay.png" in result.out
        assert (tmp_path / "demo" / "overlay.png").read_bytes().startswith(b"\x89PNG")
        assert objects(tmp_path / "demo") > 0
        assert call("demo", tmp_path / "demo", "--json").json["objects"]

    def test_with_the_bundled_model_and_again(self, call: Call, tmp_path: Path) -> None:
        if not any(model.name == DEFAULT_MODEL for model in registered_models()):
            pytest.skip("the bundled weights are not there")
        first = call("demo", tmp_path / "demo", "--device", "cpu", "--json")
        assert first.code == 0
        assert sum(first.json["objects"].values()) > 50
        data = tmp_path / "demo" / "data" / "1" / "data.qpdata"
        before = data.read_bytes()
        again = call(tmp_path / "demo", "--device", "cpu", "--json")
        assert again.json["objects"] == first.json["objects"]
        assert data.read_bytes() == before

    def test_in_a_project_file_of_any_name(self, call: Call, stub: dict[str, Any], tmp_path: Path) -> None:
        assert call("demo", tmp_path / "first" / "look.qpproj").code == 0
        assert (tmp_path / "first" / "colon.tif").exists()

    def test_own_slide(self, call: Call, stub: dict[str, Any], tmp_path: Path) -> None:
        slide = write_slide(tmp_path / "mine [a].tif", mpp=None)
        result = call("demo", "--slide", slide, tmp_path / "demo", "--json")
        assert result.code == result.json["exit_code"] == 1
        assert "--mpp" in result.json["images"][0]["reason"]
        assert "--mpp" in call("demo", "--slide", slide, tmp_path / "demo").err
        result = call("demo", "--slide", slide, "--mpp", "0.5", tmp_path / "demo", "--json")
        assert [image["name"] for image in result.json["images"]] == ["mine [a].tif"]


class TestWayBack:
    @pytest.fixture
    def project(self, call: Call, slide: Path, stub: dict[str, Any], tmp_path: Path) -> Path:
        call("create", tmp_path / "P", slide)
        call(tmp_path / "P")
        return tmp_path / "P"

    def test_list_and_remove(self, call: Call, project: Path) -> None:
        (run,) = call("runs", "list", project, "--json").json["runs"]
        assert run["state"] == "finished"
        assert f"{run['id']}" in call("runs", "list", project).out
        result = call("runs", "remove", project, run["id"])
        assert "2 objects removed" in result.out
        assert objects(project) == 0
        assert "(removed)" in call("runs", "list", project).out
        assert "nothing in this project" in call("runs", "remove", project, run["id"]).out

    def test_unknown_run(self, call: Call, project: Path) -> None:
        result = call("runs", "remove", project, "x")
        assert result.code == 2
        assert "no run 'x'" in result.err

    def test_restore(self, call: Call, project: Path) -> None:
        assert call("restore", project, "--image", "one*").code == 0
        assert objects(project) == 0
        again = call("restore", project)
        assert again.code == 0
        assert "is already" in again.out

    def test_restore_refuses_to_lose_a_correction(self, call: Call, project: Path) -> None:
        opened = open_project(project)
        with opened.edit(opened.images[0]) as edit:
            edit.remove(opened.images[0].read_objects()[0].uuid)
        result = call("restore", project)
        assert result.code == 1
        assert "--force" in result.err
        assert objects(project) == 1
        assert call("restore", project, "--force").code == 0


class TestSavedOverByQuPath:
    @pytest.fixture
    def project(self, call: Call, stub: dict[str, Any], slide: Path, tmp_path: Path) -> Path:
        """A project whose image was open in QuPath during the run, and was saved there afterwards."""
        path = tmp_path / "P" / "project.qpproj"
        call("create", path, slide)
        data = open_project(path).images[0].data_path
        before = data.read_bytes()
        call(path)
        data.write_bytes(before)
        return path

    def test_doctor_tells_and_what_it_says_helps(self, call: Call, project: Path) -> None:
        (run,) = call("runs", "list", project, "--json").json["runs"]
        told = call("doctor", project).out
        assert f"Note: one.tif: QuPath saved over run {run['id']}: 2 objects are not in the data" in told
        assert f"`cerberus-annotate runs rewrite PROJECT {run['id']}` writes them again" in told
        assert call("runs", "rewrite", project, run["id"]).out == "one.tif: 2 objects written again\n"
        assert objects(project) == 2
        assert "saved over" not in call("doctor", project).out
        assert call("runs", "rewrite", project, run["id"]).out == f"QuPath has saved over nothing of run {run['id']}.\n"

    def test_the_next_run_tells(self, call: Call, project: Path) -> None:
        result = call(project)
        assert "Note: QuPath saved over run" in result.err
        assert objects(project) == 2

    def test_json(self, call: Call, project: Path) -> None:
        (run,) = call("runs", "list", project, "--json").json["runs"]
        content = call("runs", "rewrite", project, run["id"], "--json").json
        (image,) = content["images"]
        assert (image["name"], image["written"], image["failed"], content["exit_code"]) == ("one.tif", 2, False, 0)

    def test_an_unknown_run(self, call: Call, project: Path) -> None:
        result = call("runs", "rewrite", project, "x")
        assert result.code == 2
        assert "no run 'x'" in result.err


class TestModels:
    def test_list(self, call: Call) -> None:
        content = call("models", "list", "--json").json
        assert {model["name"] for model in content["models"]} == {model.name for model in registered_models()}

    def test_import_and_info(self, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from cerberus_annotate.network.cerberus import Cerberus
        from cerberus_annotate.network.checkpoint import write_checkpoint
        from cerberus_annotate.network.config import lean_config

        monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "home"))
        write_checkpoint(tmp_path / "mine.pt", Cerberus(lean_config()))
        result = call("models", "import", tmp_path / "mine.pt", "--name", "lab")
        assert result.code == 0
        assert "lab  (imported)" in call("models", "list").out
        content = call("models", "info", "lab", "--json").json
        assert content["tasks"] == ["nuclei", "gland", "lumen"]
        assert content["mpp"] == 0.25
        assert content["weak_labels"] == []
        assert call("models", "import", tmp_path / "mine.pt", "--name", "lab").code == 2

    def test_no_checkpoint(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "bad.pt").write_bytes(b"no weights")
        for source in (tmp_path / "bad.pt", tmp_path / "none", tmp_path):
            result = call("models", "import", source)
            assert result.code == 2
            assert result.err.startswith("Error: ")


class TestDoctor:
    def test_the_installation(self, call: Call) -> None:
        result = call("doctor", "--json")
        content = result.json
        assert content["versions"]["torch"]
        assert content["device"].startswith(("cuda", "mps")) or "no GPU: " in content["device"]
        has_model = any(model.name == DEFAULT_MODEL for model in registered_models())
        assert bool(content["model"]) == has_model
        assert result.code == content["exit_code"] == int(not has_model)

    def test_every_trouble_of_a_project_with_its_mend(
        self, call: Call, slide: Path, stub: dict[str, Any], tmp_path: Path
    ) -> None:
        slides = [slide, *(write_slide(tmp_path / f"{name}.tif") for name in ("missing", "broken", "unset"))]
        slides.append(write_slide(tmp_path / "no size.tif", mpp=None))
        call("create", tmp_path / "P", *slides)
        (tmp_path / "missing.tif").unlink()
        data = tmp_path / "P" / "data"
        (data / "3" / "data.qpdata").write_bytes(b"broken")
        (data / "4" / "data.qpdata").unlink()
        result = call("doctor", tmp_path / "P", "--json")
        assert result.code == 1
        told: dict[str, str] = {}
        for problem in result.json["problems"]:
            told[problem["image"]] = told.get(problem["image"], "") + problem["problem"]
        assert "--slides-dir" in told["missing.tif"]
        assert "cannot be read" in told["broken.tif"]
        assert "set its type" in told["unset.tif"]
        assert "--mpp" in told["no size.tif"]
        assert "one.tif" not in told
        assert "Problem: missing.tif" in call("doctor", tmp_path / "P").out

    def test_a_broken_class_list_is_told_once(self, call: Call, slide: Path, tmp_path: Path) -> None:
        call("create", tmp_path / "P", slide, write_slide(tmp_path / "two.tif"))
        (tmp_path / "P" / "classifiers" / "classes.json").write_text("{")
        (problem,) = call("doctor", tmp_path / "P", "--json").json["problems"]
        assert problem["image"] == ""
        assert "The class list" in problem["problem"]

    def test_a_project_in_use(self, call: Call, slide: Path, tmp_path: Path) -> None:
        call("create", tmp_path / "P", slide)
        with open_project(tmp_path / "P").lock():
            result = call("doctor", tmp_path / "P", "--json")
        assert any("Another run is at work" in problem["problem"] for problem in result.json["problems"])

    def test_no_project(self, call: Call, tmp_path: Path) -> None:
        result = call("doctor", tmp_path / "none.qpproj")
        assert result.code == 1
        assert "Problem: " in result.out
