"""The comparison as a command, on made-up data sets in the layouts of the real ones."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image

from benchmarks import compare
from benchmarks.compared_tables import macro_difference
from cerberus_annotate.learn.data.splits import ebhi_seg_split

SIDE = 64


def patient_of(split: str) -> str:
    return next(name for number in range(1000) if ebhi_seg_split(name := f"P{number}") == split)


def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two purple discs on pink, and their instance map."""
    rng = default_rng(seed)
    rgb = rng.normal((235, 190, 215), 6, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for index, place in enumerate(((20, 20), (44, 44)), start=1):
        cv2.circle(rgb, place, 12, (90, 50, 140), -1)
        cv2.circle(labels, place, 12, index, -1)
    return rgb, labels


def write_set(folder: Path, rows: list[dict[str, str]], binary: bool) -> Path:
    folder.mkdir()
    for seed, row in enumerate(rows):
        rgb, labels = picture(seed)
        row |= {"image": f"{row['name']}.png", "label": f"{row['name']}-label.png"}
        Image.fromarray(rgb).save(folder / row["image"])
        Image.fromarray((labels > 0).astype(np.uint8) * 255 if binary else labels).save(folder / row["label"])
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def ebhi(tmp_path: Path) -> Path:
    classes = ("normal", "polyp")
    rows = [
        {"name": f"{split}-{klass}", "klass": klass, "patient": patient_of(split), "dataset": "ebhi-seg", "mpp": ""}
        for split in ("train", "test")
        for klass in classes
    ]
    return write_set(tmp_path / "ebhi-seg", rows, binary=True)


@pytest.fixture
def glas(tmp_path: Path) -> Path:
    rows = [
        {"name": f"{split}_1", "split": split, "dataset": "glas", "mpp": "0.62", "grade_glas": "benign", "patient": "1"}
        for split in ("train", "testA")
    ]
    return write_set(tmp_path / "glas", rows, binary=False)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, setting in compare.SETTINGS.items():
        monkeypatch.setitem(compare.SETTINGS, name, replace(setting, crop=128, batch=2, steps=2))
    # the bundled model has its own tests
    monkeypatch.setattr(compare, "REGISTERED", {"ebhi-seg": "none-such", "glas": "none-such"})


def run(tmp_path: Path, experiment: str, data: Path, *more: str) -> tuple[int, Path]:
    page = tmp_path / "page.md"
    given = [experiment, "--data", str(data), "--out", str(tmp_path / "out"), "--page", str(page), "--threads", "1"]
    return compare.main([*given, *more]), page


def test_ebhi_seg_gives_a_page_with_every_network_and_what_needs_none(tmp_path: Path, ebhi: Path) -> None:
    status, page = run(tmp_path, "ebhi-seg", ebhi, "--models", "unet", "cerberus")
    assert status == 0
    text = page.read_text("utf-8")
    for row in (
        "U-Net, base width 16 | 2.01 M",
        "Cerberus, from scratch | 2.32 M",
        "| all foreground",
        "| colour only",
    ):
        assert row in text
    assert str(tmp_path) not in text
    content = json.loads(page.with_suffix(".json").read_text("utf-8"))
    assert content["steps"] == 2
    found = content["rows"]["all-foreground"]["test"]["semantic"]
    share = float((picture(0)[1] > 0).mean())
    assert found["precision"]["value"] == pytest.approx(share, abs=0.01)
    assert found["recall"]["value"] == 1
    assert set(content["rows"]["unet"]["test"]["semantic"]["per_class"]) == {"normal", "polyp"}


def test_glas_gives_the_challenge_s_measures_beside_published_ones(tmp_path: Path, glas: Path) -> None:
    status, page = run(tmp_path, "glas", glas, "--models", "segnet", "medt", "cerberus")
    assert status == 0
    text = page.read_text("utf-8")
    for row in ("SegNet, base width 16", "MedT, 128 px", "Cerberus, from scratch", "MILD-Net | – | – | – | 0.914"):
        assert row in text
    content = json.loads(page.with_suffix(".json").read_text("utf-8"))
    assert set(content["rows"]["medt"]["testA"]["gland"]) >= {"object_f1", "object_dice", "object_hausdorff"}


def test_what_is_finished_is_neither_trained_nor_scored_again(
    tmp_path: Path, glas: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, "glas", glas, "--models", "unet")
    capsys.readouterr()
    monkeypatch.setattr("benchmarks.contenders.train", lambda *_, **__: pytest.fail("trained again"))
    status, page = run(tmp_path, "glas", glas, "--models", "unet")
    assert status == 0
    assert "scoring" not in capsys.readouterr().out
    assert "U-Net" in page.read_text("utf-8")


def test_a_folder_without_test_images_is_refused_in_a_sentence(
    tmp_path: Path, glas: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = glas / "manifest.csv"
    manifest.write_text("\n".join(line for line in manifest.read_text().splitlines() if "testA" not in line) + "\n")
    status, page = run(tmp_path, "glas", glas)
    assert status == 1
    assert "no image of the split testA or testB" in capsys.readouterr().out
    assert not page.exists()


def test_a_difference_is_of_class_means_on_the_same_images() -> None:
    ours = {"a": {"dice": 0.9}, "b": {"dice": 0.7}, "c": {"dice": 0.5}}
    others = {"a": {"dice": 0.8}, "b": {"dice": 0.8}, "c": {"dice": 0.2}}
    estimate = macro_difference(ours, others, {"a": "polyp", "b": "polyp", "c": "normal"})
    assert estimate.value == pytest.approx((0.0 + 0.3) / 2)
    assert estimate.low <= estimate.value <= estimate.high
