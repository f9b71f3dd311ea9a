"""`benchmark speed`: the bundled network on a real picture; only the times are not looked at."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cerberus_annotate.slide.demo_slide import demo_picture, write_demo_slide
from cerberus_annotate.slide.pyramid import write_pyramid

from .conftest import Result

Call = Callable[..., Result]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go; little time is spent on the ceiling."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr("cerberus_annotate.speed.floor.CEILING_SECONDS", 0.0)
    return folder


def test_every_stage_of_a_slide_beside_its_floor(call: Call, temporary: Path, tmp_path: Path) -> None:
    slide = tmp_path / "slide.tif"
    write_demo_slide(slide)
    result = call("benchmark", "speed", "--slide", slide, "--tasks", "nuclei,gland", "--json")
    assert result.code == 0
    found = result.json
    assert set(found["stages"]) == {"read", "network", "extract", "join", "write", "end_to_end"}
    assert all(each["s_per_mm2"] > 0 for each in found["stages"].values())
    assert found["part"]["mm2"] == pytest.approx(512**2 * 0.25e-6, rel=0.01)
    assert found["part"]["overlap"] > 1
    assert found["floor"]["multiply_adds_per_px"] == 81_032
    assert found["floor"]["tflop_per_mm2"] == pytest.approx(2 * 81_032 * 4e6 / 1e12, abs=1e-3)
    assert set(found["floor"]["objects_per_mm2"]) == {"nuclei", "gland"}
    assert found["floor"]["objects_per_mm2"]["nuclei"] > 1000
    nuclei = found["floor"]["objects_per_mm2"]["nuclei"]
    # an outline alone is a dozen points of eight bytes, packed a third of it
    assert 30 * nuclei < found["sent_bytes_per_mm2"] < 2000 * nuclei
    assert 100 * nuclei < found["written_bytes_per_mm2"] < 2000 * nuclei
    assert not found["demo"]
    if found["precision"] != "fp32":
        assert found["agreement_with_fp32"]["nuclei"]["share"] > 0.98
    assert slide.is_file()
    # extraction processes and the like may stay, projects and slides may not
    assert not list(temporary.rglob("*.qpproj"))


def test_the_table_says_what_was_measured(call: Call, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cerberus_annotate.speed.sample.COPIES", 1)
    result = call("benchmark", "speed", "--tasks", "gland", "--precision", "fp32")
    assert result.code == 0
    for words in ("demo picture", "network", "TFLOP", "MB of pixels", "end to end", "of the ceiling", "fp32"):
        assert words in result.out
    assert not list(temporary.rglob("*.tif"))


def test_a_slide_without_a_pixel_size_asks_for_it(call: Call, temporary: Path, tmp_path: Path) -> None:
    write_pyramid(tmp_path / "slide.tif", demo_picture(), None)
    result = call("benchmark", "speed", "--slide", tmp_path / "slide.tif")
    assert result.code == 2
    assert "--mpp" in result.err


def test_what_cannot_be_measured_is_said_in_a_sentence(call: Call, temporary: Path, tmp_path: Path) -> None:
    result = call("benchmark", "speed", "--slide", tmp_path / "none.svs")
    assert result.code == 2
    assert "no such file" in result.err
    result = call("benchmark", "speed", "--tasks", "tissue")
    assert result.code == 2
    assert "has no head for 'tissue'" in result.err


def test_an_unknown_benchmark_is_refused(call: Call) -> None:
    result = call("benchmark", "sped")
    assert result.code == 2
    assert "sped" in result.err
