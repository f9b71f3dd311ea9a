"""`create` adds slides as QuPath would."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.errors import SlideError
from cerberus_annotate.qupath import create_project, open_project
from cerberus_annotate.slide.pyramid import write_pyramid


def test_slides_and_plain_images_with_spaces_and_umlauts(tmp_path: Path) -> None:
    project = create_project(tmp_path / "project")
    write_pyramid(tmp_path / "Präparat 1.tif", np.full((300, 400, 3), 200, np.uint8), 0.5)
    Image.fromarray(np.full((50, 60, 3), 200, np.uint8)).save(tmp_path / "plain.png")
    slide = add_slide(project, describe_slide(tmp_path / "Präparat 1.tif"))
    plain = add_slide(project, describe_slide(tmp_path / "plain.png", (0.25, 0.25)))
    assert slide.is_new
    assert slide.mpp == pytest.approx((0.5, 0.5))
    assert plain.mpp == (0.25, 0.25)
    again = open_project(project.path).images
    assert [(image.name, image.width, image.height) for image in again] == [
        ("Präparat 1.tif", 400, 300),
        ("plain.png", 60, 50),
    ]
    assert [image.image_type for image in again] == ["BRIGHTFIELD_H_E"] * 2
    assert again[1].pixel_size == (0.25, 0.25)
    assert all((image.data_path.parent / "thumbnail.jpg").is_file() for image in again)


def test_a_slide_is_not_added_twice(tmp_path: Path) -> None:
    project = create_project(tmp_path / "project")
    write_pyramid(tmp_path / "a.tif", np.full((300, 400, 3), 200, np.uint8), 0.5)
    assert add_slide(project, describe_slide(tmp_path / "a.tif")).is_new
    assert not add_slide(project, describe_slide(tmp_path / "a.tif")).is_new
    assert len(open_project(project.path).images) == 1


@pytest.mark.parametrize("one_file", [True, False], ids=["case-insensitive", "case-sensitive"])
def test_a_slide_in_another_spelling_is_the_same_where_the_disk_says_so(tmp_path: Path, one_file: bool) -> None:
    project = create_project(tmp_path / "project")
    write_pyramid(tmp_path / "a.tif", np.full((300, 400, 3), 200, np.uint8), 0.5)
    other = tmp_path / "A.TIF"
    if not other.exists():  # else the disk of this machine is such a one
        other.hardlink_to(tmp_path / "a.tif") if one_file else shutil.copy(tmp_path / "a.tif", other)
    elif not one_file:
        pytest.skip("the disk does not tell a.tif from A.TIF")
    assert add_slide(project, describe_slide(tmp_path / "a.tif")).is_new
    assert add_slide(project, describe_slide(other)).is_new is not one_file


def test_what_the_file_says_counts_more_than_mpp(tmp_path: Path) -> None:
    project = create_project(tmp_path / "project")
    write_pyramid(tmp_path / "a.tif", np.full((300, 400, 3), 200, np.uint8), 0.5)
    assert add_slide(project, describe_slide(tmp_path / "a.tif", (1, 1))).mpp == pytest.approx((0.5, 0.5))


def test_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_text("no slide")
    with pytest.raises(SlideError):
        describe_slide(tmp_path / "a.svs")
