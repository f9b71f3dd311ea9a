import numpy as np
import pytest
import shapely

from cerberus_annotate.objects import PredictedObject
from cerberus_annotate.objects.instances import area_foreground, gland_settings, lumen_settings
from cerberus_annotate.objects.joining import AreaJoiner, area_objects, resolve_overlaps
from cerberus_annotate.objects.lumina import place_lumina
from cerberus_annotate.objects.polygons import trace_polygons


def lumen(*box):
    return PredictedObject("lumen", "Lumen", shapely.box(*box), 0.8)


def gland(*box):
    return PredictedObject("gland", "Gland", shapely.box(*box), 0.9)


def objects(maps, head, how, tolerance):
    inside, contour = maps.heads[head]
    joiner = AreaJoiner(how, inside.shape[::-1], [(0, 0)])
    areas = joiner.add_tile((0, 0), 0, 0, area_foreground(inside, contour, how), inside)
    return area_objects(resolve_overlaps(areas), head.lower(), (), tolerance)


@pytest.mark.parametrize(("tolerance", "alike"), [(0.0, 1.0), (0.5, 0.93)])
def test_the_lumina_left_are_the_references(maps, tolerance, alike):
    glands = objects(maps, "Gland", gland_settings(), tolerance)
    placed = place_lumina(objects(maps, "Lumen", lumen_settings(), tolerance), glands)
    _, expected = trace_polygons(maps.reference["tile/Lumen/inst_map"].astype(np.int32))
    assert len(placed) == len(expected)
    for found in placed:
        best = max(expected, key=lambda polygon: polygon.intersection(found.polygon).area)
        assert best.intersection(found.polygon).area >= alike * best.union(found.polygon).area
        home = next(each for each in glands if each.uuid == found.parent)
        assert found.polygon.difference(home.polygon).area < 1e-6


def test_a_lumen_outside_every_gland_is_dropped():
    assert place_lumina([lumen(0, 0, 20, 20)], [gland(100, 100, 200, 200)]) == []
    assert place_lumina([lumen(0, 0, 20, 20)], []) == []
    assert place_lumina([], [gland(0, 0, 9, 9)]) == []


def test_a_lumen_goes_to_the_gland_that_holds_most_of_it():
    left, right = gland(0, 0, 50, 100), gland(50, 0, 100, 100)
    inside, across = lumen(10, 10, 30, 30), lumen(40, 10, 80, 30)
    one, other = place_lumina([across, inside], [left, right])
    assert (one.uuid, one.parent) == (across.uuid, right.uuid)
    assert one.polygon.equals(shapely.box(50, 10, 80, 30))
    assert (other.uuid, other.parent) == (inside.uuid, left.uuid)


def test_a_remnant_smaller_than_a_lumen_is_dropped():
    home = gland(0, 0, 50, 100)
    assert place_lumina([lumen(40, 10, 90, 24)], [home]) == []
    assert len(place_lumina([lumen(40, 10, 90, 25)], [home])) == 1
    assert len(place_lumina([lumen(40, 10, 90, 24)], [home], smallest=100)) == 1
