"""The NCT-CRC-HE benchmark on a few patches made in its layout."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks import nct_crc
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import read_checkpoint, write_checkpoint

CLASSES = ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def write_patches(folder: Path, mark: str, each: int = 2) -> None:
    """Noise around another colour for each class."""
    rng = np.random.default_rng(1)
    for index, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            colour = np.array([60 + 70 * (index % 3), 60 + 70 * (index // 3), 128])
            patch = np.clip(colour + rng.normal(0, 8, (64, 64, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{name}-{mark}{number}.tif"), patch)


@pytest.fixture
def both_sets(tmp_path: Path) -> Path:
    write_patches(tmp_path / "data" / "NCT-CRC-HE-100K", "AAA")
    write_patches(tmp_path / "data" / "CRC-VAL-HE-7K", "TCGA-BBB")
    return tmp_path / "data"


def test_trains_on_one_set_and_scores_on_the_other(both_sets: Path, tmp_path: Path) -> None:
    plan = replace(nct_crc.plan_of(CLASSES, None, "none", 2), side=64, batch=4)
    found = nct_crc.run(both_sets, plan, tmp_path / "out", "cpu")
    assert found["Cerberus"].images == 18
    assert found["colour only"].tasks["patch"].measures["accuracy"].value == 1
    page = (tmp_path / "out" / "nct-crc.md").read_text("utf-8")
    assert "18 patches of NCT-CRC-HE-100K" in page
    assert "| colour only | 1.000" in page
    assert "--start none --freeze none --steps 2" in page


def test_a_frozen_encoder_stays_what_it_was(both_sets: Path, tmp_path: Path) -> None:
    plan = replace(nct_crc.plan_of(CLASSES, None, "none", 2), side=64, batch=4)
    torch.manual_seed(3)
    before = Cerberus(network_for(plan))
    write_checkpoint(tmp_path / "start.pt", before, half=False)
    frozen = replace(plan, start=str(tmp_path / "start.pt"), freeze="encoder")
    nct_crc.run(both_sets, frozen, tmp_path / "out", "cpu")
    after = read_checkpoint(tmp_path / "out" / "last.pt")
    assert torch.equal(after.backbone.conv1.weight, before.backbone.conv1.weight)
    head = "decoder_head.Image-Class.conv2.weight"
    assert not torch.equal(after.state_dict()[head], before.state_dict()[head])


def test_says_which_set_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_patches(tmp_path / "data" / "NCT-CRC-HE-100K", "AAA", each=1)
    assert nct_crc.main(["--data", str(tmp_path / "data"), "--start", "none", "--out", str(tmp_path / "out")]) == 1
    assert "no patches of CRC-VAL-HE-7K" in capsys.readouterr().out


def test_a_random_encoder_is_not_frozen(both_sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nct_crc.main(["--data", str(both_sets), "--start", "none", "--freeze", "encoder"]) == 1
    assert "random encoder" in capsys.readouterr().out


def test_colours_are_learnt_from_an_even_choice_of_training_patches(
    both_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(nct_crc, "COLOUR_PATCHES", 1)
    monkeypatch.setattr(nct_crc, "fit_colours", lambda images, labels, classes: seen.extend(labels))
    nct_crc.colours_of(read_data_set(both_sets), CLASSES)
    assert seen == list(CLASSES)
