"""Nuclei of a slide, given tile by tile, are those that stay when all tiles are looked at together."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberus_annotate.objects import nucleus_joining
from cerberus_annotate.objects.nuclei import Nuclei, join_nuclei
from cerberus_annotate.objects.nucleus_joining import NucleusJoiner

SIDE, HALO = 160, 24


def nuclei_of(tile: tuple[int, int], rng: np.random.Generator, count: int) -> tuple[tuple[int, ...], Nuclei]:
    """A tile's rectangle and nuclei whose middles lie in it, give or take two px."""
    left, top = tile[0] * SIDE, tile[1] * SIDE
    kept = (left, top, left + SIDE, top + SIDE)
    middle = rng.uniform((left - 2, top - 2), (left + SIDE + 2, top + SIDE + 2), (count, 2)).round(2)
    radius = rng.uniform(2, HALO - 4, count)
    polygons = shapely.buffer(shapely.points(middle), radius)
    # nuclei of one map do not overlap
    apart = [at for at in range(count) if not shapely.intersects(polygons[at], polygons[:at]).any()]
    middle, polygons = middle[apart], polygons[apart]
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    near = (bounds[:, :2] < np.add(kept[:2], 2)).any(1) | (bounds[:, 2:] > np.add(kept[2:], -2)).any(1)
    area = shapely.area(polygons)
    return kept, Nuclei(polygons, middle, area, np.ones(len(area)), np.zeros(len(area), np.int64), near)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4), st.integers(0, 30), st.booleans())
def test_the_same_nuclei_stay_in_any_order(seed: int, columns: int, rows: int, count: int, often: bool) -> None:
    rng = np.random.default_rng(seed)
    tiles = [(column, row) for row in range(rows) for column in range(columns)]
    of_tile = {tile: nuclei_of(tile, rng, count) for tile in tiles}
    together = join_nuclei([nuclei for _, nuclei in of_tile.values()])
    least = nucleus_joining.SETTLED_AT_ONCE
    try:
        nucleus_joining.SETTLED_AT_ONCE = 0 if often else least
        joiner = NucleusJoiner(tiles, HALO)
        rng.shuffle(tiles)
        given_on = [part for tile in map(tuple, tiles) for part in joiner.add(tile, *of_tile[tile])]
    finally:
        nucleus_joining.SETTLED_AT_ONCE = least
    given_on.append(joiner.close())
    found = sorted(tuple(middle) for part in given_on for middle in part.centroid.tolist())
    assert found == sorted(map(tuple, together.centroid.tolist()))


def test_what_lies_deep_in_a_tile_is_given_at_once() -> None:
    rng = np.random.default_rng(0)
    tiles = [(column, row) for row in range(3) for column in range(3)]
    joiner = NucleusJoiner(tiles, HALO)
    kept, nuclei = nuclei_of((1, 1), rng, 500)
    certain = sum(map(len, joiner.add((1, 1), kept, nuclei)))
    assert 0 < certain < len(nuclei)
    assert certain + len(joiner.close()) == len(nuclei)
