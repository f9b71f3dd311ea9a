"""Which part of a slide is measured."""

import shapely
from shapely.geometry import box

from cerberus_annotate.slide import Region
from cerberus_annotate.speed.part import densest_square, tissue_share


def test_the_square_lies_in_the_tissue() -> None:
    tissue = shapely.union_all([box(9000, 3000, 15000, 9000), box(0, 0, 900, 900)])
    part = densest_square((20_000, 10_000), (0.5, 0.5), tissue, 1.0)
    assert (part.width, part.height) == (2000, 2000)
    assert tissue_share(part, tissue) == 1.0


def test_pixels_need_not_be_square() -> None:
    part = densest_square((20_000, 20_000), (0.5, 0.25), box(0, 0, 20_000, 20_000), 4.0)
    assert (part.width, part.height) == (4000, 8000)


def test_tissue_at_the_border_is_reached() -> None:
    tissue = box(9100, 9100, 10_000, 10_000)
    part = densest_square((10_000, 10_000), (0.5, 0.5), tissue, 0.2)
    assert part.x + part.width <= 10_000
    assert tissue_share(part, tissue) == 1.0


def test_a_slide_smaller_than_the_square_is_measured_whole() -> None:
    assert densest_square((800, 600), (0.5, 0.5), box(0, 0, 10, 10), 1.0) == Region(0, 0, 800, 600)


def test_without_tissue_it_is_the_middle() -> None:
    part = densest_square((10_000, 6000), (0.5, 0.5), shapely.MultiPolygon(), 1.0)
    assert part == Region(4000, 2000, 2000, 2000)
    assert tissue_share(part, shapely.MultiPolygon()) == 0
