"""Patches of a region together hold every object that counts once and uncut, and every other pixel once."""

from unittest.mock import patch as patched

import numpy as np
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, box

from cerberus_annotate.harvest import patches
from cerberus_annotate.harvest.label_maps import counted_pixels, draw_instances, draw_mask
from cerberus_annotate.harvest.patches import lay_patches, mainly_inside

SIZE = (400, 360)
PLACE = st.integers(0, 380)


def array(outlines: list) -> np.ndarray:
    out = np.empty(len(outlines), object)
    out[:] = outlines
    return out


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(PLACE, PLACE, st.integers(20, 200), st.integers(20, 200)), min_size=1, max_size=3),
    st.sets(st.tuples(st.integers(0, 9), st.integers(0, 8)), min_size=1, max_size=30),
    st.integers(4, 17),
)
@example([(47, 0, 141, 20), (188, 0, 200, 20)], {(0, 0)}, 4)  # a sixth of it ends in the middle of a pixel
def test_everything_counts_once(boxes: list, places: set, radius: int) -> None:
    image = box(0, 0, *SIZE)
    region = shapely.union_all([box(x, y, x + w, y + h) for x, y, w, h in boxes]).intersection(image)
    parts = [part for part in shapely.get_parts(region).tolist() if part.geom_type == "Polygon" and part.area > 0]
    if not parts:
        return
    region = parts[0]
    disks = [Point(20.3 + 40 * x, 20.3 + 40 * y).buffer(radius).intersection(image) for x, y in sorted(places)]
    outlines = array(disks)
    tree = shapely.STRtree(outlines)
    with patched.object(patches, "CELL", 64), patched.object(patches, "MARGIN", 8):
        laid = lay_patches(region, {"nuclei": outlines}, {"nuclei": tree}, SIZE)
    times = np.zeros(SIZE[::-1], int)
    owned: list[int] = []
    for one in laid:
        assert one.x >= 0
        assert one.y >= 0
        assert one.x + one.width <= SIZE[0]
        assert one.y + one.height <= SIZE[1]
        near = np.sort(tree.query(box(one.x, one.y, one.x + one.width, one.y + one.height), predicate="intersects"))
        moved = shapely.transform(outlines[near], lambda xy, one=one: xy - (one.x, one.y))
        instances = draw_instances(moved, (one.height, one.width))
        counted = counted_pixels(one, "nuclei", instances, near)
        times[one.y : one.y + one.height, one.x : one.x + one.width] += counted
        for index in one.owned["nuclei"].tolist():
            number = int(np.flatnonzero(near == index)[0]) + 1
            whole = draw_mask(outlines[index], SIZE[::-1]).sum()
            assert (counted & (instances == number)).sum() == (instances == number).sum() == whole
        owned += one.owned["nuclei"].tolist()
    inside = mainly_inside(outlines, region, tree)
    assert sorted(owned) == np.flatnonzero(inside).tolist()
    everywhere = draw_instances(outlines, SIZE[::-1])
    kept = np.concatenate([[False], inside])[everywhere]
    expected = np.where(everywhere > 0, kept, draw_mask(region, SIZE[::-1]))
    assert np.array_equal(times, expected.astype(int))


def test_an_object_larger_than_a_patch_may_be_is_cut() -> None:
    outlines = array([box(10, 10, 300, 300)])
    tree = shapely.STRtree(outlines)
    region = box(0, 0, 320, 320)
    with patched.object(patches, "CELL", 160), patched.object(patches, "LARGEST_WHOLE", 200):
        laid = lay_patches(region, {"gland": outlines}, {"gland": tree}, SIZE)
    assert len(laid) == 4
    counted = 0
    for one in laid:
        moved = shapely.transform(outlines, lambda xy, one=one: xy - (one.x, one.y))
        instances = draw_instances(moved, (one.height, one.width))
        counted += int((counted_pixels(one, "gland", instances, np.array([0])) & (instances > 0)).sum())
    assert counted == 290 * 290
