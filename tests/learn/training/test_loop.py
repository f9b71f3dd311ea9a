"""Training learns what it sees, resumes to the same numbers, and stops with a sentence where it cannot go on."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cerberus_annotate.errors import ModelError, UsageError
from cerberus_annotate.learn.data.labelled_image import Entry, LabelledImage
from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.drawing import drawn
from cerberus_annotate.learn.training import checkpoints
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.loop import train, write_weights
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.learn.training.sources import LazyImages
from cerberus_annotate.network import load_model
from cerberus_annotate.network.checkpoint import read_checkpoint
from cerberus_annotate.network.config import NetworkConfig
from cerberus_annotate.predict import predict_image
from cerberus_annotate.predict.pixels import predict_mask, predict_patch

MakeImage = Callable[..., LabelledImage]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

PLAN = Plan(
    "made", (DataPlan("made"),), tasks=("nuclei", "nucleus-types"), side=64, batch=4, steps=6, precision="32-true"
)


def narrow(plan: Plan) -> NetworkConfig:
    return replace(network_for(plan), widths=(8, 8, 16, 16, 16), head_width=8, blocks=(1, 1, 1, 1))


def run(plan: Plan, images: list[LabelledImage], out: Path) -> Path:
    return train(plan, [images], out, config=narrow(plan), accelerator="cpu")


def losses_of(out: Path) -> list[list[str]]:
    with (out / "losses.csv").open() as file:
        return [[row[0], *row[2:]] for row in csv.reader(file)]


def test_twenty_images_are_learnt_by_heart(make_image: MakeImage, tmp_path: Path) -> None:
    images = [make_image(seed) for seed in range(20)]
    plan = replace(PLAN, steps=200, rate=4e-3, average=0.9)
    model = load_model(write_weights(run(plan, images, tmp_path), tmp_path / "weights.pt"))
    dice = []
    for image in images[:4]:
        objects = predict_image(image.rgb, 0.25, model, precision="fp32")
        epithelial = [o for o in objects if o.path_class.endswith("Epithelial")]
        dice.append(metrics.dice(metrics.pixel_counts(image.nuclei, drawn(epithelial, image.nuclei.shape))))
    assert np.mean(dice) > 0.9


def test_a_resumed_run_gives_the_same_losses_and_weights(
    make_image: MakeImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerberus_annotate.learn.training.loop.LOG_EVERY", 1)
    monkeypatch.setattr("cerberus_annotate.learn.training.loop.rate_at", lambda step, plan: 1.0)
    images = [make_image(seed) for seed in range(4)]
    run(PLAN, images, tmp_path / "whole")
    run(replace(PLAN, steps=3), images, tmp_path / "parts")
    run(PLAN, images, tmp_path / "parts")
    assert losses_of(tmp_path / "whole") == losses_of(tmp_path / "parts")
    whole, parts = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "parts"))
    for name, value in whole["network"].items():
        assert torch.equal(value, parts["network"][name]), name
    assert read_checkpoint(tmp_path / "parts" / "last.pt").config == narrow(PLAN)


def test_a_checkpoint_of_another_plan_is_left_alone(make_image: MakeImage, tmp_path: Path) -> None:
    images = [make_image(1)]
    last = run(replace(PLAN, steps=1), images, tmp_path)
    before = last.read_bytes()
    with pytest.raises(UsageError, match=r"another plan \(`seed` differ\)"):
        run(replace(PLAN, seed=2), images, tmp_path)
    assert last.read_bytes() == before


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(
    make_image: MakeImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [make_image(1)]
    last = run(replace(PLAN, steps=1), images, tmp_path)
    before = last.read_bytes()
    monkeypatch.setattr(
        "cerberus_annotate.learn.training.objective.instance_loss", lambda logits, *_: logits.sum() * torch.nan
    )
    with pytest.raises(ModelError, match=r"step 2 is no number \(images made/made-1"):
        run(PLAN, images, tmp_path)
    assert last.read_bytes() == before


def test_a_full_disk_keeps_the_checkpoint_before(
    make_image: MakeImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [make_image(1)]
    last = run(replace(PLAN, steps=1), images, tmp_path)
    before = last.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", full)
    with pytest.raises(ModelError, match="No space left"):
        run(replace(PLAN, steps=2), images, tmp_path)
    assert last.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="made has no image"):
        run(PLAN, [], tmp_path)


def test_images_without_a_label_for_the_plan_are_named(make_image: MakeImage, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none of the images made/made-1, .* has a label for nuclei, nucleus-types"):
        run(PLAN, [make_image(1, nuclei=None, nucleus_types=None)], tmp_path)


def test_more_images_than_fit_in_memory_still_give_weights(
    make_image: MakeImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerberus_annotate.learn.training.thresholds.OUTLINES", (0.5,))
    image = make_image(1)
    lazy = LazyImages([Entry("one", "train", None, None, lambda: image)])
    last = train(replace(PLAN, steps=1), [lazy], tmp_path, config=narrow(PLAN), accelerator="cpu")
    assert load_model(write_weights(last, tmp_path / "weights.pt", [lazy])).tasks == ("nuclei",)


def test_masks_and_patch_classes_are_learnt_on_an_encoder_frozen_in_part(make_image: MakeImage, tmp_path: Path) -> None:
    start = write_weights(run(replace(PLAN, steps=1), [make_image(1)], tmp_path / "start"), tmp_path / "start.pt")
    images = []
    for seed in range(8):
        image = make_image(seed, nuclei=None, nucleus_types=None, mpp=None, count=30 if seed % 2 else 2)
        mask = (image.rgb[..., 1] < 120).astype(np.uint8)
        images.append(replace(image, mask=mask, patch_class="many" if seed % 2 else "few"))
    plan = replace(
        PLAN,
        tasks=("mask", "patch"),
        patch_classes=("few", "many"),
        start=str(start),
        freeze="first-1",
        side=128,
        steps=160,
        rate=4e-3,
        average=0.9,
    )
    weights = write_weights(run(plan, images, tmp_path / "transfer"), tmp_path / "transfer.pt")
    before, after = read_checkpoint(start), read_checkpoint(weights)
    assert torch.equal(before.backbone.layer1[0].conv1.weight, after.backbone.layer1[0].conv1.weight)
    assert not torch.equal(before.backbone.layer4[0].conv1.weight, after.backbone.layer4[0].conv1.weight)
    assert torch.equal(before.backbone.bn1.running_mean, after.backbone.bn1.running_mean)
    model = load_model(weights)
    found, classes = predict_mask(images[1].rgb, None, model)
    assert classes == ("background", "foreground")
    assert (found == images[1].mask).mean() > 0.85
    assert [predict_patch(i.rgb, None, model)[0].argmax() for i in images[:4]] == [0, 1, 0, 1]
