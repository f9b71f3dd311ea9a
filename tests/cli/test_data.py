"""`data check`: what it prints, and its exit code."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Result

Call = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """GlaS as downloaded, of two images."""
    label = np.zeros((20, 30), np.uint8)
    label[2:9, 2:9] = 1
    for number in (1, 2):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"train_{number}.bmp")
        Image.fromarray(label).save(tmp_path / f"train_{number}_anno.bmp")
    return tmp_path


def test_a_set_in_order_ends_with_0_and_its_figures(call: Call, folder: Path) -> None:
    result = call("data", "check", folder)
    assert result.code == 0
    for figure in ("glas: 2 images (layout: glas)", "no commercial use", "train 2", "0.62", "glands 2", "Nothing"):
        assert figure in result.out


def test_a_set_with_a_problem_ends_with_1_and_says_it(call: Call, folder: Path) -> None:
    (folder / "train_2_anno.bmp").unlink()
    result = call("data", "check", folder)
    assert result.code == 1
    assert "train_2.bmp has no label." in result.out
    assert result.out.rstrip().endswith("1 problem.")


def test_json_has_the_same(call: Call, folder: Path) -> None:
    (folder / "train_2.bmp").unlink()
    result = call("data", "check", folder, "--json")
    assert result.code == 1
    assert result.json["layout"] == "glas"
    assert result.json["splits"] == {"train": 1}
    assert len(result.json["problems"]) == 1


def test_a_folder_in_no_layout_ends_with_2_and_the_layouts(call: Call, tmp_path: Path) -> None:
    result = call("data", "check", tmp_path)
    assert result.code == 2
    assert "manifest.csv" in result.err
    assert "Traceback" not in result.err
