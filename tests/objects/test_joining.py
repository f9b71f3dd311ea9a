import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberus_annotate.objects import gland_instances, lumen_instances
from cerberus_annotate.objects.instances import (
    AreaSettings,
    area_foreground,
    gland_settings,
    lumen_settings,
    tissue_settings,
)
from cerberus_annotate.objects.joining import (
    AreaJoiner,
    area_objects,
    resolve_overlaps,
    tissue_areas,
)
from cerberus_annotate.objects.majority import majority_type
from cerberus_annotate.objects.polygons import canonical_polygons, trace_polygons

SMALL = AreaSettings(threshold=0.5, smallest=5, kernel=3)


def joined(mask, side, how=SMALL, score=None, types=None, missing=(), shuffled=None):
    """The areas of a mask given tile by tile; nothing may be left open at the end."""
    height, width = mask.shape
    tiles = [
        (column, row)
        for row in range(-(-height // side))
        for column in range(-(-width // side))
        if (column, row) not in missing
    ]
    joiner = AreaJoiner(how, (width, height), tiles)
    if shuffled is not None:
        np.random.default_rng(shuffled).shuffle(tiles)
    score = np.full(mask.shape, 0.75) if score is None else score
    areas = []
    for column, row in tiles:
        x, y = column * side, row * side
        cut = np.s_[y : y + side, x : x + side]
        areas += joiner.add_tile((column, row), x, y, mask[cut], score[cut], None if types is None else types[cut])
    assert joiner.close() == []
    return resolve_overlaps(areas)


def assert_same(one, other):
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        assert shapely.equals_exact(first.polygon, second.polygon, 0)
        assert (first.first, first.pixels) == (second.first, second.pixels)
        assert first.confidence == pytest.approx(second.confidence)
        np.testing.assert_array_equal(np.trim_zeros(first.type_counts, "b"), np.trim_zeros(second.type_counts, "b"))


@pytest.mark.parametrize("side", [2048, 256, 97])
@pytest.mark.parametrize(
    ("head", "find", "how"),
    [("Gland", gland_instances, gland_settings()), ("Lumen", lumen_instances, lumen_settings())],
)
def test_outlines_are_those_of_the_whole_map(maps, head, find, how, side):
    inside, contour = maps.heads[head]
    whole = canonical_polygons(trace_polygons(find(inside, contour))[1])
    areas = joined(area_foreground(inside, contour, how), side, how, inside, maps.types.get(head))
    assert len(areas) == len(whole)
    for area, polygon in zip(areas, whole, strict=True):
        assert shapely.equals_exact(area.polygon, polygon, 0)


def test_gland_types_are_the_references(maps):
    inside, contour = maps.heads["Gland"]
    how = gland_settings()
    areas = joined(area_foreground(inside, contour, how), 300, how, inside, maps.types["Gland"])
    found = [int(majority_type(area.type_counts[None])[0]) for area in areas]
    # Counted before growing, so an object with its types nearly in balance may turn out the other way.
    assert np.mean(np.equal(found, maps.reference["tile/Gland/type"])) > 0.95


@given(
    seed=st.integers(0, 10**6),
    grain=st.sampled_from([0.6, 1.5, 4.0]),
    cover=st.sampled_from([0.3, 0.5, 0.7]),
    sides=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    how=st.sampled_from([SMALL, lumen_settings(0.5), AreaSettings(0.5, 30, 10), tissue_settings(3)]),
)
@settings(max_examples=30, deadline=None)
def test_any_tiling_gives_the_same_areas(blobs, seed, grain, cover, sides, how):
    noise = blobs(seed, 50, 64, grain)
    mask = noise < cover
    types = (noise * 100).astype(np.uint8) % 4
    whole = joined(mask, 200, how, noise, types)
    assert_same(whole, joined(mask, sides[0], how, noise, types))
    assert_same(whole, joined(mask, sides[1], how, noise, types, shuffled=seed))


def shapes():
    ring = np.zeros((60, 60), bool)
    ring[8:52, 8:52] = True
    ring[14:46, 14:46] = False
    u_shape = np.zeros((60, 60), bool)
    u_shape[5:55, 5:12] = u_shape[5:55, 48:55] = u_shape[48:55, 5:55] = True
    snake = np.zeros((60, 60), bool)
    for row in range(4, 56, 8):
        snake[row : row + 3, 3:57] = True
    for turn, row in enumerate(range(4, 48, 8)):
        columns = slice(54, 57) if turn % 2 == 0 else slice(3, 6)
        snake[row : row + 11, columns] = True
    return {"ring": ring, "u": u_shape, "snake": snake, "all": np.ones((60, 60), bool)}


@pytest.mark.parametrize("name", ["ring", "u", "snake", "all"])
@pytest.mark.parametrize("side", [4, 10, 16, 33])
def test_one_shape_over_many_tiles_is_one_object(name, side):
    mask = shapes()[name]
    (area,) = joined(mask, side, tissue_settings())
    assert area.pixels == mask.sum() == area.polygon.area
    assert len(area.polygon.interiors) == (name == "ring")
    assert len(joined(mask, side)) == 1


def test_pieces_that_meet_only_at_a_tile_corner_are_two_objects():
    mask = np.zeros((20, 20), bool)
    mask[5:10, 5:10] = mask[10:15, 10:15] = True
    areas = joined(mask, 10, tissue_settings())
    assert [area.pixels for area in areas] == [25, 25]


def test_an_object_is_handed_out_as_soon_as_it_is_complete():
    mask = np.zeros((30, 30), bool)
    mask[2:6, 8:13] = True
    joiner = AreaJoiner(SMALL, (30, 30), [(column, row) for row in range(3) for column in range(3)])
    score = np.ones((10, 10))
    assert joiner.add_tile((0, 0), 0, 0, mask[:10, :10], score) == []
    (area,) = joiner.add_tile((1, 0), 10, 0, mask[:10, 10:20], score)
    assert area.first == (2, 8)
    assert area.pixels == 20


def test_missing_tiles_count_as_background():
    mask = np.ones((20, 20), bool)
    areas = joined(mask, 10, tissue_settings(), missing=[(1, 0), (0, 1)])
    assert [area.polygon.area for area in areas] == [100, 100]


def test_tiles_that_never_come_do_not_swallow_what_touches_them():
    joiner = AreaJoiner(SMALL, (20, 10), [(0, 0), (1, 0)])
    assert joiner.add_tile((0, 0), 0, 0, np.ones((10, 10), bool), np.ones((10, 10))) == []
    (area,) = joiner.close()
    assert area.pixels == 100


def test_a_tile_is_taken_once():
    joiner = AreaJoiner(SMALL, (10, 10), [(0, 0)])
    nothing = np.zeros((10, 10), bool), np.zeros((10, 10))
    joiner.add_tile((0, 0), 0, 0, *nothing)
    for tile in ((0, 0), (4, 0)):
        with pytest.raises(ValueError, match="not one of the tiles"):
            joiner.add_tile(tile, 0, 0, *nothing)


def test_small_objects_are_judged_whole():
    mask = np.zeros((10, 20), bool)
    mask[4, 7:12] = True
    mask[8, 8:12] = True
    (area,) = joined(mask, 10)
    assert (area.first, area.pixels) == ((4, 7), 5)


def test_of_overlapping_grown_objects_the_later_keeps_its_outline():
    mask = np.zeros((60, 60), bool)
    mask[20:30, 20:40] = mask[32:42, 20:40] = True
    first, second = joined(mask, 25, AreaSettings(0.5, 5, 7))
    assert first.polygon.intersection(second.polygon).area == 0
    alone = mask.copy()
    alone[:31] = False
    assert second.polygon.equals(joined(alone, 25, AreaSettings(0.5, 5, 7))[0].polygon)


def test_areas_become_objects():
    mask = np.zeros((30, 30), bool)
    mask[5:25, 5:25] = True
    types = np.where(np.indices(mask.shape)[1] < 10, 1, 2).astype(np.uint8)
    (found,) = area_objects(joined(mask, 12, types=types), "gland", ["nolabel", "gland", "surface-epi"])
    assert (found.task, found.path_class) == ("gland", "Gland: Surface epithelium")
    assert found.confidence == pytest.approx(0.75)
    assert found.polygon.is_valid
    assert area_objects([], "gland") == []


def test_tissue_classes_become_areas_with_their_holes():
    classes = np.zeros((12, 14), np.uint8)
    classes[2:9, 2:9] = 5
    classes[4:6, 4:6] = 3
    classes[11, 13] = 4
    areas = tissue_areas(classes, np.full(classes.shape, 0.6))
    found = area_objects(areas, "tissue", ["background", "a", "b", "inflammatory", "muscle", "stroma"])
    assert sorted(each.path_class for each in found) == ["Tissue: Inflammatory", "Tissue: Stroma"]
    stroma = next(each for each in found if each.path_class == "Tissue: Stroma")
    assert len(stroma.polygon.interiors) == 1
    assert tissue_areas(np.zeros((3, 3), np.uint8), np.zeros((3, 3))) == []
