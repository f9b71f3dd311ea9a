"""A place that cannot be decoded is named, and nothing else is lost: not the next read, not another thread's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cerberus_annotate.errors import SlideError
from cerberus_annotate.slide import Region, Slide, open_slide, read_scaled, write_pyramid

Damage = Callable[[bytes], bytes]

OVERWRITTEN = {
    "zeros": lambda data: bytes(len(data)),
    "ones": lambda data: b"\xff" * len(data),
    "noise": lambda data: np.random.default_rng(0).bytes(len(data)),
}

REAL = {
    "CMU-1-Small-Region.svs": "openslide: aperio",
    "TCGA-V5-A7RE-11A-TS1_region_40x.tif": "openslide: generic-tiff",
    "TCGA-CR-7395-01A-01-TS1.svs": "openslide: aperio",  # JPEG 2000
    "test3-TRITC-2.ndpi": "openslide: hamamatsu",
}


def damaged_copy(source: Path, folder: Path, damage: Damage, at: int | None = None, length: int = 40_000) -> Path:
    """A copy with `length` bytes from `at` (the middle) changed."""
    data = bytearray(source.read_bytes())
    start = len(data) // 2 if at is None else at
    data[start : start + length] = damage(bytes(data[start : start + length]))
    path = folder / source.name
    path.write_bytes(data)
    return path


def squares(slide: Slide, side: int = 512) -> list[Region]:
    return [Region(x, y, side, side) for y in range(0, slide.height, side) for x in range(0, slide.width, side)]


def read_or_error(slide: Slide, region: Region) -> np.ndarray | str:
    try:
        return slide.read(region)
    except SlideError as error:
        return str(error)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("kind", OVERWRITTEN)
def test_only_the_damaged_places_of_a_real_slide_are_refused(
    shared: Path, tmp_path: Path, name: str, kind: str
) -> None:
    source = shared / "data/slides" / name
    with open_slide(source) as sound, open_slide(damaged_copy(source, tmp_path, OVERWRITTEN[kind])) as slide:
        assert slide.format == REAL[name]
        refused = 0
        for region in squares(slide):
            found = read_or_error(slide, region)
            if isinstance(found, str):
                refused += 1
                assert name in found
                assert f"x={region.x}, y={region.y}" in found
                assert "copy it again" in found
            elif not np.array_equal(found, sound.read(region)):
                # bytes of a lossless kind can be changed unnoticed; of noise a JPEG stream can be made
                assert kind == "noise" or name == "TCGA-CR-7395-01A-01-TS1.svs"
        assert 0 < refused < len(squares(slide)) / 4


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "test3-TRITC-2.ndpi"])
def test_threads_that_read_sound_places_never_notice(shared: Path, tmp_path: Path, name: str) -> None:
    """OpenSlide refuses every read after the first failure, in all threads."""
    source = shared / "data/slides" / name
    with open_slide(damaged_copy(source, tmp_path, OVERWRITTEN["zeros"])) as slide:
        alone = [read_or_error(slide, region) for region in squares(slide)]
        order = list(np.random.default_rng(1).permutation(np.repeat(np.arange(len(alone)), 3)))
        with ThreadPoolExecutor(6) as threads:
            found = list(threads.map(lambda i: read_or_error(slide, squares(slide)[i]), order))
        for i, pixels in zip(order, found, strict=True):
            assert isinstance(pixels, str) == isinstance(alone[i], str)
            assert np.array_equal(pixels, alone[i])
    assert any(isinstance(pixels, str) for pixels in alone)


def middle_tile(path: Path, level: int = 0) -> tuple[int, int]:
    """(offset, length) in bytes of the tile in the middle of a page."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[level].aspage()
        middle = len(page.dataoffsets) // 2
        return page.dataoffsets[middle], page.databytecounts[middle]


@pytest.mark.parametrize("name", ["slide.tif", "slide.ome.tif"])
@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_one_bad_jpeg_tile_costs_no_more_than_its_own_place(tmp_path: Path, name: str, where: str) -> None:
    """Half a tile of zeros is what an interrupted copy leaves; most decoders show it as grey without a word."""
    rng = np.random.default_rng(2)
    small = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    pixels = np.kron(small, np.ones((32, 32, 1), np.uint8))  # 1,280 px a side: 5 × 5 tiles
    source = tmp_path / "sound" / name
    source.parent.mkdir()
    tifffile.imwrite(source, pixels, photometric="rgb", tile=(256, 256), compression="jpeg", subsampling=(2, 2))
    offset, length = middle_tile(source)
    at = {"start": 0, "middle": length // 2, "end": length * 3 // 4}[where]
    path = damaged_copy(source, tmp_path, OVERWRITTEN["zeros"], offset + at, length // 4)
    with open_slide(path) as slide, open_slide(source) as sound:
        with pytest.raises(SlideError, match=r"x=512, y=512"):
            slide.read(Region(512, 512, 256, 256))
        with pytest.raises(SlideError, match=name):
            read_scaled(slide, 900, 900, 300, 300, (0.5, 0.5))
        for region in squares(slide, 256):
            if (region.x, region.y) != (512, 512):
                assert np.array_equal(slide.read(region), sound.read(region))


def test_a_tile_that_claims_to_be_huge_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    source = tmp_path / "sound" / "slide.ome.tif"
    source.parent.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    tifffile.imwrite(source, pixels, photometric="rgb", tile=(256, 256), compression="jpeg")
    offset, length = middle_tile(source)
    size = b"\xff\xc0\x00\x11\x08\x01\x00\x01\x00"  # start of frame, 256 × 256 px
    path = damaged_copy(
        source, tmp_path, lambda data: data.replace(size, size[:5] + b"\xff\x00\xff\x00"), offset, length
    )
    with open_slide(path) as slide, pytest.raises(SlideError, match="65280 × 65280 px in a tile of 256 × 256"):
        slide.read(Region(0, 0, 512, 512))


def test_a_slide_cut_short_keeps_what_is_there(tmp_path: Path) -> None:
    """The last level is the last in the file; its list of tiles stands before them."""
    pixels = np.random.default_rng(3).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    write_pyramid(tmp_path / "slide.tif", pixels, 0.5)
    offset, length = middle_tile(tmp_path / "slide.tif", 2)
    data = (tmp_path / "slide.tif").read_bytes()
    (tmp_path / "slide.tif").write_bytes(data[: offset + length // 2])
    with open_slide(tmp_path / "slide.tif") as slide:
        with pytest.raises(SlideError, match=r"slide\.tif: .*x=0, y=0.*level 2|slide\.tif: level 2.*x=0, y=0"):
            slide.read(Region(0, 0, 256, 256), 2)
        assert np.array_equal(slide.read(Region(0, 0, 1024, 1024)), pixels)
