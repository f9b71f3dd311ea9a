"""The same image is found however it was saved, and other images of the same tissue are not taken for it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cerberus_annotate.learn.data.duplicates import fingerprint, same_images
from cerberus_annotate.learn.data.layouts import read_data_set


@pytest.fixture(scope="module")
def pictures(shared: Path) -> list[np.ndarray]:
    return [image.rgb for image in read_data_set(shared / "data" / "glas").images({"testA"})][:30]


def test_different_fields_of_one_tissue_are_different(pictures: list[np.ndarray]) -> None:
    assert same_images([fingerprint(picture) for picture in pictures]) == []


@pytest.mark.parametrize("change", ["jpeg", "half size", "brighter"])
def test_a_copy_is_found(pictures: list[np.ndarray], change: str) -> None:
    original = pictures[7]
    copy = {
        "jpeg": lambda: cv2.imdecode(cv2.imencode(".jpg", original, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1),
        "half size": lambda: cv2.resize(original, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "brighter": lambda: np.clip(original * 1.1 + 5, 0, 255).astype(np.uint8),
    }[change]()
    assert same_images([fingerprint(picture) for picture in [*pictures, copy]]) == [(7, 30)]


def test_blank_images_are_not_the_same_image() -> None:
    random = np.random.default_rng(1)
    blank = [random.integers(238, 244, (64, 64, 3), dtype=np.uint8) for _ in range(5)]
    assert same_images([fingerprint(picture) for picture in [*blank, blank[0]]]) == []


def test_no_images_have_no_twins() -> None:
    assert same_images([]) == []


def test_two_published_patches_of_one_field_are_found(shared: Path) -> None:
    polyps = [entry for entry in read_data_set(shared / "data" / "ebhi-seg").entries if "GTXC2110530" in entry.name]
    found = same_images([fingerprint(entry.read().rgb) for entry in polyps])
    assert [(polyps[i].name[-3:], polyps[j].name[-3:]) for i, j in found] == [("010", "011")]
