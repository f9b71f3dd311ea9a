"""From a data set folder to a checkpoint: labels follow their image, targets are the reference's, runs resume."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.random import default_rng
from PIL import Image

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn import targets, train
from cerberus_annotate.learn.augment import random_colours, random_crop
from cerberus_annotate.learn.datasets import LabelledImage, at_mpp, read_manifest
from cerberus_annotate.network.checkpoint import read_checkpoint
from cerberus_annotate.network.config import lean_config


def discs(side: int, count: int, radius: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Purple discs on pink, and their instance map."""
    rng = default_rng(seed)
    rgb = np.full((side, side, 3), (235, 190, 215), np.uint8)
    labels = np.zeros((side, side), np.uint8)
    for index, (x, y) in enumerate(rng.integers(radius, side - radius, (count, 2)).tolist(), start=1):
        cv2.circle(rgb, (x, y), radius, (90, 50, 140), -1)
        cv2.circle(labels, (x, y), radius, index, -1)
    return rgb, labels


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images a data set, in the layout of the shared data."""
    root = tmp_path_factory.mktemp("data")
    for number, (name, splits) in enumerate(train.TRAINING_SPLITS.items()):
        folder = root / name
        folder.mkdir()
        rows = []
        for index, split in enumerate((splits[0], "test")):
            rgb, labels = discs(200, 12, 20 if name == "glas" else 7, 10 * number + index)
            Image.fromarray(rgb).save(folder / f"{split}.png")
            Image.fromarray(labels).save(folder / f"{split}_label.png")
            Image.fromarray((labels > 0).astype(np.uint8) * 5).save(folder / f"{split}_type.png")
            row = {"name": split, "image": f"{split}.png", "split": split, "dataset": name, "mpp": "0.5"}
            if name == "consep":
                row |= {"instances": f"{split}_label.png", "types": f"{split}_type.png"}
            else:
                row |= {"label": f"{split}_label.png"}
            rows.append(row)
        with (folder / "manifest.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return root


def test_only_the_training_split_is_read_for_training(data: Path) -> None:
    images = train.read_training_images(data, 0.5)
    assert {name: [image.split for image in found] for name, found in images.items()} == {
        name: list(splits) for name, splits in train.TRAINING_SPLITS.items()
    }
    consep = images["consep"][0]
    assert set(np.unique(consep.nucleus_types)) == {0, 3}  # 5, fibroblast, is connective
    assert consep.glands is None
    assert images["glas"][0].nuclei is None


def test_an_image_without_pixel_size_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("name,image,label,split,dataset,mpp\npicture 7,a.png,b.png,train,glas,\n")
    with pytest.raises(UsageError, match="picture 7"):
        list(read_manifest(tmp_path))
    with pytest.raises(UsageError, match=r"manifest\.csv"):
        list(read_manifest(tmp_path / "nowhere"))


@pytest.mark.parametrize("ring", [targets.NUCLEUS_RING, targets.GLAND_RING])
def test_targets_are_each_instances_erosion_and_the_ring_around_it(ring: int) -> None:
    _, labels = discs(160, 14, 13, 3)
    kernel = targets.ellipse(ring)
    inside, contour = np.zeros(labels.shape, bool), np.zeros(labels.shape, bool)
    for index in range(1, int(labels.max()) + 1):
        one = (labels == index).astype(np.uint8)
        eroded = cv2.erode(one, kernel) > 0
        inside |= eroded
        contour |= (cv2.dilate(one, kernel) > 0) & ~eroded
    expected = np.where(inside, 1, np.where(contour, 2, 0))
    assert np.array_equal(targets.inside_and_contour(labels.astype(np.int32), ring), expected)


def test_pixels_that_part_two_objects_weigh_more() -> None:
    labels = np.zeros((30, 40), np.int32)
    labels[5:25, 5:18], labels[5:25, 20:35] = 1, 2
    weights = targets.gap_weights(labels, 7)
    assert weights[15, 18] == weights[15, 19] == 1 + targets.GAP_WEIGHT
    assert weights[15, 8] == weights[15, 30] == weights[2, 2] == 1


def test_labels_follow_their_image_through_every_crop() -> None:
    rgb, labels = discs(220, 25, 9, 5)
    image = LabelledImage("a", "consep", "train", 0.5, rgb, nuclei=labels.astype(np.int32))
    for seed in range(20):
        crop = random_crop(image, 96, default_rng(seed))
        dark = crop.rgb[..., 1] < 120
        assert crop.rgb.shape == (96, 96, 3)
        assert (dark == (crop.nuclei > 0)).mean() > 0.96


def test_colours_change_and_shapes_do_not() -> None:
    rgb, labels = discs(120, 10, 9, 6)
    shifted = [random_colours(rgb, default_rng(seed)) for seed in range(8)]
    assert len({image.tobytes() for image in shifted}) == 8
    for image in shifted:
        grey = image.mean(2)
        assert grey[labels > 0].mean() < grey[labels == 0].mean()


def test_resampling_keeps_ids_and_scale() -> None:
    rgb, labels = discs(200, 12, 11, 7)
    image = LabelledImage("a", "monuseg", "train", 0.25, rgb, nuclei=labels.astype(np.int32))
    half = at_mpp(image, 0.5)
    assert half.rgb.shape == (100, 100, 3)
    assert set(np.unique(half.nuclei)) == set(np.unique(labels))
    assert (half.nuclei > 0).sum() * 4 == pytest.approx((labels > 0).sum(), rel=0.05)


def losses_of(out: Path) -> list[list[str]]:
    with (out / "losses.csv").open() as file:
        return [[row[0], *row[2:]] for row in csv.reader(file)]


def test_a_resumed_run_goes_on_to_the_same_weights(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "learning_rate", lambda step, steps: 1e-3)
    config = replace(lean_config(), widths=(8, 8, 16, 16, 16), head_width=8)

    def run(out: Path, steps: int) -> dict[str, torch.Tensor]:
        train.train(data, out, config, steps, side=64, size=4, seed=3, device="cpu")
        return torch.load(out / "last.pt", weights_only=True)["network"]

    whole = run(tmp_path / "whole", 6)
    run(tmp_path / "parts", 3)
    parts = run(tmp_path / "parts", 6)
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name
    assert read_checkpoint(tmp_path / "parts" / "last.pt").config == config


def test_training_learns_what_it_sees(data: Path, tmp_path: Path) -> None:
    config = replace(lean_config(), widths=(8, 16, 16, 32, 32))
    train.train(data, tmp_path, config, 100, side=96, size=4, seed=1, device="cpu")
    first, *_, last = losses_of(tmp_path)
    assert all(float(after) < 0.85 * float(before) for before, after in zip(first[1:3], last[1:3], strict=True))
