"""`finetune`: what it refuses, and that nothing is registered then."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Result

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def labelled(folder: Path, task: str) -> Path:
    folder.mkdir()
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(folder / "a.png")
    Image.fromarray(np.pad(np.ones((20, 20), np.uint8), 22)).save(folder / "a-label.png")
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([["image", "label", "task", "mpp", "split"], ["a.png", "a-label.png", task, "0.5", "train"]])
    return folder


def test_a_folder_that_is_no_harvest_is_a_sentence(call: Call, tmp_path: Path) -> None:
    result = call("finetune", tmp_path / "none", "--name", "lab")
    assert result.code == 2
    assert "none" in result.err
    assert "Traceback" not in result.err


def test_a_name_that_is_taken_is_refused_before_anything_is_learnt(call: Call, tmp_path: Path) -> None:
    result = call("finetune", labelled(tmp_path / "h", "nuclei"), "--name", "cerberus-small")
    assert result.code == 2
    assert "There is a model 'cerberus-small' already" in result.err
    assert not (tmp_path / "finetune-cerberus-small").exists()


def test_labels_that_the_model_has_no_head_for_are_a_sentence(call: Call, tmp_path: Path) -> None:
    result = call("finetune", labelled(tmp_path / "h", "mask"), "--name", "lab", "--accelerator", "cpu")
    assert result.code == 2
    assert "The harvest teaches nothing that cerberus-small can learn" in result.err
    assert not (tmp_path / "home" / "models").exists()
