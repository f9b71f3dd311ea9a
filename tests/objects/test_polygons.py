import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cerberus_annotate.objects.polygons import canonical_polygons, largest_polygon, trace_mask, trace_polygons

label_maps = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: arrays(np.int32, shape, elements=st.sampled_from([0, 0, 1, 1, 2, 7]))
)


def largest_part(mask):
    from skimage.measure import label

    parts = label(mask, connectivity=1)
    return parts == np.bincount(parts.ravel())[1:].argmax() + 1


@given(label_maps)
@settings(max_examples=200, deadline=None)
def test_outlines_are_valid_and_cover_their_largest_part_exactly(labels):
    ids, polygons = trace_polygons(labels)
    assert ids.tolist() == sorted(set(labels[labels > 0].tolist()))
    assert shapely.is_valid(polygons).all()
    rows, columns = np.indices(labels.shape)
    for label, polygon in zip(ids, polygons, strict=True):
        covered = shapely.contains_xy(polygon, columns.ravel() + 0.5, rows.ravel() + 0.5).reshape(labels.shape)
        assert covered.sum() == polygon.area
        np.testing.assert_array_equal(covered, largest_part(labels == label))


@given(label_maps)
@settings(max_examples=50, deadline=None)
def test_traced_outlines_have_vertices_at_turns_only(labels):
    for polygon in trace_polygons(labels)[1]:
        again = canonical_polygons([polygon])[0]
        assert shapely.get_num_coordinates(again) == shapely.get_num_coordinates(polygon)
        assert again.equals(polygon)


def test_areas_equal_the_pixel_counts_of_the_reference_maps(maps):
    labels = maps.reference["tile/Nuclei/inst_map"].astype(np.int32)
    ids, polygons = trace_polygons(labels)
    np.testing.assert_array_equal(ids, np.unique(labels)[1:])
    np.testing.assert_array_equal(shapely.area(polygons), np.bincount(labels.ravel())[ids])
    assert shapely.is_valid(polygons).all()


def test_a_pixel_covers_one_unit_square():
    labels = np.zeros((3, 4), np.uint16)
    labels[1, 2] = 5
    ids, polygons = trace_polygons(labels)
    assert ids.tolist() == [5]
    assert polygons[0].equals(shapely.box(2, 1, 3, 2))


def test_holes_that_touch_the_outline_at_a_corner_stay_holes():
    mask = np.array([[1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]], bool)
    polygon = trace_mask(mask)
    assert polygon.is_valid
    assert polygon.area == mask.sum()
    assert len(polygon.interiors) >= 1


def test_an_empty_map_gives_nothing():
    ids, polygons = trace_polygons(np.zeros((5, 6), np.int32))
    assert len(ids) == len(polygons) == 0
    assert trace_mask(np.zeros((5, 6), bool)).is_empty


def test_largest_polygon_looks_into_collections():
    small, large = shapely.box(0, 0, 1, 1), shapely.box(5, 5, 9, 9)
    mixed = shapely.GeometryCollection([shapely.Point(0, 0), shapely.MultiPolygon([small, large])])
    assert largest_polygon(mixed).equals(large)
    assert largest_polygon(shapely.LineString([(0, 0), (1, 1)])).is_empty


@pytest.mark.parametrize("start", range(4))
def test_the_same_shape_is_the_same_polygon(start):
    corners = [(0, 0), (0, 4), (4, 4), (4, 0)]
    turned = corners[start:] + corners[:start]
    with_middle = [turned[0], ((turned[0][0] + turned[1][0]) / 2, (turned[0][1] + turned[1][1]) / 2), *turned[1:]]
    one, other = canonical_polygons([shapely.Polygon(with_middle), shapely.Polygon(corners[::-1])])
    assert shapely.equals_exact(one, other, 0)
