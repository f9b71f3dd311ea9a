"""Where squares may lie."""

import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, box

from cerberus_annotate.review.candidates import candidates, squares

NOTHING = MultiPolygon()


def area_of(bounds: tuple[int, int, int, int]) -> float:
    left, top, right, bottom = bounds
    return float((right - left) * (bottom - top))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(100, 600))
def test_squares_cover_the_image_once(width: int, height: int, side: int) -> None:
    found = squares((0, 0, width, height), (side, side))
    assert sum(area_of(one) for one in found) == width * height
    assert shapely.union_all([box(*one) for one in found]).area == width * height
    assert max(max(one[2] - one[0], one[3] - one[1]) for one in found) <= 1.5 * side + 1


def test_a_small_image_is_one_region() -> None:
    assert squares((0, 0, 300, 200), (512, 512)) == [(0, 0, 300, 200)]


def test_same_seed_same_squares_and_another_seed_others() -> None:
    frame = [(0.0, 0.0, 10_000.0, 10_000.0)]
    first, count = candidates(frame, (256, 256), None, NOTHING, 20, [1, 7])
    assert (len(first), count) == (20, 39 * 39)
    assert candidates(frame, (256, 256), None, NOTHING, 20, [1, 7])[0] == first
    assert candidates(frame, (256, 256), None, NOTHING, 20, [2, 7])[0] != first


def test_half_of_a_square_must_be_tissue() -> None:
    found, _ = candidates([(0, 0, 400, 100)], (100, 100), box(0, 0, 260, 100), NOTHING, 10, [1])
    assert found == [(0, 0, 100, 100), (100, 0, 200, 100), (200, 0, 300, 100)]


def test_a_reviewed_neighbour_is_no_hindrance_but_an_overlap_is() -> None:
    reviewed = box(100, 0, 200, 100)
    found, _ = candidates([(0, 0, 400, 100)], (100, 100), None, reviewed, 10, [1])
    assert found == [(0, 0, 100, 100), (200, 0, 300, 100), (300, 0, 400, 100)]
    found, _ = candidates([(0, 0, 400, 100)], (100, 100), None, Point(205, 50).buffer(2), 10, [1])
    assert (200, 0, 300, 100) not in found


def test_overlapping_drawn_regions_give_no_overlapping_squares() -> None:
    frames = [(0.0, 0.0, 200.0, 200.0), (50.0, 50.0, 250.0, 250.0)]
    area = shapely.union_all([box(*frame) for frame in frames])
    found, _ = candidates(frames, (100, 100), area, NOTHING, 50, [1])
    assert shapely.union_all([box(*one) for one in found]).area == sum(area_of(one) for one in found)
    assert len(found) >= 4
