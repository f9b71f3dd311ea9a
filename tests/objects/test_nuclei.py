from dataclasses import replace

import numpy as np
import pytest
import shapely

from cerberus_annotate.objects.instances import NucleusSettings
from cerberus_annotate.objects.majority import majority_type
from cerberus_annotate.objects.nuclei import (
    Nuclei,
    drop_doubles,
    join_nuclei,
    nuclei_in_tile,
    nucleus_objects,
)

NAMES = ["nolabel", "neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective"]


def in_tiles(maps, side, halo=64, difference=0.0):
    """All nuclei of the maps cut into kept squares of `side`. `difference`: how far the maps of a tile are off at the
    end of its halo, fading inwards, as the maps of a real network are."""
    inside, contour = maps.heads["Nuclei"]
    types = maps.types["Nuclei"]
    height, width = inside.shape
    noise = np.random.default_rng(side)
    tables = []
    for top in range(0, height, side):
        for left in range(0, width, side):
            y, x = max(0, top - halo), max(0, left - halo)
            bottom, right = min(height, top + side), min(width, left + side)
            cut = np.s_[y : min(height, bottom + halo), x : min(width, right + halo)]
            rows, columns = np.ogrid[cut]
            past = np.maximum.reduce(np.broadcast_arrays(top - rows, rows - bottom, left - columns, columns - right))
            size = difference * np.clip(1 + past / halo, 0, 2)
            off = (noise.normal(size=past.shape) * size).astype(np.float32)
            tables.append(
                nuclei_in_tile(
                    inside[cut] + off,
                    contour[cut] - off,
                    types[cut],
                    origin=(x, y),
                    kept=(left, top, right, bottom),
                    image_size=(width, height),
                )
            )
    return tables


def matched(one, other):
    """How many nuclei of `one` have exactly one partner of IoU 0.9 or more in `other`."""
    index, partner = shapely.STRtree(other.polygons).query(one.polygons, predicate="intersects")
    first, second = one.polygons[index], other.polygons[partner]
    alike = shapely.area(shapely.intersection(first, second)) >= 0.9 * shapely.area(shapely.union(first, second))
    return int((np.bincount(index[alike], minlength=len(one)) == 1).sum())


def test_types_and_places_equal_the_references(maps):
    nuclei = nuclei_in_tile(*maps.heads["Nuclei"], maps.types["Nuclei"])
    labels = np.unique(maps.reference["tile/Nuclei/inst_map"])[1:]
    described = np.isin(labels, maps.reference["tile/Nuclei/id"])
    np.testing.assert_array_equal(nuclei.type_index[described], maps.reference["tile/Nuclei/type"])
    # The reference counts from pixel centres, so half a pixel less.
    np.testing.assert_allclose(nuclei.centroid[described] - 0.5, maps.reference["tile/Nuclei/centroid"], atol=0.006)


def test_tiles_give_what_the_whole_gives(maps):
    whole = nuclei_in_tile(*maps.heads["Nuclei"], maps.types["Nuclei"])
    for side in (160, 256):
        joined = join_nuclei(in_tiles(maps, side))
        assert len(joined) == len(whole)
        assert matched(whole, joined) >= 0.995 * len(whole)


def test_two_tilings_agree_where_the_maps_of_neighbours_differ(maps):
    # One file is stored in bytes, whose equal values a watershed floods in an order that any difference changes.
    inside, contour = maps.heads["Nuclei"]
    between = (np.random.default_rng(0).random(inside.shape, np.float32) - 0.5) / 255
    maps = replace(maps, heads={"Nuclei": (inside + between, contour)})
    one = join_nuclei(in_tiles(maps, 208, difference=2e-4))
    other = join_nuclei(in_tiles(maps, 320, difference=2e-4))
    for first, second in ((one, other), (other, one)):
        assert matched(first, second) >= 0.995 * len(first)


def test_no_nucleus_is_doubled(maps):
    tables = in_tiles(maps, 160, difference=1e-3)
    joined = join_nuclei(tables)
    assert sum(len(table) for table in tables) > len(joined)
    one, other = shapely.STRtree(joined.polygons).query(joined.polygons, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.area(shapely.intersection(joined.polygons[one], joined.polygons[other]))
    smaller = np.minimum(shapely.area(joined.polygons[one]), shapely.area(joined.polygons[other]))
    large = smaller > 12
    assert (shared[large] <= 0.3 * smaller[large]).all()


def test_confidence_is_a_mean_probability(maps):
    inside, contour = maps.heads["Nuclei"]
    nuclei = nuclei_in_tile(inside, contour)
    assert ((nuclei.confidence > 0.5) & (nuclei.confidence <= 1)).all()
    labels = maps.reference["tile/Nuclei/inst_map"]
    within = labels == np.unique(labels)[1]
    assert nuclei.confidence[0] == pytest.approx((inside + contour)[within].mean(dtype=float), abs=1e-6)
    assert not nuclei.type_index.any()


@pytest.mark.parametrize("settings", [NucleusSettings(), NucleusSettings(2, True, 0.55, 0.55)])
def test_bytes_give_the_table_of_their_probabilities(settings, blobs):
    bytes_ = [(blobs(seed, 300, 340, 7.0) * 255).astype(np.uint8) for seed in (1, 2)]
    types = (blobs(3, 300 // settings.finer, 340 // settings.finer, 9.0) * 7).astype(np.uint8)
    probabilities = [each.astype(np.float32) / np.float32(255) for each in bytes_]
    one, other = (nuclei_in_tile(*each, types, settings=settings) for each in (bytes_, probabilities))
    assert len(one) > 10
    assert shapely.equals_exact(one.polygons, other.polygons, 0).all()
    for column in ("centroid", "area", "confidence", "type_index", "near_border"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


def nucleus_map(*centres, shape=(100, 100)):
    rows, columns = np.indices(shape)
    inside, covered = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for y, x in centres:
        distance = np.hypot(rows - y, columns - x)
        inside[distance < 5] = 0.9
        covered[distance < 7] = 0.9
    return inside, covered - inside


def test_mirrored_nuclei_outside_the_image_are_no_nuclei():
    inside, contour = nucleus_map((50, 30), (50, 14), (20, 70))
    nuclei = nuclei_in_tile(inside, contour, origin=(-22, 0), image_size=(78, 100))
    assert sorted(nuclei.centroid[:, 0].round().tolist()) == [8, 48]
    assert shapely.bounds(nuclei.polygons)[:, 0].min() >= 0


def test_a_nucleus_belongs_to_the_tile_of_its_centroid():
    inside, contour = nucleus_map((50, 30), (50, 70))
    left = nuclei_in_tile(inside, contour, kept=(0, 0, 50, 100))
    right = nuclei_in_tile(inside, contour, kept=(50, 0, 100, 100))
    assert left.centroid[:, 0].tolist() == [30.5]
    assert right.centroid[:, 0].tolist() == [70.5]
    assert not left.near_border.any()


def test_twins_on_a_border_become_one():
    inside, contour = nucleus_map((50, 49))
    tables = [nuclei_in_tile(inside, contour, kept=kept) for kept in ((0, 0, 50, 100), (50, 0, 100, 100))]
    assert [len(table) for table in tables] == [1, 1]
    assert len(join_nuclei(tables)) == 1


def test_of_doubles_the_larger_stays_whatever_the_order():
    squares = np.array([shapely.box(0, 0, 10, 10), shapely.box(1, 0, 12, 10), shapely.box(30, 0, 40, 10)], object)
    bounds = shapely.bounds(squares)
    nuclei = Nuclei(
        squares,
        (bounds[:, :2] + bounds[:, 2:]) / 2,
        shapely.area(squares),
        np.full(3, 0.9),
        np.zeros(3, np.int64),
        np.array([True, False, False]),
    )
    assert drop_doubles(nuclei).tolist() == [False, True, True]
    assert drop_doubles(nuclei.where([2, 1, 0])).tolist() == [True, True, False]
    assert drop_doubles(replace(nuclei, near_border=np.zeros(3, bool))).all()


def test_the_majority_rule():
    counts = np.array([[5, 3, 3], [9, 0, 0], [1, 2, 4], [0, 0, 1]])
    assert majority_type(counts).tolist() == [1, 0, 2, 2]
    assert majority_type(np.array([[4]])).tolist() == [0]


def test_nuclei_become_objects():
    inside, contour = nucleus_map((50, 30))
    types = np.full(inside.shape, 2, np.uint8)
    (found,) = nucleus_objects(nuclei_in_tile(inside, contour, types), NAMES)
    assert (found.task, found.path_class) == ("nuclei", "Nucleus: Epithelial")
    assert found.confidence == pytest.approx(0.9, abs=1e-6)
    assert found.polygon.contains(shapely.Point(30.5, 50.5))


def test_no_tiles_and_empty_tiles_give_no_nuclei():
    empty = np.zeros((30, 30), np.float32)
    assert len(join_nuclei([])) == 0
    assert len(join_nuclei([nuclei_in_tile(empty, empty)])) == 0
    assert len(nuclei_in_tile(empty, empty, origin=(-40, 0), image_size=(100, 100))) == 0
    finer = NucleusSettings(2, True, 0.55, 0.55)
    types = np.zeros((15, 15), np.uint8)
    for each in (empty, empty.astype(np.uint8)):
        assert len(nuclei_in_tile(each, each, types, settings=finer)) == 0
        assert len(nuclei_in_tile(each, each, types, settings=finer, origin=(-40, 0), image_size=(100, 100))) == 0
