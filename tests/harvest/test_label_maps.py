"""A pixel belongs to the outline that its centre lies in, whatever the outline's shape."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPoint, Point, Polygon, box

from cerberus_annotate.harvest.label_maps import draw_instances, draw_mask

SHAPE = (24, 30)
COORDINATE = st.integers(-80, 380).map(lambda number: number / 10 + 0.03)
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=8)


def array(*outlines: shapely.Geometry) -> np.ndarray:
    out = np.empty(len(outlines), object)
    out[:] = outlines
    return out


def assert_inside(shape: shapely.Geometry) -> None:
    """Of centres on the outline itself either answer is right."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    centres = shapely.points(x, y)
    clear = shapely.distance(centres, shapely.boundary(shape)) > 1e-9 if not shape.is_empty else np.ones(SHAPE, bool)
    assert np.array_equal(draw_mask(shape, SHAPE)[clear], shapely.contains(shape, centres)[clear])


@settings(max_examples=100, deadline=None)
@given(POINTS, POINTS)
def test_a_pixel_is_inside_when_its_centre_is(outer: list, inner: list) -> None:
    hull = MultiPoint(outer).convex_hull
    area = shapely.make_valid(hull.difference(MultiPoint(inner).convex_hull))
    parts = [part for part in shapely.get_parts(area).tolist() if part.geom_type == "Polygon"]
    shape = shapely.MultiPolygon(parts)
    assert_inside(shape)


@settings(max_examples=60, deadline=None)
@given(POINTS)
def test_an_outline_that_bends_inwards(points: list) -> None:
    shape = Polygon(points).buffer(0)
    assert_inside(shape)


def test_what_lies_on_a_larger_object_stays() -> None:
    small, large = box(4, 4, 8, 8), box(2, 2, 20, 12)
    labels = draw_instances(array(small, large), SHAPE)
    assert (labels == 1).sum() == 16
    assert (labels == 2).sum() == 180 - 16


def test_an_object_of_two_parts_has_one_id() -> None:
    ring = Point(10, 10).buffer(6).difference(Point(10, 10).buffer(3))
    labels = draw_instances(array(shapely.MultiPolygon([*shapely.get_parts(ring), box(20, 2, 22, 5)])), SHAPE)
    assert set(np.unique(labels)) == {0, 1}
    assert labels[10, 10] == 0
    assert labels[3, 21] == 1


def test_nothing_to_draw() -> None:
    assert not draw_instances(array(), SHAPE).any()
