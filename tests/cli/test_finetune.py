"""`finetune`: a model with its lineage and report, and what is refused before anything is registered."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import write_checkpoint
from cerberus_annotate.network.registry import default_model, read_lineage

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


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A small untrained network that knows glands."""
    torch.manual_seed(1)
    config = network_for(Plan("parent", (DataPlan("made"),), tasks=("gland",)))
    small = replace(config, widths=(8, 8, 16, 16, 16), head_width=8, blocks=(1, 1, 1, 1))
    write_checkpoint(tmp_path / "parent.pt", Cerberus(small))
    return tmp_path / "parent.pt"


def slides(folder: Path, count: int = 4) -> Path:
    """A square gland on each of several slides, the last of them for the gate."""
    folder.mkdir()
    rgb, label = np.full((96, 96, 3), 230, np.uint8), np.zeros((96, 96), np.uint8)
    rgb[20:70, 20:70], label[20:70, 20:70] = (120, 60, 150), 1
    Image.fromarray(rgb).save(folder / "a.png")
    Image.fromarray(label).save(folder / "a-label.png")
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "image", "glands", "mpp", "split", "patient"])
        for number in range(count):
            split = "test" if number == count - 1 else "train"
            rows.writerow([f"slide-{number}", "a.png", "a-label.png", "0.5", split, f"slide-{number}"])
    return folder


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_model_that_is_not_better_is_kept_with_its_lineage_and_is_not_the_default(
    call: Call, tmp_path: Path, parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerberus_annotate.learn.finetuning.lesson.SIDE", 64)
    arguments = ["finetune", slides(tmp_path / "h"), "--name", "lab", "--from", parent, "--steps", "2"]
    more = ["--accelerator", "cpu", "--test", slides(tmp_path / "more"), "--json"]
    result = call(*arguments, *more)
    assert result.code == 0, result.err
    told = result.json
    assert (told["name"], told["better"], told["default"], told["steps"]) == ("lab", False, False, 2)
    assert {figure["data"] for figure in told["figures"]} == {"held out", "more"}
    assert told["held_out"] == {"images": 1, "by": "slide"}
    assert default_model() == "cerberus-small"
    lineage = read_lineage("lab")
    assert (lineage.parent, lineage.better, lineage.seed) == (str(parent), False, 1)
    assert [(harvest.folder, harvest.images) for harvest in lineage.harvests] == [("h", 4)]
    report = (tmp_path / "finetune-lab" / "report.md").read_text("utf-8")
    assert told["reason"] in report
    assert "### more" in report
    assert json.loads((tmp_path / "finetune-lab" / "report.json").read_text("utf-8")) == told


def test_places_that_are_labelled_in_two_ways_are_named_and_counted(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = tuple(f"The slide s{number} is labelled in two ways." for number in range(5))
    monkeypatch.setattr("cerberus_annotate.harvest.contradictions.contradictions", lambda _: sentences)
    result = call("finetune", slides(tmp_path / "h"), "--name", "lab")
    assert result.code == 2
    assert "Nothing was learnt: one place teaches two things. The slide s0" in result.err
    assert "And 2 more such places." in result.err


def test_what_is_learnt_is_not_measured_on(call: Call, tmp_path: Path) -> None:
    more = labelled(tmp_path / "more", "nuclei")
    result = call("finetune", labelled(tmp_path / "h", "nuclei"), "--name", "lab", "--replay", more, "--test", more)
    assert result.code == 2
    assert "would be measured on what it learns" in result.err
