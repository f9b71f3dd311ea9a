"""`serve`: what is made ready before it listens, and what is said."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from cerberus_annotate.qupath import PathObject
from cerberus_annotate.serve.live import Answer, Question

from .conftest import Result

Call = Callable[..., Result]
REGION = PathObject(roi=box(80, 80, 200, 200), roi_kind="Rectangle")


@pytest.fixture
def project(call: Call, slide: Path, tmp_path: Path) -> Path:
    path = tmp_path / "a project" / "project.qpproj"
    assert call("create", path, slide).code == 0
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """Answers to a region that somebody asks for as soon as the service is ready."""
    pytest.importorskip("uvicorn", reason="needs the extra `serve`")
    answers: list[Answer] = []

    def listen(ask: Any, project: Path, port: int, ready: Any) -> None:
        ready(port or 4711, Path("announcement.json"))
        answers.append(ask(Question("1", (REGION.uuid,), (REGION,))))

    monkeypatch.setattr("cerberus_annotate.serve.listening.listen", listen)
    return answers


def test_options_reach_the_answers(call: Call, project: Path, stub: dict[str, Any], asked: list[Answer]) -> None:
    result = call("serve", project, "--tasks", "nuclei", "--nuclei-as", "detections", "--device", "cpu")
    assert result.code == 0
    assert "stub on cpu is ready" in result.out
    assert "run annotate_live" in result.out
    (answer,) = asked
    assert [(str(obj.path_class), obj.kind) for obj in answer.add] == [("Nucleus: Epithelial", "detection")]
    assert "finished" in call("runs", "list", project).out


def test_json_tells_where_it_listens(call: Call, project: Path, stub: dict[str, Any], asked: list[Answer]) -> None:
    told = call("serve", project, "--json", "--port", "8123").json
    assert told == {"project": str(project), "model": "stub", "port": 8123, "announcement": "announcement.json"}


def test_confidence_and_class_names(
    call: Call, project: Path, stub: dict[str, Any], asked: list[Answer], tmp_path: Path
) -> None:
    mapping = tmp_path / "lab.toml"
    mapping.write_text('"Nucleus: Epithelial" = "Tumour"')
    call("serve", project, "--classes", mapping, "--min-confidence", "0.85")
    assert [str(obj.path_class) for obj in asked[0].add] == ["Tumour"]


def test_wrong_usage_is_a_sentence(call: Call, project: Path, stub: dict[str, Any], asked: list[Answer]) -> None:
    for arguments, sentence in ((["--tasks", "lumen"], "has no task 'lumen'"), (["--port", "99999"], "0<=x<=65535")):
        result = call("serve", project, *arguments)
        assert result.code == 2
        assert sentence in result.err
    assert call("serve", project.parent / "none.qpproj").code == 2


def test_without_the_extra_it_says_what_to_install(
    call: Call, project: Path, stub: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = call("serve", project)
    assert result.code == 2
    assert "pip install 'cerberus-annotate[serve]'" in result.err
