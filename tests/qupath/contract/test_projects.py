"""Class lists and new images, by either engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.qupath import PathClass, PathObject, Project, ServerBuilder, open_project, server_for_slide
from tests.qupath.contract.equality import assert_same_objects

Copy = Callable[[str], Path]


def a_slide(path: Path) -> ServerBuilder:
    return server_for_slide(path, path.name, 4000, 3000, pixel_size=(0.25, 0.25), magnification=40)


def test_classes_are_appended_with_their_colours(project: Project) -> None:
    before = project.classes
    wanted = [PathClass.of("Gland: Benign", (1, 2, 3)), PathClass.of(str(before[0]), (9, 9, 9)), PathClass.of("Plain")]
    added = project.add_classes(wanted)
    assert added == [wanted[0], wanted[2]]
    again = open_project(project.folder)
    for listed in (project.classes, again.classes):
        assert listed == [*before, wanted[0], wanted[2]]
        assert [item.colour for item in listed[: len(before) + 1]] == [item.colour for item in [*before, wanted[0]]]
    assert project.add_classes(wanted) == []


def test_a_class_list_that_another_program_changed_counts(project: Project) -> None:
    open_project(project.folder).add_classes([PathClass.of("From elsewhere", (4, 5, 6))])
    assert PathClass.of("From elsewhere") in project.classes
    project.add_classes([PathClass.of("From here")])
    assert [str(item) for item in open_project(project.folder).classes[-2:]] == ["From elsewhere", "From here"]


def test_colours_of_one_project_are_not_those_of_another(
    writing_qupath: str, sample_copy: Copy, tmp_path: Path
) -> None:
    """QuPath has one colour a class for the whole process."""
    first = open_project(sample_copy("0.6.0/kinds"), "paquo")
    second = open_project(sample_copy("0.6.0/tiny"), "paquo")
    first.add_classes([PathClass.of("Shared name", (10, 0, 0))])
    second.add_classes([PathClass.of("Shared name", (0, 20, 0))])
    assert open_project(first.folder).classes[-1].colour == first.classes[-1].colour == (10, 0, 0)
    assert open_project(second.folder).classes[-1].colour == second.classes[-1].colour == (0, 20, 0)


def test_an_image_is_added_once(project: Project, tmp_path: Path) -> None:
    slide = tmp_path / "new slide.svs"
    slide.touch()
    count = len(project.images)
    image = project.add_image(a_slide(slide), "Näme", thumbnail=b"\xff\xd8\xff\xd9", metadata={"case": "7"})
    assert image.is_new
    assert not project.add_image(a_slide(slide), "Again").is_new
    again = open_project(project.folder).images
    assert len(again) == count + 1
    assert (again[-1].name, again[-1].metadata, again[-1].image_type) == ("Näme", {"case": "7"}, "BRIGHTFIELD_H_E")
    assert (again[-1].width, again[-1].height, again[-1].pixel_size) == (4000, 3000, (0.25, 0.25))
    assert again[-1].stains == image.stains is not None
    assert (again[-1].data_path.parent / "thumbnail.jpg").read_bytes() == b"\xff\xd8\xff\xd9"
    with project.edit(image) as edit:
        edit.add(PathObject(image_area := a_box()))
    assert [item.roi for item in image.read_objects()] == [image_area]
    assert_same_objects(image.read_objects(), open_project(project.folder).images[-1].read_objects())


def a_box() -> object:
    from shapely.geometry import Polygon

    return Polygon([(1, 2), (30, 4), (20, 50)])


def test_a_new_image_does_not_take_over_the_data_of_one_that_was_removed(project: Project, tmp_path: Path) -> None:
    left = project.folder / "data" / str(max(int(image.id) for image in project.images) + 1)
    left.mkdir(exist_ok=True)
    (left / "data.qpdata").write_bytes(project.images[0].data_path.read_bytes())
    slide = tmp_path / "slide.svs"
    slide.touch()
    image = project.add_image(a_slide(slide), "New")
    assert image.read_objects() == []
    assert image.data_path.parent != left


def test_an_image_that_cannot_be_added_leaves_the_project_as_it_was(project: Project, tmp_path: Path) -> None:
    before = project.path.read_bytes()
    folders = sorted(project.folder.glob("data/*"))
    slide = tmp_path / "slide.svs"
    slide.touch()
    blocked = project.path.with_name(project.path.name + ".tmp")
    blocked.mkdir()
    other = project.path.with_name(f".{project.path.name}.tmp")
    other.mkdir()
    with pytest.raises(ProjectError):
        project.add_image(a_slide(slide), "New")
    assert project.path.read_bytes() == before
    assert sorted(project.folder.glob("data/*")) == folders
