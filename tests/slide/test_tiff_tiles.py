"""Tiles of a TIFF slide that are read without OpenSlide give OpenSlide's pixels, and each is decoded once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import tifffile

from cerberus_annotate.slide import Region, Slide, open_slide, read_scaled, tiff_tiles
from cerberus_annotate.slide.openslide_handle import premultiplied_over_colour
from cerberus_annotate.slide.slide import over_colour
from cerberus_annotate.slide.tiff_tiles import TiffTiles


def structured(height: int = 900, width: int = 1100) -> np.ndarray:
    """Structures of 4 px, so that JPEG has something to lose and a wrong upsampling of its colours shows."""
    small = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return np.kron(small, np.ones((4, 4, 1), np.uint8))


def as_openslide_reads(path: Path, region: Region, level: int = 0) -> np.ndarray:
    with openslide.OpenSlide(path) as slide:
        step = round(slide.level_downsamples[level])
        image = slide.read_region((region.x * step, region.y * step), level, (region.width, region.height))
        return over_colour(np.asarray(image), (255, 255, 255))


def reads_tiles_itself(slide: Slide, level: int = 0) -> bool:
    slide.read(Region(0, 0, 1, 1), level)
    return bool(slide.__dict__["_direct_levels"][level])


@pytest.mark.parametrize(
    "layout",
    [
        {"compression": "jpeg", "subsampling": (1, 1)},
        {"compression": "jpeg", "subsampling": (2, 1)},
        {"compression": "jpeg", "subsampling": (2, 2)},
        {"compression": "jpeg", "compressionargs": {"outcolorspace": "rgb"}},
        {"compression": "adobe_deflate", "predictor": True},
        {"compression": "lzw"},
        {"compression": None},
    ],
    ids=str,
)
def test_pixels_are_those_of_openslide(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, structured(), photometric="rgb", tile=(256, 240), metadata=None, **layout)
    whole = Region(0, 0, 1100, 900)
    with open_slide(path) as slide:
        assert slide.format == "openslide: generic-tiff"
        assert reads_tiles_itself(slide)
        assert np.array_equal(slide.read(whole), as_openslide_reads(path, whole))
        window = Region(200, 333, 500, 567)
        assert np.array_equal(slide.read(window), slide.read(whole)[333:, 200:700])


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "TCGA-AA-3562-01A-BS1_region_20x.tif"])
def test_real_slides_give_the_pixels_of_openslide_at_every_level(shared: Path, name: str) -> None:
    path = shared / "data/slides" / name
    with open_slide(path) as slide:
        for level, size in enumerate(slide.levels):
            assert reads_tiles_itself(slide, level)
            region = Region(size.width // 3, size.height // 3, size.width // 5, size.height // 5)
            assert np.array_equal(slide.read(region, level), as_openslide_reads(path, region, level))
            corner = Region(size.width - 60, size.height - 50, 60, 50)
            assert np.array_equal(slide.read(corner, level), as_openslide_reads(path, corner, level))


def test_a_level_with_tiles_that_were_not_scanned_is_left_to_openslide(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, structured(), photometric="rgb", tile=(256, 256), compression="lzw", metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        page = tiff.pages[0].aspage()
        page.tags["TileByteCounts"].overwrite((0, *page.databytecounts[1:]))
    region = Region(100, 100, 400, 400)
    with open_slide(path) as slide:
        assert not reads_tiles_itself(slide)
        assert np.array_equal(slide.read(region), as_openslide_reads(path, region))


@pytest.mark.parametrize("name", ["slide.tif", "slide.ome.tif"])
def test_windows_that_overlap_decode_each_tile_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    tifffile.imwrite(path, structured(), photometric="rgb", tile=(256, 256), compression="jpeg")
    decoded: list[int] = []
    decode = TiffTiles._decode

    def counted(self: TiffTiles, level: int, index: int, at: tuple[int, int]) -> np.ndarray | None:
        decoded.append(index)
        return decode(self, level, index, at)

    monkeypatch.setattr(TiffTiles, "_decode", counted)
    with open_slide(path) as slide:
        for x in range(-100, 1100, 200):
            for y in range(-100, 900, 200):
                read_scaled(slide, x, y, 400, 400, (0.9, 0.9))
    assert len(decoded) == len(set(decoded)) == 20


def test_no_more_than_so_much_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "slide.ome.tif"
    tifffile.imwrite(path, structured(), photometric="rgb", tile=(256, 256), compression="jpeg")
    monkeypatch.setattr(tiff_tiles, "CACHE_BYTES", 3 * 256 * 256 * 3)
    with open_slide(path) as slide, ThreadPoolExecutor(4) as threads:
        whole = slide.read(Region(0, 0, 1100, 900))
        places = [(x, y) for x in range(0, 1000, 90) for y in range(0, 800, 90)]
        for (x, y), found in zip(places, threads.map(lambda p: slide.read(Region(*p, 80, 90)), places), strict=True):
            assert np.array_equal(found, whole[y : y + 90, x : x + 80])
        kept = slide.__dict__["_tiles"].__dict__["_cache"].values()
        assert sum(tile.nbytes for tile in kept) <= 3 * 256 * 256 * 3


def test_premultiplied_pixels_are_laid_over_the_background() -> None:
    alpha, colour = np.array([[255, 128, 0]], np.uint32), (224, 208, 192)
    argb = alpha << 24 | (200 * alpha // 255) << 16 | (100 * alpha // 255) << 8 | (50 * alpha // 255)
    straight = np.array([[(200, 100, 50, 255), (200, 100, 50, 128), (0, 0, 0, 0)]], np.uint8)
    found = premultiplied_over_colour(argb.astype(np.uint32), colour)
    assert found.astype(int) == pytest.approx(over_colour(straight, colour).astype(int), abs=1)
    assert found[0, 0].tolist() == [200, 100, 50]
    assert found[0, 2].tolist() == list(colour)
    assert premultiplied_over_colour(np.zeros((0, 4), np.uint32), colour).shape == (0, 4, 3)
