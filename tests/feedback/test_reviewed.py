"""What counts as looked at, and for which tasks."""

import pytest
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.reviewed import REVIEWED_KEY, Reviewed, reviewed_areas
from cerberus_annotate.qupath.path_object import PathClass, PathObject

KNOWN = ("nuclei", "gland", "lumen")


def mark(roi: BaseGeometry, tasks: str | None = None, path_class: str = "Reviewed") -> PathObject:
    metadata = {} if tasks is None else {REVIEWED_KEY: tasks}
    return PathObject(roi=roi, path_class=PathClass.of(path_class), metadata=metadata)


def reviewed(objects: list[PathObject], metadata: dict[str, str] | None = None, **options: object) -> Reviewed:
    values: dict = {"known": KNOWN, "default": ("nuclei",), **options}
    return reviewed_areas("one.tif", objects, metadata or {}, (1000, 1000), **values)


def sizes(found: Reviewed) -> dict[str, float]:
    return {task: area.area for task, area in found.areas.items()}


def test_nothing_is_reviewed_where_nobody_said_so() -> None:
    assert reviewed([mark(box(0, 0, 10, 10), path_class="To review")]).areas == {}


def test_overlapping_annotations_of_any_shape_are_one_area() -> None:
    circle = Point(50, 50).buffer(20)
    found = reviewed([mark(box(0, 0, 50, 50)), mark(circle)])
    assert sizes(found) == {"nuclei": pytest.approx(box(0, 0, 50, 50).union(circle).area)}
    assert len(found.areas["nuclei"].geoms) == 1


def test_the_annotation_says_its_tasks_then_the_image_then_the_command_line_then_what_was_predicted() -> None:
    area = box(0, 0, 10, 10)
    assert set(reviewed([mark(area, "gland")], {REVIEWED_KEY: "lumen"}).areas) == {"gland"}
    assert set(reviewed([mark(area)], {REVIEWED_KEY: "lumen, Gland"}).areas) == {"lumen", "gland"}
    assert set(reviewed([mark(area)], chosen=("lumen",)).areas) == {"lumen"}
    assert set(reviewed([mark(area)]).areas) == {"nuclei"}


def test_each_task_has_its_own_area() -> None:
    found = reviewed([mark(box(0, 0, 10, 10), "nuclei,gland"), mark(box(20, 0, 30, 10), "nuclei")])
    assert sizes(found) == {"nuclei": 200, "gland": 100}


def test_tasks_that_are_not_chosen_are_not_reviewed() -> None:
    assert set(reviewed([mark(box(0, 0, 10, 10), "nuclei,gland")], chosen=("gland",)).areas) == {"gland"}


def test_an_image_whose_metadata_say_so_is_reviewed_as_a_whole() -> None:
    assert sizes(reviewed([], {REVIEWED_KEY: "nuclei,gland"})) == {"nuclei": 1_000_000, "gland": 1_000_000}


def test_with_annotations_the_images_metadata_name_tasks_and_no_area() -> None:
    assert sizes(reviewed([mark(box(0, 0, 10, 10))], {REVIEWED_KEY: "gland"})) == {"gland": 100}


def test_an_unknown_task_is_told() -> None:
    found = reviewed([], {REVIEWED_KEY: "nuclei,cells"})
    assert set(found.areas) == {"nuclei"}
    assert "image 'one.tif' name cells, which is none of nuclei, gland, lumen" in found.notes[0]


def test_what_is_marked_as_ignored_was_not_reviewed() -> None:
    found = reviewed([mark(box(0, 0, 10, 10)), mark(box(5, 0, 20, 10), path_class="Ignore*")])
    assert sizes(found) == {"nuclei": 50}


def test_an_outline_that_crosses_itself_covers_what_it_encloses() -> None:
    assert sizes(reviewed([mark(Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]))])) == {"nuclei": 50}


def test_outside_the_image_nothing_is_reviewed_and_it_is_told() -> None:
    found = reviewed([mark(box(2000, 0, 2010, 10))])
    assert found.areas == {}
    assert "outside the image" in found.notes[0]


def test_without_any_hint_of_the_task_nothing_is_reviewed_and_it_is_told() -> None:
    found = reviewed([mark(box(0, 0, 10, 10))], default=())
    assert found.areas == {}
    assert "Name them with --tasks" in found.notes[0]


def test_in_the_mode_edited_only_what_lies_around_edits_is_reviewed() -> None:
    found = reviewed([mark(box(0, 0, 500, 500))], mode="edited", edited=[box(100, 100, 110, 110)], mpp=(0.5, 0.5))
    left, top, right, bottom = found.areas["nuclei"].bounds
    assert (left, top, right, bottom) == pytest.approx((94, 94, 116, 116))


def test_in_the_mode_all_the_whole_image_is_reviewed() -> None:
    assert sizes(reviewed([], mode="all", default=("nuclei", "gland"))) == {"nuclei": 1e6, "gland": 1e6}
