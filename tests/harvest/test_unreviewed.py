"""Pictures of tissue that nobody reviewed: where they lie, and that they stay or give way as reviewing goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import shapely
from shapely.geometry import box

from cerberus_annotate.errors import UsageError
from cerberus_annotate.harvest.folder import Harvest, UnreviewedRecord, sha256
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.run import harvest
from cerberus_annotate.harvest.unreviewed import unreviewed_squares
from cerberus_annotate.learn.data.check import check
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.data.unreviewed import read_unreviewed
from cerberus_annotate.qupath import PathClass, PathObject, Project

Make = Callable[..., Project]
MARKED = HarvestOptions()


def pictures(of: Harvest) -> dict[str, UnreviewedRecord]:
    return {one.name: one for image in of.images.values() for one in image.unreviewed}


def test_they_lie_on_tissue_beside_what_was_reviewed_and_have_no_labels(
    prelabelled: Make, tools: Any, tmp_path: Path
) -> None:
    project = prelabelled()
    tools.mark_reviewed(project, 600, 600, 300, 300)
    with project.edit(project.images[0]) as edit:
        ignored = box(0, 0, 100, 100)
        edit.add(PathObject(roi=ignored, roi_kind="Rectangle", path_class=PathClass.of("Ignore*", (9, 9, 9))))
    folder = tmp_path / "h"
    found = pictures(harvest(project, folder, MARKED).harvest)
    assert len(found) in (1, 2)  # of the four squares of 512 px one holds the region, one may be under the other mark
    for one in found.values():
        square = box(one.x, one.y, one.x + one.width, one.y + one.height)
        assert not square.intersects(box(600, 600, 900, 900))
        assert not square.intersects(ignored)
        assert sha256((folder / one.image).read_bytes()) == one.sha256
    images = read_unreviewed(folder)
    assert {image.name for image in images} == set(found)
    for image in images:
        assert image.rgb.shape == (512, 512, 3)
        assert (image.mpp, image.nuclei, image.glands) == (0.25, None, None)
    (split,) = {entry.split for entry in read_data_set(folder).entries}
    assert {image.split for image in images} == {split}
    assert check(read_data_set(folder)).problems == ()
    jsonschema.validate(
        json.loads((folder / "harvest.json").read_text("utf-8")),
        json.loads((folder / "harvest.schema.json").read_text("utf-8")),
    )


def test_one_gives_way_when_its_place_is_reviewed_and_the_others_stay(
    prelabelled: Make, tools: Any, tmp_path: Path
) -> None:
    project = prelabelled()
    tools.mark_reviewed(project, 1100, 1100, 50, 50)
    folder = tmp_path / "h"
    before = pictures(harvest(project, folder, MARKED).harvest)
    assert len(before) == 4
    gone = next(iter(before.values()))
    tools.mark_reviewed(project, gone.x + 50, gone.y + 50, 100, 100)
    after = pictures(harvest(project, folder, MARKED).harvest)
    assert after == {name: one for name, one in before.items() if name != gone.name}
    assert {path.name for path in (folder / "unreviewed").iterdir()} == {Path(one.image).name for one in after.values()}


def test_a_region_beside_a_picture_leaves_it_where_it_is() -> None:
    tissue, far = box(0, 0, 1024, 512), box(1030, 0, 1040, 9)
    assert len(unreviewed_squares(tissue, far, (1100, 512), "x")) == 2
    assert unreviewed_squares(tissue, box(0, 0, 512 + 1e-7, 512), (1100, 512), "x") == [(512, 0, 512)]
    assert unreviewed_squares(tissue, box(0, 0, 513, 512), (1100, 512), "x") != [(512, 0, 512)]


@pytest.mark.parametrize("options", [HarvestOptions(tasks=("nuclei",)), HarvestOptions(reviewed="edited")])
def test_what_was_reviewed_for_other_tasks_or_without_edits_was_reviewed(
    prelabelled: Make, tools: Any, tmp_path: Path, options: HarvestOptions
) -> None:
    project = prelabelled()
    tools.mark_reviewed(project, 1100, 1100, 50, 50, metadata={"cerberus.reviewed": "nuclei"})
    tools.mark_reviewed(project, 600, 100, 50, 50, metadata={"cerberus.reviewed": "gland"})
    tools.edit(project, tools.drawn(box(1110, 1110, 1130, 1130), "Nucleus: Epithelial"))
    found = pictures(harvest(project, tmp_path / "h", options).harvest)
    assert {(one.x, one.y) for one in found.values()} == {(0, 0), (0, 512), (512, 512)}


def test_places_are_of_the_slide_whatever_the_project(prelabelled: Make, tools: Any, tmp_path: Path) -> None:
    def corners(names: tuple[str, ...], index: int) -> list[tuple[float, float]]:
        project = prelabelled(*names, folder=f"p{index}")
        tools.mark_reviewed(project, 1100, 1100, 50, 50, index=index)
        done = harvest(project, tmp_path / f"h{index}", MARKED)
        return [(one.x, one.y) for one in pictures(done.harvest).values()]

    assert corners(("one.tif",), 0) == corners(("two.tif", "three.tif", "one.tif"), 2)


def test_another_pixel_size_makes_them_anew(make_project: Make, tools: Any, tmp_path: Path) -> None:
    project = make_project(mpp=None)
    nucleus = tools.drawn(tools.nucleus(1125, 1125), "Nucleus: Epithelial")
    tools.edit(project, nucleus, tools.drawn(box(1100, 1100, 1150, 1150), "Reviewed"))
    for mpp in (0.25, 0.3):
        done = harvest(project, tmp_path / "h", HarvestOptions(mpp=(mpp, mpp))).harvest
        assert {image.mpp for image in read_unreviewed(tmp_path / "h")} == {mpp}
        assert {patch.mpp for image in done.images.values() for patch in image.patches} == {mpp}


def test_a_slide_that_is_damaged_elsewhere_is_harvested_without_them(
    prelabelled: Make, tools: Any, tmp_path: Path
) -> None:
    import tifffile

    project = prelabelled()
    tools.mark_reviewed(project, 50, 50, 100, 100)
    with tifffile.TiffFile(tmp_path / "one.tif") as slide:
        offsets = [start for page in slide.pages[1:] for start in page.dataoffsets]
    with (tmp_path / "one.tif").open("r+b") as file:
        for start in offsets:
            file.seek(start)
            file.write(b"damaged!")
    done = harvest(project, tmp_path / "h", MARKED)
    assert done.failed == {}
    assert [len(image.patches) for image in done.harvest.images.values()] == [1]
    assert pictures(done.harvest) == {}
    assert any("no pictures of unreviewed tissue" in note for note in done.notes)


def test_a_small_image_gives_small_pictures_and_one_reviewed_as_a_whole_none() -> None:
    tissue = box(0, 0, 400, 300)
    beside = unreviewed_squares(tissue, box(0, 0, 130, 300), (400, 300), "x")
    assert {side for *_, side in beside} == {128}
    assert all(x >= 130 for x, *_ in beside)
    assert unreviewed_squares(tissue, box(0, 0, 400, 300), (400, 300), "x") == []
    assert unreviewed_squares(shapely.MultiPolygon(), box(0, 0, 1, 1), (400, 300), "x") == []


def test_a_harvest_without_a_list_has_none_and_a_damaged_one_is_a_sentence(tmp_path: Path) -> None:
    assert read_unreviewed(tmp_path) == []
    (tmp_path / "unreviewed.csv").write_text("name,image\na,b.png\n")
    with pytest.raises(UsageError, match="run `harvest` again"):
        read_unreviewed(tmp_path)


def test_places_follow_from_the_seed(tmp_path: Path) -> None:
    places = [unreviewed_squares(box(0, 0, 9000, 9000), box(0, 0, 1, 1), (9000, 9000), seed) for seed in "aab"]
    assert places[0] == places[1] != places[2]
    assert np.unique(places[0], axis=0).shape == (4, 3)
