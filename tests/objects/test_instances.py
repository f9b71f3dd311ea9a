import subprocess
import sys

import cv2
import numpy as np
import pytest

from cerberus_annotate.objects import gland_instances, lumen_instances, nucleus_instances


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
