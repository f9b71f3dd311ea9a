"""A pixel of a scaled grid has one value and one place, whatever window, level or file it is read from."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import map_coordinates

from cerberus_annotate.slide import (
    Region,
    Slide,
    grid_size,
    open_slide,
    read_overview,
    read_scaled,
    write_pyramid,
)

SQUARE = (400, 208, 96, 160)
"""x, y, width, height in level-0 px of a dark square on white."""


def drawn(height: int = 700, width: int = 1000) -> np.ndarray:
    pixels = np.full((height, width, 3), 255, np.uint8)
    x, y, w, h = SQUARE
    pixels[y : y + h, x : x + w] = 0
    return pixels


def noisy(height: int = 700, width: int = 1001) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slide]:
    path = tmp_path_factory.mktemp("slides") / "noise.tif"
    write_pyramid(path, noisy(), 0.5)
    with open_slide(path) as slide:
        yield slide


SCALES = st.sampled_from(
    [(1.0, 1.0), (2.0, 2.0), (1.002, 1.002), (2.012, 2.012), (3.3, 2.1), (0.6, 0.6), (0.4985, 1.1), (9.0, 9.0)]
)


@given(SCALES, st.integers(-60, 400), st.integers(-60, 400), st.integers(1, 90), st.integers(1, 90))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_grid_pixel_has_the_same_value_in_every_window(
    pyramid: Slide, scale: tuple[float, float], x: int, y: int, width: int, height: int
) -> None:
    window = read_scaled(pyramid, x, y, width, height, scale)
    larger = read_scaled(pyramid, x - 17, y - 33, width + 80, height + 50, scale)
    assert window.shape == (height, width, 3)
    assert np.array_equal(window, larger[33 : 33 + height, 17 : 17 + width])


@given(SCALES, st.integers(-3000, 3000), st.integers(-3000, 3000))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_outside_the_image_it_is_mirrored(pyramid: Slide, scale: tuple[float, float], x: int, y: int) -> None:
    columns, rows = grid_size(pyramid, scale)
    whole = read_scaled(pyramid, 0, 0, columns, rows, scale)
    at_x = np.pad(np.arange(columns), (6000, 6000), mode="reflect")[6000 + x : 6000 + x + 20]
    at_y = np.pad(np.arange(rows), (6000, 6000), mode="reflect")[6000 + y : 6000 + y + 30]
    assert np.array_equal(read_scaled(pyramid, x, y, 20, 30, scale), whole[at_y[:, None], at_x])


def test_where_grid_and_level_agree_pixels_are_unchanged(pyramid: Slide) -> None:
    assert np.array_equal(read_scaled(pyramid, 101, 203, 300, 200, (1, 1)), noisy()[203:403, 101:401])
    level = pyramid.read(Region(11, 13, 300, 200), 1)
    assert np.array_equal(read_scaled(pyramid, 11, 13, 300, 200, (2, 2)), level)


@pytest.mark.parametrize("scale", [(0.4985, 0.4985), (0.5, 0.5), (1.006, 1.006), (1.13, 0.7)])
def test_a_finer_grid_lies_between_the_pixels_around(tmp_path: Path, scale: tuple[float, float]) -> None:
    """To two grey levels: OpenCV counts places in parts of 1/32 px."""
    small = np.random.default_rng(5).integers(0, 256, (75, 100, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(small).resize((800, 600), Image.Resampling.BICUBIC))
    write_pyramid(tmp_path / "slide.tif", pixels, 0.5)
    at_y, at_x = ((np.arange(start, start + 400) + 0.5) * by - 0.5 for start, by in ((90, scale[1]), (77, scale[0])))
    expected = np.stack(
        [
            map_coordinates(pixels[..., i].astype(float), np.meshgrid(at_y, at_x, indexing="ij"), order=1)
            for i in range(3)
        ],
        axis=-1,
    )
    with open_slide(tmp_path / "slide.tif") as slide:
        assert abs(read_scaled(slide, 77, 90, 400, 400, scale) - expected).max() <= 2


def test_windows_wider_than_what_is_interpolated_at_a_time(pyramid: Slide, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_scaled(pyramid, -20, -20, 500, 400, (0.6, 1.1))
    monkeypatch.setattr("cerberus_annotate.slide.sampling.BAND", (7, 90))
    assert np.array_equal(read_scaled(pyramid, -20, -20, 500, 400, (0.6, 1.1)), whole)


def square_in_grid(slide: Slide, scale: tuple[float, float]) -> tuple[float, float, float, float]:
    """x, y, width, height in level-0 px of the dark square as the grid shows it (to a fraction of a pixel)."""
    columns, rows = grid_size(slide, scale)
    dark = 1 - read_scaled(slide, 0, 0, columns, rows, scale)[..., 0] / 255
    down, across = dark.max(axis=1), dark.max(axis=0)
    area = dark.sum()
    centre_x = (dark.sum(axis=0) * (np.arange(columns) + 0.5)).sum() / area * scale[0]
    centre_y = (dark.sum(axis=1) * (np.arange(rows) + 0.5)).sum() / area * scale[1]
    width, height = across.sum() * scale[0], down.sum() * scale[1]
    return centre_x - width / 2, centre_y - height / 2, width, height


@pytest.mark.parametrize(
    "scale", [(1, 1), (2, 2), (1.002, 1.002), (2.012, 2.012), (4, 4), (5.3, 5.3), (0.7, 0.7), (2.0, 3.1), (0.5, 4.0)]
)
@pytest.mark.parametrize("kind", ["pyramid", "one level", "picture"])
def test_a_square_lands_where_it_was_drawn(tmp_path: Path, kind: str, scale: tuple[float, float]) -> None:
    path = tmp_path / ("slide.png" if kind == "picture" else "slide.ome.tif" if kind == "one level" else "slide.tif")
    if kind == "pyramid":
        write_pyramid(path, drawn(), 0.25)
    elif kind == "one level":
        tifffile.imwrite(path, drawn(), photometric="rgb", tile=(128, 128))
    else:
        Image.fromarray(drawn()).save(path)
    with open_slide(path) as slide:
        found = square_in_grid(slide, scale)
    assert found == pytest.approx(SQUARE, abs=0.15 * max(scale))


def test_a_level_with_a_fractional_downsample_does_not_depend_on_the_window(shared: Path) -> None:
    with open_slide(shared / "data/slides/TCGA-CR-7395-01A-01-TS1.svs") as slide:
        wide = read_scaled(slide, 700, 500, 900, 700, (2, 2))
        for x, y in ((703, 501), (1001, 777), (1250, 1000)):
            window = read_scaled(slide, x, y, 150, 100, (2, 2))
            assert np.array_equal(window, wide[y - 500 : y - 400, x - 700 : x - 550])
        assert read_scaled(slide, 2100, 1700, 200, 150, (2, 2)).shape == (150, 200, 3)


def test_levels_show_the_same_place(shared: Path) -> None:
    with open_slide(shared / "data/slides/TCGA-CR-7395-01A-01-TS1.svs") as slide:
        full = slide.read(Region(3400, 2800, 800, 600))
        halved = full.reshape(300, 2, 400, 2, 3).mean((1, 3))
        level = slide.read(Region(1700, 1400, 400, 300), 1).astype(float)
        shifted = [abs(level[10:-10, 10 + d : 390 + d] - halved[10:-10, 10:-10]).mean() for d in (-1, 0, 1)]
    assert shifted[1] < 0.5 * min(shifted[0], shifted[2])


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3)])
def test_images_smaller_than_the_window_and_its_margin(tmp_path: Path, size: tuple[int, int]) -> None:
    pixels = noisy(*size)
    Image.fromarray(pixels).save(tmp_path / "tiny.png")
    with open_slide(tmp_path / "tiny.png") as slide:
        rows = np.pad(pixels, ((200, 200), (0, 0), (0, 0)), mode="reflect" if size[0] > 1 else "edge")
        reflected = np.pad(rows, ((0, 0), (200, 200), (0, 0)), mode="reflect" if size[1] > 1 else "edge")
        assert np.array_equal(read_scaled(slide, -200, -200, size[1] + 400, size[0] + 400, (1, 1)), reflected)
        assert read_scaled(slide, -20, -20, 50, 50, (16, 16)).shape == (50, 50, 3)
        assert slide.thumbnail(4).shape[2] == 3


def test_the_overview_is_the_whole_grid(pyramid: Slide, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_scaled(pyramid, 0, 0, *grid_size(pyramid, (1.5, 1.5)), (1.5, 1.5))
    monkeypatch.setattr("cerberus_annotate.slide.sampling.OVERVIEW_SIDE", 200)
    assert np.array_equal(read_overview(pyramid, (1.5, 1.5)), whole)


def test_the_overview_of_one_large_level_is_read_in_pieces(pyramid: Slide, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    read = Slide.read

    def counted(self: Slide, region: Region, level: int = 0) -> np.ndarray:
        nonlocal largest
        largest = max(largest, region.width * region.height)
        return read(self, region, level)

    monkeypatch.setattr(Slide, "read", counted)
    monkeypatch.setattr("cerberus_annotate.slide.sampling.OVERVIEW_SIDE", 128)
    read_overview(pyramid, (1.5, 1.5))
    assert largest < 200 * 200


def test_thumbnails_fit_and_are_never_enlarged(pyramid: Slide) -> None:
    assert pyramid.thumbnail(250).shape == (175, 250, 3)
    assert pyramid.thumbnail(5000).shape == (700, 1001, 3)


@pytest.mark.parametrize("name", ["slide.tif", "slide.ome.tif", "slide.png"])
def test_threads_may_share_a_slide(tmp_path: Path, name: str) -> None:
    pixels = noisy()
    if name == "slide.tif":
        write_pyramid(tmp_path / name, pixels, 0.5)
    elif name == "slide.png":
        Image.fromarray(pixels).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, pixels, photometric="rgb", tile=(64, 64), compression="adobe_deflate")
    with open_slide(tmp_path / name) as slide, ThreadPoolExecutor(8) as threads:
        places = [(x, y) for x in range(0, 900, 60) for y in range(0, 600, 60)]
        for (x, y), found in zip(places, threads.map(lambda p: slide.read(Region(*p, 100, 100)), places), strict=True):
            assert np.array_equal(found, pixels[y : y + 100, x : x + 100])
