"""`report`: what is written and printed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .conftest import Result

Call = Callable[..., Result]


def test_one_file_and_a_line(call: Call, slide: Path, stub: dict[str, Any], tmp_path: Path) -> None:
    project = tmp_path / "P" / "project.qpproj"
    assert call("create", project, slide).code == 0
    assert call(project, "--regions", "whole").code == 0
    result = call("report", project, "-o", tmp_path / "r.html", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.json == {
        "images": 1,
        "objects": 2,
        "differences": {},
        "failed": [],
        "out": str(tmp_path / "r.html"),
    }
    html = (tmp_path / "r.html").read_text("utf-8")
    assert "Nucleus: Epithelial" in html
    refused = call("report", project, "-o", project)
    assert refused.code == 2
    assert ".html" in refused.err
    assert call("runs", "list", project).code == 0
    slide.unlink()
    gone = call("report", project, "-o", tmp_path / "r.html")
    assert gone.code == 1
    assert "one.tif" in gone.err
