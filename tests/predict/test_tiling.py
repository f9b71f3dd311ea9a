"""Where tiles lie when only a part of a slide is asked for."""

from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from cerberus_annotate.predict.tiling import _window
from cerberus_annotate.slide import tile_grid

SIZE = (30_000, 20_000)


def test_a_small_region_far_from_the_corner_takes_one_tile() -> None:
    region = box(20_010, 9_990, 20_900, 10_800)
    left, top, _, _ = _window(region, SIZE)
    (tile,) = tile_grid(*SIZE, 1152, 152, region, (left, top))
    assert (tile.x, tile.y) == (left, top)
    assert tile.x <= 20_010
    assert tile.x + tile.width >= 20_900


@given(st.integers(-500, 30_500), st.integers(-500, 20_500), st.integers(1, 5_000), st.integers(1, 5_000))
def test_tiles_cover_the_region_and_lie_on_the_grid_of_patches(x: int, y: int, width: int, height: int) -> None:
    region = box(x, y, x + width, y + height)
    left, top, right, bottom = _window(region, SIZE)
    assert left % 144 == top % 144 == 0
    assert 0 <= left < right <= SIZE[0]
    assert 0 <= top < bottom <= SIZE[1]
    tiles = tile_grid(*SIZE, 576, 152, region, (left, top))
    covered = sum(
        region.intersection(box(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)).area for tile in tiles
    )
    assert covered == region.intersection(box(0, 0, *SIZE)).area


def test_without_regions_the_whole_image_is_the_window() -> None:
    assert _window(None, SIZE) == (0, 0, *SIZE)
