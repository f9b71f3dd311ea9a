"""Tissue is found, and ink, glass, dust, borders and fill are not."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from PIL import Image
from shapely import MultiPolygon, Point

from cerberus_annotate.slide import open_slide, tissue_polygons, write_pyramid

GLASS = (243, 242, 244)
HAEMATOXYLIN, EOSIN = (95, 60, 130), (215, 150, 190)


def glass_slide(height: int = 1500, width: int = 2000, colour: tuple[int, int, int] = GLASS) -> np.ndarray:
    noise = np.random.default_rng(0).integers(-3, 4, (height, width, 1))
    return np.clip(np.full((height, width, 3), colour) + noise, 0, 255).astype(np.uint8)


def with_tissue(pixels: np.ndarray, centre: tuple[int, int] = (1000, 750), radius: int = 350) -> np.ndarray:
    """A round piece of tissue: eosin with nuclei, 2 µm/px."""
    pixels = pixels.copy()
    cv2.circle(pixels, centre, radius, EOSIN, -1)
    for x, y in np.random.default_rng(1).integers(-radius, radius, (2000, 2)):
        if x * x + y * y < (radius - 4) ** 2:
            cv2.circle(pixels, (int(centre[0] + x), int(centre[1] + y)), 3, HAEMATOXYLIN, -1)
    return pixels


def tissue_of(tmp_path: Path, pixels: np.ndarray, mpp: float | None = 2.0) -> MultiPolygon:
    write_pyramid(tmp_path / "slide.tif", pixels, mpp)
    with open_slide(tmp_path / "slide.tif") as slide:
        found = tissue_polygons(slide)
    assert isinstance(found, MultiPolygon)
    assert found.is_valid
    return found


def overlap(a: shapely.Geometry, b: shapely.Geometry) -> float:
    return a.intersection(b).area / a.union(b).area


def test_a_piece_of_tissue_is_outlined(tmp_path: Path) -> None:
    found = tissue_of(tmp_path, with_tissue(glass_slide()))
    assert len(found.geoms) == 1
    assert overlap(found, Point(1000, 750).buffer(350)) > 0.95


def test_a_tinted_glass_is_still_glass(tmp_path: Path) -> None:
    found = tissue_of(tmp_path, with_tissue(glass_slide(colour=(238, 230, 226))))
    assert overlap(found, Point(1000, 750).buffer(350)) > 0.95


@pytest.mark.parametrize("colour", [GLASS, (255, 255, 255), (244, 244, 244), (0, 0, 0)])
def test_an_empty_slide_has_no_tissue(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    assert tissue_of(tmp_path, glass_slide(colour=colour)).is_empty


@pytest.mark.parametrize(
    "ink",
    [(30, 50, 150), (20, 60, 190), (60, 100, 180), (40, 140, 70), (20, 90, 60), (20, 20, 25), (60, 60, 62)],
    ids=["blue", "bright blue", "pale blue", "green", "dark green", "black", "grey"],
)
def test_ink_is_no_tissue(tmp_path: Path, ink: tuple[int, int, int]) -> None:
    pixels = with_tissue(glass_slide())
    line = np.array([(100, 100), (500, 200), (300, 700), (600, 1300)])
    stroke = np.zeros(pixels.shape[:2], np.uint8)
    cv2.polylines(stroke, [line], False, 255, 30)
    weight = cv2.GaussianBlur(stroke, (0, 0), 4)[..., None] / 255
    pixels = (pixels * (1 - weight) + np.array(ink) * weight).astype(np.uint8)
    found = tissue_of(tmp_path, pixels)
    assert overlap(found, Point(1000, 750).buffer(350)) > 0.95


def test_dust_border_and_grey_fill_are_no_tissue(tmp_path: Path) -> None:
    pixels = with_tissue(glass_slide())
    for x, y, radius, grey in np.random.default_rng(2).integers((0, 0, 2, 40), (600, 1500, 12, 200), (60, 4)):
        cv2.circle(pixels, (int(x), int(y)), int(radius), (int(grey),) * 3, -1)
    cv2.circle(pixels, (200, 200), 12, EOSIN, -1)  # 48 µm of something pink
    pixels[:, :40] = 0
    pixels[-100:] = 0
    pixels[:100] = 244
    found = tissue_of(tmp_path, pixels)
    assert overlap(found, Point(1000, 750).buffer(350)) > 0.95


def test_small_holes_are_filled_and_large_ones_kept(tmp_path: Path) -> None:
    pixels = with_tissue(glass_slide())
    cv2.circle(pixels, (850, 750), 60, GLASS, -1)  # 120 µm radius, 0.045 mm²
    cv2.circle(pixels, (1150, 750), 120, GLASS, -1)  # 240 µm radius, 0.18 mm²
    found = tissue_of(tmp_path, pixels)
    assert found.contains(Point(850, 750))
    assert not found.contains(Point(1150, 750))
    assert [len(part.interiors) for part in found.geoms] == [1]


def test_glass_at_the_border_is_no_hole(tmp_path: Path) -> None:
    pixels = with_tissue(glass_slide(600, 600), (300, 300), 700)
    pixels[450:, 450:] = GLASS
    found = tissue_of(tmp_path, pixels)
    assert not found.intersects(Point(590, 590))
    assert found.area == pytest.approx(600 * 600 - 150 * 150, rel=0.03)


def test_without_a_pixel_size_the_tissue_is_found_as_well(tmp_path: Path) -> None:
    found = tissue_of(tmp_path, with_tissue(glass_slide()), mpp=None)
    assert overlap(found, Point(1000, 750).buffer(350)) > 0.93


def test_non_square_pixels(tmp_path: Path) -> None:
    write_pyramid(tmp_path / "slide.tif", with_tissue(glass_slide()), (2.0, 4.0))
    with open_slide(tmp_path / "slide.tif") as slide:
        assert overlap(tissue_polygons(slide), Point(1000, 750).buffer(350)) > 0.95


@pytest.mark.parametrize("side", [1, 3, 20, 100])
def test_tiny_images(tmp_path: Path, side: int) -> None:
    for colour, share in ((EOSIN, 1.0), (GLASS, 0.0)):
        Image.new("RGB", (side, side), colour).save(tmp_path / "tiny.png")
        with open_slide(tmp_path / "tiny.png") as slide:
            assert tissue_polygons(slide).area == pytest.approx(share * side * side, abs=1e-6)


def test_fields_full_of_tissue_are_kept_whole(shared: Path) -> None:
    pale_mucus = next((shared / "data/glas").rglob("testA_1.jpg"))
    for path in [pale_mucus, *(p for n in ("consep", "monuseg") for p in fields(shared / "data" / n))]:
        with open_slide(path) as slide:
            assert tissue_polygons(slide).area > 0.97 * slide.width * slide.height, path.name


def fields(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("images/*.jpg"))[:3]
    assert found
    return found


@pytest.mark.parametrize(
    ("name", "share", "inside", "outside"),
    [
        ("TCGA-AA-3562-01A-BS1_region_20x.tif", 0.957, (3000, 4000), (5645, 5089)),
        ("TCGA-V5-A7RE-11A-TS1_region_40x.tif", 0.418, (7000, 4500), (3000, 6000)),
        ("TCGA-CR-7395-01A-01-TS1.svs", 0.653, (1500, 1500), (4420, 3500)),
        ("CMU-1-Small-Region.svs", 0.408, (1000, 2000), (200, 2000)),
        ("test3-TRITC-2.ndpi", 0.0, None, (2000, 3000)),
        ("OS-1-detail.ome.tif", 1.0, (550, 550), None),
    ],
)
def test_real_slides(
    shared: Path, name: str, share: float, inside: tuple[int, int] | None, outside: tuple[int, int] | None
) -> None:
    """Shares as they were when the outlines had been looked at."""
    with open_slide(shared / "data/slides" / name) as slide:
        found = tissue_polygons(slide)
        assert found.is_valid
        assert found.area / (slide.width * slide.height) == pytest.approx(share, abs=0.03)
        assert inside is None or found.contains(Point(inside))
        assert outside is None or not found.contains(Point(outside))
