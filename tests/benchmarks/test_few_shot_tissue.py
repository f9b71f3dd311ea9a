"""Few-shot tissue classes: folds, features, intervals, and that finished seeds are not trained again."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks import few_shot_tissue as few_shot
from benchmarks.baselines.logistic import fit_logistic
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import NetworkConfig, lean_config
from cerberus_annotate.network.model import Model

LABELS = np.repeat(np.arange(3), 10)


def narrow_config() -> NetworkConfig:
    return replace(lean_config(), widths=(4, 4, 8, 8, 8), head_width=4, blocks=(1, 1, 1, 1), decoders=())


def patch_of(label: int, seed: int, side: int = 64) -> np.ndarray:
    """Noise around another colour for each class."""
    colour = np.array([60 + 70 * (label % 3), 60 + 70 * (label // 3), 128])
    return np.clip(colour + np.random.default_rng(seed).normal(0, 8, (side, side, 3)), 0, 255).astype(np.uint8)


def test_every_fold_has_as_many_patches_of_every_class() -> None:
    for seed in range(5):
        folds = few_shot.folds_of(LABELS, seed)
        for fold in range(few_shot.FOLDS):
            assert np.bincount(LABELS[folds == fold]).tolist() == [2, 2, 2]
    assert (few_shot.folds_of(LABELS, 1) != few_shot.folds_of(LABELS, 2)).any()
    assert (few_shot.folds_of(LABELS, 1) == few_shot.folds_of(LABELS, 1)).all()


def test_no_patch_is_classified_by_what_it_taught() -> None:
    # a feature that is the patch's own number tells its class only to who has seen that patch
    features = np.eye(len(LABELS))
    found = few_shot.cross_validated(features, LABELS, 1)
    assert (found == LABELS).mean() < 0.6
    telling = np.eye(3)[LABELS] + np.random.default_rng(1).normal(0, 0.05, (30, 3))
    assert (few_shot.cross_validated(telling, LABELS, 1) == LABELS).all()


def test_repeating_every_feature_changes_no_logistic_regression() -> None:
    rng = np.random.default_rng(1)
    features = np.eye(3)[LABELS] @ rng.normal(size=(3, 5)) + rng.normal(size=(30, 5))
    others = rng.normal(size=(50, 5))
    once = fit_logistic(features, LABELS, 3, 1e-2)
    twice = fit_logistic(np.hstack([features, features]), LABELS, 3, 1e-2)
    assert (once.predict(others) == twice.predict(np.hstack([others, others]))).mean() >= 0.98


def test_features_are_the_mean_and_deviation_of_every_channel_at_the_inputs_pixel_size() -> None:
    torch.manual_seed(1)
    network = Cerberus(narrow_config())
    image = LabelledImage("a", "made", "", 0.25, patch_of(0, 1))
    (features,) = few_shot.encoder_features(network, [image])
    assert features.shape == (2 * (4 + 4 + 8 + 8 + 8),)
    pixels = torch.from_numpy(image.rgb).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        first = network.backbone(pixels)[0]
    np.testing.assert_allclose(features[:4], first.mean((0, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(features[4:8], first.std((2, 3))[0], rtol=1e-3)
    # the same tissue scanned half as fine is enlarged to the input's pixels first
    coarse = replace(image, mpp=0.5, rgb=cv2.resize(image.rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    (enlarged,) = few_shot.encoder_features(network, [coarse])
    np.testing.assert_allclose(enlarged[:4], features[:4], rtol=0.1, atol=1e-3)


def test_the_interval_over_seeds_is_students() -> None:
    found = few_shot.paired_over_seeds(np.array([0.6, 0.7, 0.8]), np.array([0.5, 0.5, 0.5]))
    # differences 0.1, 0.2, 0.3: sd 0.1, t(2) = 4.3027
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2 - 4.3027 * 0.1 / np.sqrt(3), abs=1e-4)
    assert found.high == pytest.approx(0.2 + 4.3027 * 0.1 / np.sqrt(3), abs=1e-4)


def test_a_finished_seed_is_not_trained_again_unless_the_setting_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def fake(config: NetworkConfig, images: object, labels: np.ndarray, seed: int, setting: object) -> np.ndarray:
        trained.append(seed)
        return labels

    monkeypatch.setattr(few_shot, "scratch_cross_validated", fake)
    given = (narrow_config(), [], LABELS)
    setting, kept = few_shot.FromScratch(), tmp_path / "out" / "scratch.json"
    few_shot.scratch_results(*given, [1], setting, kept)
    found = few_shot.scratch_results(*given, [1, 2], setting, kept)
    assert trained == [1, 2]
    assert (found == LABELS).all()
    few_shot.scratch_results(*given, [1], replace(setting, steps=7), kept)
    assert trained == [1, 2, 1]


def test_the_page_has_every_arm(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for label, name in enumerate(("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM")):
        (data / name).mkdir(parents=True)
        for number in range(5):
            cv2.imwrite(str(data / name / f"{name}-TCGA-{number}.png"), patch_of(label, number)[..., ::-1])
    torch.manual_seed(1)
    model = Model(Cerberus(narrow_config()).eval(), "made", "00", "cpu")
    setting = few_shot.FromScratch(side=32, batch=9, steps=2)
    page = tmp_path / "page.md"
    few_shot.run(data, model, [1, 2], tmp_path / "out", page, setting)
    text = page.read_text("utf-8")
    for arm in ("pretrained", "scratch", "random", "colour", "pretrained + colour"):
        assert f"\n| {arm} | " in text
    assert "| colour | 1.000 ± 0.000 |" in text
    content = json.loads(page.with_suffix(".json").read_text("utf-8"))
    assert len(content["accuracy"]["scratch"]) == 2


def test_training_from_scratch_learns_and_repeats() -> None:
    images = [
        LabelledImage(str(i), "made", "", 0.5, patch_of(8 * (i % 2), i, 224), patch_class="ab"[i % 2]) for i in range(8)
    ]
    setting = few_shot.FromScratch(side=32, batch=8, steps=40, rate=1e-2)
    labels = np.arange(8) % 2
    crops = [cv2.resize(image.rgb, (32, 32), interpolation=cv2.INTER_AREA) for image in images]
    found = []
    for _ in range(2):
        network = few_shot.train_from_scratch(narrow_config(), images, ("a", "b"), setting, 1)
        with torch.inference_mode():
            found.append(few_shot._logits(network, crops))
    assert torch.equal(*found)
    assert (found[0].argmax(1).numpy() == labels).all()
