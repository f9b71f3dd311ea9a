"""Tiles cover an image once, on the network's stride, and leave out what no area touches."""

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cerberus_annotate.slide import Tile, tile_grid


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 40), st.integers(0, 300))
def test_every_pixel_is_in_one_tile(width: int, height: int, sixteens: int, margin: int) -> None:
    side = 16 * sixteens
    if width * height > 2000 * side * side:
        return
    tiles = tile_grid(width, height, side, margin)
    assert sum(t.width * t.height for t in tiles) == width * height
    assert len({(t.x, t.y) for t in tiles}) == len(tiles)
    assert tiles == sorted(tiles, key=lambda t: (t.y, t.x))
    for tile in tiles:
        assert tile.x % side == 0
        assert tile.y % side == 0
        assert 0 < tile.width <= side
        assert tile.x + tile.width <= width
        assert tile.y + tile.height <= height
        assert tile.margin == margin


def test_only_tiles_that_share_area_are_kept() -> None:
    areas = shapely.MultiPolygon([shapely.box(100, 100, 128, 110), shapely.box(300, 200, 340, 201)])
    assert tile_grid(400, 300, 64, 32, areas) == [
        Tile(64, 64, 64, 64, 32),
        Tile(256, 192, 64, 64, 32),
        Tile(320, 192, 64, 64, 32),
    ]


def test_a_tile_in_a_hole_is_left_out() -> None:
    ring = shapely.box(0, 0, 320, 320) - shapely.box(60, 60, 260, 260)
    origins = {(t.x, t.y) for t in tile_grid(320, 320, 64, 0, ring)}
    assert len(origins) == 16
    assert (128, 128) not in origins


def test_no_area_no_tiles() -> None:
    assert tile_grid(400, 300, 64, 0, shapely.MultiPolygon()) == []
    assert tile_grid(400, 300, 64, 0, shapely.box(1000, 1000, 1100, 1100)) == []


@pytest.mark.parametrize("side", [0, -16, 100])
def test_the_side_keeps_the_stride(side: int) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        tile_grid(100, 100, side, 0)
