"""A thumbnail is small enough, and shows what stands on the slide whatever its size."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import box

from cerberus_annotate.report.facts import Colour
from cerberus_annotate.report.gathering.thumbnail import SIDES, thumbnail
from cerberus_annotate.slide import open_slide
from cerberus_annotate.slide.pyramid import write_pyramid

RED: Colour = (255, 0, 0)
PLENTY = 1e9


def read(uri: str) -> np.ndarray:
    kind, _, encoded = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))).astype(int)


@pytest.mark.parametrize("most", [14_000, 40_000])
def test_it_shrinks_until_it_fits(tmp_path: Path, most: int) -> None:
    rough = np.random.default_rng(1).integers(90, 250, (300, 300, 3), np.uint8)  # harder to compress than tissue
    write_pyramid(tmp_path / "a.tif", np.kron(rough, np.ones((4, 4, 1), np.uint8)), 0.5)
    with open_slide(tmp_path / "a.tif") as slide:
        large, small = thumbnail(slide, [], PLENTY), thumbnail(slide, [], most)
    assert max(read(large).shape) == SIDES[0]
    assert len(small) <= most < len(large)


def test_large_objects_are_outlines_and_small_ones_dots(tmp_path: Path) -> None:
    write_pyramid(tmp_path / "a.tif", np.full((4200, 4200, 3), 243, np.uint8), 0.5)
    outlines = [(box(500, 500, 1500, 1500), RED), *((box(x, 3000, x + 4, 3004), RED) for x in range(2000, 3000, 4))]
    with open_slide(tmp_path / "a.tif") as slide:
        picture = read(thumbnail(slide, outlines, PLENTY))
    red = picture[..., 0] - picture[..., 1] > 60
    assert red[48:52, 60:140].any(axis=0).all()
    assert not red[55:145, 55:145].any()
    assert red[299:302, 202:298].any(axis=0).all()
    assert not red[320:].any()
