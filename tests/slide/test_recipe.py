"""A slide is opened again elsewhere exactly as it is open here, from a recipe that may be sent there."""

import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cerberus_annotate.errors import SlideError
from cerberus_annotate.predict.image import ArraySlide
from cerberus_annotate.slide import Region, Slide, SlideRecipe, open_recipe, open_slide, write_pyramid

MakeScn = Callable[[np.ndarray, tuple[int, int], tuple[int, int]], Path]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sent(slide: Slide) -> SlideRecipe:
    recipe = pickle.loads(pickle.dumps(slide.recipe))
    assert isinstance(recipe, SlideRecipe)
    return recipe


def pixels_of(recipe: SlideRecipe) -> np.ndarray:
    with open_recipe(recipe) as slide:
        return slide.read(Region(0, 0, slide.width, slide.height))


@pytest.mark.parametrize("crop", [True, False])
def test_bounds_are_cropped_or_not_as_before(leica_slide: MakeScn, crop: bool) -> None:
    path = leica_slide(noise(300, 400), (900, 700), (200, 100))
    with open_slide(path, crop_bounds=crop) as slide, open_recipe(sent(slide)) as again:
        assert again.levels == slide.levels
        assert np.array_equal(again.read(Region(0, 0, 400, 300)), slide.read(Region(0, 0, 400, 300)))


def test_the_series_is_kept(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif") as tiff:
        for seed in (1, 2):
            tiff.write(noise(200, 250, seed), photometric="rgb")
    with open_slide(tmp_path / "two.ome.tif", series=1) as slide:
        assert np.array_equal(pixels_of(sent(slide)), noise(200, 250, 2))


def test_another_process_opens_the_slide_of_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pyramid(tmp_path / "slide.tif", noise(300, 400), 0.5)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with open_slide("slide.tif") as slide:
        recipe = sent(slide)
    monkeypatch.chdir(tmp_path / "elsewhere")
    with ProcessPoolExecutor(1, get_context("spawn")) as processes:
        assert np.array_equal(processes.submit(pixels_of, recipe).result(), noise(300, 400))


def test_another_slide_under_the_same_path_is_refused(tmp_path: Path) -> None:
    Image.fromarray(noise(30, 40)).save(tmp_path / "slide.png")
    with open_slide(tmp_path / "slide.png") as slide:
        recipe = sent(slide)
    Image.fromarray(noise(30, 41)).save(tmp_path / "slide.png")
    with pytest.raises(SlideError, match=r"slide\.png: is 41 x 30 px here and 40 x 30 px where"):
        open_recipe(recipe)


def test_a_slide_that_is_gone_is_named(tmp_path: Path) -> None:
    Image.fromarray(noise(30, 40)).save(tmp_path / "slide.png")
    with open_slide(tmp_path / "slide.png") as slide:
        recipe = sent(slide)
    (tmp_path / "slide.png").unlink()
    with pytest.raises(SlideError, match=r"slide\.png: no such file"):
        open_recipe(recipe)


def test_pixels_in_memory_have_no_recipe() -> None:
    assert ArraySlide(noise(30, 40), (0.5, 0.5)).recipe is None
