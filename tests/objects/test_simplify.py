import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cerberus_annotate.objects.polygons import trace_mask, trace_polygons
from cerberus_annotate.objects.simplify import simplify_polygons


def distance(one, other):
    """Hausdorff distance between the outlines, measured at points at most a twentieth of an edge apart."""
    return shapely.hausdorff_distance(shapely.boundary(one), shapely.boundary(other), densify=0.05)


def check(labels, tolerance):
    _, traced = trace_polygons(labels)
    simple = simplify_polygons(traced, tolerance)
    assert shapely.is_valid(simple).all()
    assert not shapely.is_empty(simple).any()
    assert (distance(traced, simple) <= tolerance + 1e-9).all()
    # Per ring too: a hole neither vanishes nor comes near another ring by chance.
    assert [len(one.interiors) for one in traced] == [len(one.interiors) for one in simple]
    return traced, simple


@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
        lambda shape: arrays(np.int32, shape, elements=st.sampled_from([0, 1, 1, 2]))
    ),
    st.sampled_from([0.5, 0.3, 1.5]),
)
@settings(max_examples=150, deadline=None)
def test_the_error_is_bounded_on_rough_shapes(labels, tolerance):
    check(labels, tolerance)


@given(seed=st.integers(0, 10**6), grain=st.sampled_from([1.0, 2.0, 5.0]))
@settings(max_examples=20, deadline=None)
def test_the_error_is_bounded_on_blobs(blobs, seed, grain):
    from scipy import ndimage

    check(ndimage.label(blobs(seed, 90, 100, grain) > 0.6)[0], 0.5)


def test_nuclei_need_few_vertices_and_keep_their_area(maps):
    traced, simple = check(maps.reference["tile/Nuclei/inst_map"].astype(np.int32), 0.5)
    usual = shapely.area(traced) > 60
    vertices = shapely.get_num_coordinates(simple[usual]) - 1
    assert 10 <= np.median(vertices) <= 25
    assert 0.98 < shapely.area(simple).sum() / shapely.area(traced).sum() < 1.01


@pytest.mark.parametrize("slope", [1, 0.5, 0.2, 0.05])
def test_a_slanted_straight_edge_shows_no_stairs(slope):
    rows, columns = np.indices((80, 120))
    half_plane = rows > 8 + slope * columns * 0.5
    simple = simplify_polygons(np.array([trace_mask(half_plane)]))[0]
    assert shapely.get_num_coordinates(simple) - 1 <= 14


def test_a_disc_is_round():
    rows, columns = np.indices((60, 60))
    disc = (rows - 29.5) ** 2 + (columns - 29.5) ** 2 < 25**2
    simple = simplify_polygons(np.array([trace_mask(disc)]))[0]
    assert 12 <= shapely.get_num_coordinates(simple) <= 50
    assert simple.hausdorff_distance(shapely.Point(30, 30).buffer(25, quad_segs=64)) < 1.0
    ring = np.asarray(simple.exterior.coords)
    edges = np.diff(ring, axis=0)
    turn = np.degrees(np.arctan2(*np.roll(edges, -1, axis=0).T) - np.arctan2(*edges.T))
    assert np.abs((turn + 180) % 360 - 180).max() <= 46


def test_single_pixels_and_thin_lines_stay_polygons():
    labels = np.zeros((9, 9), np.int32)
    labels[1, 1] = 1
    labels[3, 1:8] = 2
    labels[5:9, 4] = 3
    _, simple = check(labels, 0.5)
    assert (shapely.area(simple) > 0).all()


def test_nothing_to_simplify():
    assert len(simplify_polygons(np.zeros(0, object))) == 0
