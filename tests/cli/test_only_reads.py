"""What commands leave alone: slides, projects that are only read, and the network."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from shapely.geometry import box

from cerberus_annotate.qupath import PathClass, PathObject, open_project

from .conftest import Result

Call = Callable[..., Result]


@pytest.fixture
def project(call: Call, slide: Path, stub: dict[str, Any], tmp_path: Path) -> Path:
    """Pre-labelled, with a reviewed region."""
    path = tmp_path / "P" / "project.qpproj"
    assert call("create", path, slide).code == 0
    assert call(path, "--regions", "whole").code == 0
    opened = open_project(path)
    with opened.edit(opened.images[0]) as edit:
        edit.add(PathObject(box(50, 50, 250, 250), path_class=PathClass.of("Reviewed")))
    return path


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        ("harvest", "PROJECT", "-o", "OUT"),
        ("export", "PROJECT", "-o", "OUT"),
        ("report", "PROJECT", "-o", "OUT.html"),
        ("doctor", "PROJECT"),
        ("runs", "list", "PROJECT"),
        ("scripts", "differences", "PROJECT", "--image", "1", "-o", "OUT"),
    ],
    ids=lambda command: command[0],
)
def test_commands_that_read_change_nothing_in_the_project(
    call: Call, project: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    before = files_in(project.parent)
    places = {"PROJECT": str(project), "OUT": str(tmp_path / "out"), "OUT.html": str(tmp_path / "out.html")}
    assert call(*(places.get(word, word) for word in command)).code == 0
    assert files_in(project.parent) == before


def test_slides_are_never_written(call: Call, project: Path, slide: Path, tmp_path: Path) -> None:
    before, time = slide.read_bytes(), slide.stat().st_mtime_ns
    for command in (
        (project, "--tasks", "nuclei"),
        ("harvest", project, "-o", tmp_path / "out"),
        ("report", project, "-o", tmp_path / "report.html"),
        ("restore", project, "--force"),
    ):
        assert call(*command).code == 0
    assert (slide.read_bytes(), slide.stat().st_mtime_ns) == (before, time)


def test_no_connection_is_made(
    call: Call, project: Path, slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for command in (
        ("create", project, slide),
        (project, "--regions", "whole"),
        ("harvest", project, "-o", tmp_path / "out"),
        ("report", project, "-o", tmp_path / "report.html"),
        ("export", project, "-o", tmp_path / "objects"),
        ("doctor", project),
    ):
        assert call(*command).code == 0
