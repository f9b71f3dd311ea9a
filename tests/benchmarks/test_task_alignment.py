"""Tasks alone and beside others: every arm sees as many glands, is trained once, and is compared image by image."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import task_alignment
from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.plan import Plan
from cerberus_annotate.network.config import NetworkConfig

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def made_set(folder: Path) -> DataSet:
    """Two images a split, labelled as the shared set of that name is."""
    rng = np.random.default_rng(1)

    def image(split: str, number: int) -> LabelledImage:
        rgb = rng.integers(90, 230, (96, 96, 3)).astype(np.uint8)
        objects = np.zeros((96, 96), np.int32)
        objects[20:60, 20:60] = 1
        labels = {"glas": {"glands": objects}, "ebhi-seg": {"patch_class": "a"}}.get(folder.name, {"nuclei": objects})
        return LabelledImage(f"{split}-{number}", folder.name, split, 0.5, rgb, **labels)  # type: ignore[arg-type]

    images = [image(split, number) for split in ("train", "test", "testA", "stage1_train") for number in range(2)]
    entries = tuple(Entry(i.name, i.split, None, i.patch_class, lambda i=i: i) for i in images)
    return DataSet(folder.name, "made", "", "", entries, ("a", "b") if folder.name == "ebhi-seg" else ())


def narrow(plan: Plan) -> NetworkConfig:
    return replace(network_for(plan), widths=(8, 8, 16, 16, 16), head_width=8, blocks=(1, 1, 1, 1))


def test_every_gland_arm_has_as_many_gland_crops_a_step_but_the_one_that_says_so() -> None:
    for name, arm in task_alignment.ARMS.items():
        if "gland" in arm.tasks:
            share = task_alignment.GLAS.share / sum(part.share for part in arm.data)
            expected = task_alignment.GLAND_CROPS * (2 if "twice" in name else 1)
            assert arm.crops * share == expected


def test_a_difference_is_paired_by_image() -> None:
    # hits, false alarms and misses of two images, on which the arms differ by the same one hit
    base = np.array([[8.0, 1, 2], [1, 5, 9]])
    better = base + np.array([1, 0, -1])
    same = task_alignment.paired(base, base, metrics.object_f1)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    gained = task_alignment.paired(better, base, metrics.object_f1)
    assert gained.value == pytest.approx(22 / 37 - 18 / 35)
    assert gained.low > 0


def test_all_arms_run_and_are_not_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_alignment, "read_data_set", made_set)
    monkeypatch.setattr(task_alignment, "SIDE", 64)
    monkeypatch.setattr(task_alignment, "network_for", narrow)
    page = tmp_path / "page.md"
    given = ["--data", str(tmp_path), "--steps", "1", "--out", str(tmp_path / "out"), "--page", str(page)]
    task_alignment.main(given)
    text = page.read_text("utf-8")
    for name in task_alignment.ARMS:
        assert f"\n| {name} (1) | " in text
    page.write_text(text + "\n## What it says\n\nNothing yet.\n", "utf-8")
    monkeypatch.setattr(task_alignment, "train", lambda *given, **named: pytest.fail("trained again"))
    task_alignment.main(given)
    again = page.read_text("utf-8")
    assert again.startswith(text.rstrip("\n"))
    assert again.rstrip().endswith("Nothing yet.")
    arms = json.loads(page.with_suffix(".json").read_text("utf-8"))["arms"]
    assert [arm["arm"] for arm in arms] == list(task_alignment.ARMS)
