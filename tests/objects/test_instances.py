import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from cerberus_annotate.objects import gland_instances, lumen_instances, nucleus_instances
from cerberus_annotate.objects.instances import fill_holes, rimmed_nucleus_instances

small_masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda shape: arrays(np.bool_, shape))


def halved(maps, head):
    """Inside and contour as slide mode halves them: together with the type map, as one array of three channels."""
    third = maps.types.get(head, maps.types["Gland"]).astype(np.float32)
    three = np.dstack((*maps.heads[head], third))
    half = cv2.resize(three, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_LINEAR)
    return half[..., 0], half[..., 1]


@pytest.mark.parametrize(
    ("find", "head", "expected"),
    [
        (gland_instances, "Gland", "tile/Gland/inst_map"),
        (lumen_instances, "Lumen", "tile/lumen_before_filter"),
        (nucleus_instances, "Nuclei", "tile/Nuclei/inst_map"),
    ],
)
def test_label_maps_equal_the_references(maps, find, head, expected):
    found = find(*maps.heads[head])
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, maps.reference[expected])


@pytest.mark.parametrize(
    ("find", "head", "expected"),
    [
        (gland_instances, "Gland", "wsi/Gland/inst_map"),
        (lumen_instances, "Lumen", "wsi/lumen_before_filter"),
    ],
)
def test_half_size_label_maps_equal_the_references(maps, find, head, expected):
    np.testing.assert_array_equal(find(*halved(maps, head), scale=0.5), maps.reference[expected])


@pytest.mark.parametrize("find", [gland_instances, lumen_instances, nucleus_instances])
def test_empty_maps_hold_nothing(find):
    nothing = np.zeros((40, 50), np.float32)
    assert not find(nothing, nothing).any()
    assert find(nothing, nothing).shape == (40, 50)


def test_a_nucleus_of_the_smallest_size_is_kept():
    # scikit-image 0.26 would drop markers of exactly four pixels.
    inside = np.zeros((12, 12), np.float32)
    contour = np.zeros((12, 12), np.float32)
    inside[5:7, 5:7] = 0.9
    contour[3:9, 3:9] = 0.6
    contour[5:7, 5:7] = 0.0
    assert np.count_nonzero(nucleus_instances(inside, contour)) >= 8


def test_glands_of_the_smallest_size_are_kept_and_smaller_ones_dropped():
    contour = np.zeros((200, 200), np.float32)
    for columns, count in ((25, 1), (24, 0)):
        inside = np.zeros((200, 200), np.float32)
        inside[60:100, 60 : 60 + columns] = 0.9
        assert gland_instances(inside, contour).max() == count


def test_glands_grow_but_not_on_a_side_near_the_border():
    inside = np.zeros((300, 300), np.float32)
    inside[10:100, 100:200] = 0.9
    rows, columns = np.nonzero(gland_instances(inside, np.zeros_like(inside)))
    assert rows.min() == 10
    assert rows.max() > 99
    assert (columns.min(), columns.max()) != (100, 199)


@given(small_masks)
@settings(max_examples=200, deadline=None)
def test_holes_are_what_no_way_leads_out_of(mask):
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


@pytest.mark.parametrize("find", [gland_instances, lumen_instances, nucleus_instances, rimmed_nucleus_instances])
def test_bytes_give_the_instances_of_their_probabilities(find, blobs):
    inside, contour = ((blobs(seed, 400, 420, 9.0) * 255).astype(np.uint8) for seed in (1, 2))
    found = find(inside, contour // 2)
    assert found.max() > 1
    probabilities = (each.astype(np.float32) / np.float32(255) for each in (inside, contour // 2))
    np.testing.assert_array_equal(found, find(*probabilities))


def rimmed_by_definition(inside, contour, threshold, marker):
    """The rule of `rimmed_nucleus_instances` with exact distances; also where the nearest marker is the only one at
    that distance, give or take what OpenCV's distances are off by."""
    covered = ndimage.binary_fill_holes((inside + contour) > threshold)
    part, parts = ndimage.label(covered)
    markers, count = ndimage.label((inside > marker) & covered)
    for number in range(1, count + 1):
        if (markers == number).sum() < 4:
            markers[markers == number] = 0
    for number in range(1, parts + 1):
        if not markers[part == number].any():
            markers[part == number] = count + number
    numbers = np.unique(markers[markers > 0])
    distances = np.array([ndimage.distance_transform_edt(markers != number) for number in numbers])
    nearest = numbers[distances.argmin(axis=0)]
    ordered = np.sort(distances, axis=0)
    sure = ordered[1] - ordered[0] > 0.1 * ordered[1] if len(numbers) > 1 else np.ones(covered.shape, bool)
    home = {number: part[markers == number][0] for number in numbers}
    owned = covered & (np.vectorize(home.get)(nearest) == part)
    return np.where(owned, nearest, 0), sure


@pytest.mark.parametrize("seed", range(4))
def test_pixels_go_to_the_nearest_marker_of_their_own_part(seed, blobs):
    inside, contour = blobs(seed, 90, 110, 4.0) * 0.9, blobs(seed + 10, 90, 110, 3.0) * 0.4
    found = rimmed_nucleus_instances(inside, contour, 0.6, 0.62)
    expected, sure = rimmed_by_definition(inside, contour, 0.6, 0.62)
    sure &= np.isin(expected, np.flatnonzero(np.bincount(expected[sure]) >= 40))
    assert sure.sum() > 1000
    pairs = np.unique(np.column_stack((expected[sure], found[sure])), axis=0)
    assert (pairs > 0).sum() >= 4
    assert ((pairs[:, 0] > 0) == (pairs[:, 1] > 0)).all()
    assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs)


def test_importing_the_package_alone_loads_nothing_heavy():
    code = (
        "import sys, cerberus_annotate.objects as o; heavy = {'cv2', 'skimage', 'scipy', 'shapely', 'numpy'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "from cerberus_annotate.objects import PredictedObject, gland_instances"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_refused():
    import cerberus_annotate.objects

    with pytest.raises(AttributeError, match="blood"):
        _ = cerberus_annotate.objects.blood_instances
