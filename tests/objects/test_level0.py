import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberus_annotate.objects import PredictedObject
from cerberus_annotate.objects.level0 import at_level0, objects_at_level0
from cerberus_annotate.objects.polygons import trace_polygons
from cerberus_annotate.objects.simplify import simplify_polygons


def outlines(blobs, seed):
    from scipy import ndimage

    return simplify_polygons(trace_polygons(ndimage.label(blobs(seed, 60, 60, 1.5) > 0.6)[0])[1])


@given(
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([4.0, 2.004, 1.0, 0.1, 0.011, 0.004]),
    origin=st.sampled_from([(0, 0), (40_000, 25_000), (150_000, 190_000)]),
)
@settings(max_examples=40, deadline=None)
def test_coordinates_fit_a_data_file(blobs, seed, scale, origin):
    given_polygons = outlines(blobs, seed)
    placed = at_level0(given_polygons, (scale, scale * 1.01), origin)
    assert len(placed) == len(given_polygons)
    assert shapely.is_valid(placed).all()
    assert set(shapely.get_type_id(placed)) == {3}
    for polygon in placed[~shapely.is_empty(placed)]:
        for ring in (polygon.exterior, *polygon.interiors):
            vertices = np.asarray(ring.coords)
            assert (np.diff(vertices, axis=0) != 0).any(axis=1).all()
            np.testing.assert_array_equal(vertices, vertices.astype(np.float32))


def test_scale_and_origin_are_applied():
    placed = at_level0(np.array([shapely.box(1, 2, 3, 4)]), (2.0, 4.0), (10, 20))
    assert placed[0].equals(shapely.box(22, 88, 26, 96))


def test_rounding_is_to_a_hundredth():
    placed = at_level0(np.array([shapely.box(0, 0, 1, 1)]), (1.23456, 2.0))
    assert placed[0].bounds[2] == np.float32(1.23)


def test_area_is_measured_in_square_microns():
    parent = PredictedObject("gland", "Gland", shapely.box(0, 0, 10, 10), 0.9)
    child = PredictedObject("lumen", "Lumen", shapely.box(2, 2, 4, 4), 0.8, parent=parent.uuid)
    gland, lumen = objects_at_level0([parent, child], (2, 2), mpp=(0.25, 0.5))
    assert gland.measurements == {"Area µm²": pytest.approx(400 * 0.125)}
    assert lumen.parent == gland.uuid == parent.uuid
    assert (lumen.confidence, lumen.path_class) == (0.8, "Lumen")


def test_without_a_pixel_size_no_area_is_claimed():
    (placed,) = objects_at_level0([PredictedObject("gland", "Gland", shapely.box(0, 0, 1, 1), 0.9)])
    assert placed.measurements == {}


def test_what_vanishes_is_left_out_and_is_no_parent():
    parent = PredictedObject("gland", "Gland", shapely.box(0, 0, 0.1, 0.1), 0.9)
    child = PredictedObject("lumen", "Lumen", shapely.box(2, 2, 400, 400), 0.8, parent=parent.uuid)
    (placed,) = objects_at_level0([parent, child], (0.01, 0.01))
    assert placed.uuid == child.uuid
    assert placed.parent is None
