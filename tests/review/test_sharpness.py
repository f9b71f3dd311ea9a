"""Blur and glass."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.review.sharpness import blurred, glass_share, sharpness

MakeTissue = Callable[..., NDArray[np.uint8]]


def test_blur_is_found_whatever_the_stain(make_tissue: MakeTissue) -> None:
    sharp = [make_tissue(seed) for seed in range(9)]
    pale = (200 + sharp[0].astype(float) * 0.2).clip(0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(sharp[1], (0, 0), 2)
    values = np.array([sharpness(one) for one in (*sharp, pale, soft)])
    assert blurred(values, ["slide"] * 11).tolist() == [False] * 10 + [True]


def test_a_slide_out_of_focus_as_a_whole_is_found_too(make_tissue: MakeTissue) -> None:
    soft = cv2.GaussianBlur(make_tissue(1), (0, 0), 5)
    assert blurred(np.array([sharpness(soft)]), ["slide"]).tolist() == [True]


def test_a_plain_surface_has_no_sharpness() -> None:
    assert sharpness(np.full((20, 20, 3), 200, np.uint8)) == 0


def test_glass_is_bright_and_colourless(make_tissue: MakeTissue) -> None:
    picture = make_tissue(1)
    assert glass_share(picture) < 0.05
    picture[:100] = (238, 236, 241)
    assert 0.2 < glass_share(picture) < 0.3
