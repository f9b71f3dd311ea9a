"""A slide with scanned bounds is shown cropped to them, at every level, unless that is turned off."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cerberus_annotate.slide import Region, open_slide, read_scaled
from cerberus_annotate.slide.openslide_handle import SharedHandle
from cerberus_annotate.slide.openslide_reader import OpenSlideSlide

MakeScn = Callable[[np.ndarray, tuple[int, int], tuple[int, int]], Path]


def smooth_picture(height: int, width: int) -> np.ndarray:
    """Structures some px wide, so that a shift by one pixel shows."""
    small = np.random.default_rng(3).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("at", [(1000, 500), (1001, 503)])
def test_origin_and_size_are_those_of_the_bounds(leica_slide: MakeScn, at: tuple[int, int]) -> None:
    pixels = smooth_picture(600, 800)
    path = leica_slide(pixels, (3000, 2000), at)
    with open_slide(path) as slide:
        assert slide.format == "openslide: leica"
        assert (slide.width, slide.height) == (800, 600)
        assert [(e.downsample, e.width, e.height) for e in slide.levels] == [(1, 800, 600), (2, 400, 300)]
        assert slide.mpp == pytest.approx((0.5, 0.5))
        assert slide.magnification == 20
        assert np.array_equal(slide.read(Region(0, 0, 800, 600)), pixels)
        assert np.array_equal(slide.read(Region(300, 200, 256, 256)), pixels[200:456, 300:556])
        halves = pixels.reshape(300, 2, 400, 2, 3).mean((1, 3)).astype(np.uint8)
        assert np.array_equal(slide.read(Region(100, 50, 300, 250), 1), halves[50:, 100:])
        assert np.array_equal(read_scaled(slide, 100, 50, 300, 250, (2, 2)), halves[50:, 100:])


def test_nothing_outside_the_bounds_shows(leica_slide: MakeScn) -> None:
    path = leica_slide(smooth_picture(600, 800), (3000, 2000), (1000, 500))
    with open_slide(path) as slide:
        assert (slide.read(Region(-20, 0, 20, 600)) == 255).all()
        assert (slide.read(Region(800, 600, 30, 30)) == 255).all()
        assert slide.read(Region(5000, 5000, 4, 3)).shape == (3, 4, 3)


def test_no_crop_shows_the_whole_glass(leica_slide: MakeScn) -> None:
    pixels = smooth_picture(600, 800)
    path = leica_slide(pixels, (3000, 2000), (1000, 500))
    with open_slide(path, crop_bounds=False) as slide:
        assert (slide.width, slide.height) == (3000, 2000)
        assert (slide.levels[1].width, slide.levels[1].height) == (1500, 1000)
        assert np.array_equal(slide.read(Region(1000, 500, 800, 600)), pixels)
        assert (slide.read(Region(0, 0, 900, 400)) == 255).all()  # transparent in the file


def fake_handle(properties: dict[str, str], pixels: np.ndarray, rgba: tuple[int, ...] = ()) -> SharedHandle:
    """A handle of what is used of an `OpenSlide`, with one level."""

    def read_region(location: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        (x, y), (w, h) = location, size
        if rgba:
            return Image.new("RGBA", size, rgba)
        return Image.fromarray(pixels[y : y + h, x : x + w]).convert("RGBA")

    size = (pixels.shape[1], pixels.shape[0])
    fake = SimpleNamespace(
        properties=properties,
        dimensions=size,
        level_dimensions=(size,),
        level_downsamples=(1.0,),
        read_region=read_region,
        close=lambda: None,
    )
    return SharedHandle(lambda: fake)


def test_bounds_without_a_size_reach_to_the_end(tmp_path: Path) -> None:
    pixels = smooth_picture(80, 160)
    bounds = {"openslide.bounds-width": "100", "openslide.bounds-height": "40", "openslide.bounds-x": "8"}
    slide = OpenSlideSlide(tmp_path / "x", fake_handle(bounds, pixels))
    assert (slide.width, slide.height) == (100, 40)
    assert np.array_equal(slide.read(Region(0, 0, 100, 40)), pixels[:40, 8:108])


def test_transparent_pixels_lie_over_the_background_colour(tmp_path: Path) -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    for properties, rgba, expected in [
        ({}, (0, 0, 0, 0), (255, 255, 255)),
        ({"openslide.background-color": "E0D0C0"}, (0, 0, 0, 0), (224, 208, 192)),
        ({}, (55, 155, 255, 128), (155, 205, 255)),
    ]:
        slide = OpenSlideSlide(tmp_path / "x", fake_handle(properties, blank, rgba))
        assert slide.read(Region(1, 1, 1, 1))[0, 0] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("text", ["", "nan", "0", "352.8", "unknown"])
def test_a_pixel_size_that_cannot_be_is_none(tmp_path: Path, text: str) -> None:
    properties = {"openslide.mpp-x": text, "openslide.mpp-y": text}
    assert OpenSlideSlide(tmp_path / "x", fake_handle(properties, np.zeros((64, 64, 3), np.uint8))).mpp is None
