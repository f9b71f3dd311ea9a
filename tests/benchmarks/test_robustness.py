"""Changes of an image that a model is tried on: labels stay, and what is found comes back to their pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from skimage.color import rgb2hed

from benchmarks import robustness
from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.network import load_model
from cerberus_annotate.objects.predicted import PredictedObject


@pytest.fixture
def image() -> LabelledImage:
    """Smooth pink with a purple square, 0.4 µm/px."""
    rgb = np.full((90, 120, 3), (225, 170, 205), np.uint8)
    rgb[30:60, 40:80] = (130, 80, 150)
    glands = np.zeros((90, 120), np.int32)
    glands[30:60, 40:80] = 1
    return LabelledImage("made", "made", "test", 0.4, rgb, glands=glands)


@pytest.mark.parametrize("name", list(robustness.CHANGES))
def test_a_change_keeps_the_labels_and_the_size_in_micrometres(name: str, image: LabelledImage) -> None:
    seen = robustness.CHANGES[name](image)
    assert seen.rgb.dtype == np.uint8
    assert seen.glands is image.glands
    assert seen.mpp is not None
    assert seen.rgb.shape[1] * seen.mpp == pytest.approx(48, abs=0.5)
    assert seen.rgb.shape[0] * seen.mpp == pytest.approx(36, abs=0.5)
    assert (name == "unchanged") == (seen.rgb.shape == image.rgb.shape and bool((seen.rgb == image.rgb).all()))


def test_a_stain_is_multiplied_and_the_other_is_not(image: LabelledImage) -> None:
    before = rgb2hed(image.rgb)
    after = rgb2hed(robustness.CHANGES["haematoxylin +20 %"](image).rgb)
    nucleus = (45, 60)
    assert after[nucleus][0] / before[nucleus][0] == pytest.approx(1.2, abs=0.03)
    assert after[nucleus][1] == pytest.approx(before[nucleus][1], abs=0.01)


def test_blur_is_as_wide_in_a_finer_scan(image: LabelledImage) -> None:
    fine = replace(image, mpp=0.2, rgb=image.rgb.repeat(2, 0).repeat(2, 1))
    coarse_edge = robustness.blur(1.0)(image).rgb[45, 36:44, 0]
    fine_edge = robustness.blur(1.0)(fine).rgb[90, 72:88, 0].reshape(-1, 2).mean(1)
    np.testing.assert_allclose(coarse_edge, fine_edge, atol=6)


@pytest.mark.parametrize("name", ["unchanged", "0.25 µm/px", "0.5 µm/px", "1 µm/px"])
def test_what_is_found_comes_back_to_the_pixels_of_the_label(
    name: str, image: LabelledImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(rgb: np.ndarray, mpp: float, model: object, tasks: object) -> list[PredictedObject]:
        height, width = rgb.shape[:2]
        square = shapely.box(width * 40 / 120, height * 30 / 90, width * 80 / 120, height * 60 / 90)
        return [PredictedObject("gland", "Gland", square, 1.0)]

    monkeypatch.setattr(robustness, "predict_image", find)
    found = robustness.predict_changed(image, robustness.CHANGES[name], load_model("cerberus-small"))
    assert found.glands is not None
    assert (found.glands == image.glands).mean() > 0.995


def test_the_table_shows_what_is_lost() -> None:
    def measure(value: float) -> dict[str, dict[str, object]]:
        return {"object_f1": {"value": value, "ci": [value - 0.1, value + 0.1]}}

    test = robustness.TEST_SETS[0]
    results = {"unchanged": {test.title: measure(0.8)}, "JPEG 50": {test.title: measure(0.75)}}
    table = robustness.table_of(results, test, 60)
    assert table.rows == (
        ("unchanged", "0.800 (0.700 to 0.900)"),
        ("JPEG 50", "-0.050 → 0.750 (0.650 to 0.850)"),
    )


def test_at_most_so_many_images_are_taken_from_all_over_the_set() -> None:
    assert robustness.evenly(list(range(60)), 3) == [0, 29, 59]  # type: ignore[type-var,arg-type]
    assert robustness.evenly(list(range(5)), 60) == [0, 1, 2, 3, 4]  # type: ignore[type-var,arg-type]


def test_a_run_goes_on_where_it_was(image: LabelledImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("cerberus-small")
    entry = Entry("made", "testA", None, None, lambda: image)
    monkeypatch.setattr(robustness, "read_data_set", lambda folder: DataSet("glas", "made", "", "", (entry,)))
    monkeypatch.setattr(robustness, "TEST_SETS", robustness.TEST_SETS[:1])
    monkeypatch.setattr(robustness, "CHANGES", {name: robustness.CHANGES[name] for name in ("unchanged", "1 µm/px")})
    page = tmp_path / "robustness.md"
    robustness.run(tmp_path, model, 1, tmp_path / "out", page)
    first = page.read_text("utf-8")
    assert "GlaS test A, 1 images" in first
    assert "\n| 1 µm/px | " in first
    monkeypatch.setattr(robustness, "measured", lambda *given: pytest.fail("scored again"))
    robustness.run(tmp_path, model, 1, tmp_path / "out", page)
    assert page.read_text("utf-8") == first
