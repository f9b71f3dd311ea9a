"""A region that is asked for live: what QuPath is told to change, and what the next run knows of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from shapely import from_wkt
from shapely.geometry import LineString, MultiPolygon, box

from cerberus_annotate.annotate.commit import load_ledger, work_folder
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.annotate.undo import remove_run
from cerberus_annotate.errors import ImageRefusedError, UsageError
from cerberus_annotate.feedback.runs import read_runs
from cerberus_annotate.objects.predicted import ObjectList
from cerberus_annotate.qupath import PathClass, PathObject, Project, open_project
from cerberus_annotate.serve.differences import image_differences
from cerberus_annotate.serve.live import Answer, Question
from cerberus_annotate.serve.session import Session

from .conftest import StubModel, StubPredictor

REGION = PathObject(roi=box(90, 90, 260, 260), roi_kind="Rectangle")


def session(project: Project, predict: StubPredictor | None = None, options: Options | None = None) -> Session:
    return Session(project.path, "native", StubModel(), options or Options(), predict or StubPredictor())


def ask(project: Project, shown: Sequence[PathObject] = (), region: PathObject = REGION, **more: object) -> Answer:
    with session(project) as live:
        return live.ask(Question("1", (region.uuid,), (region, *shown), **more))  # type: ignore[arg-type]


def texts(objects: Sequence[PathObject]) -> list[str]:
    return sorted(str(obj.path_class) for obj in objects)


def save(project: Project, objects: Sequence[PathObject]) -> None:
    """As QuPath saves an image that now has `objects`."""
    image = project.images[0]
    with project.edit(image) as edit:
        for obj in image.read_objects():
            edit.remove(obj.uuid)
        there = {obj.uuid for obj in objects}
        edit.add([replace(obj, parent=obj.parent if obj.parent in there else None) for obj in objects])


def test_only_what_lies_in_the_region_comes_and_nothing_of_the_image_is_written(project: Project) -> None:
    before = project.images[0].fingerprint()
    found = ask(project)
    assert texts(found.add) == ["Gland", "Lumen", "Nucleus: Epithelial", "Nucleus: Epithelial"]
    assert (found.remove, found.dropped) == ((), 0)
    assert project.images[0].fingerprint() == before


def test_a_lumen_stands_under_its_gland_and_the_gland_under_the_region(project: Project) -> None:
    found = ask(project)
    by_class = {str(obj.path_class): obj for obj in found.add}
    assert found.parents[by_class["Lumen"].uuid] == by_class["Gland"].uuid
    assert found.parents[by_class["Gland"].uuid] == REGION.uuid


def test_tasks_and_what_the_network_is_shown(project: Project) -> None:
    predict = StubPredictor()
    with session(project, predict) as live:
        found = live.ask(Question("1", (REGION.uuid,), (REGION,), ("gland",)))
    assert texts(found.add) == ["Gland"]
    assert predict.asked[0]["tasks"] == ("gland",)
    assert predict.asked[0]["areas"].contains(REGION.roi)


def test_asked_again_nothing_is_doubled_whether_saved_or_not(project: Project) -> None:
    first = ask(project)
    again = ask(project, first.add)
    assert (again.add, again.remove) == ((), ())
    save(project, (REGION, *first.add))
    again = ask(project, first.add)
    assert (again.add, again.remove) == ((), ())


def test_unsaved_edits_and_deletions_stay(project: Project) -> None:
    first = ask(project)
    gland, *others = first.add
    nucleus = next(obj for obj in others if str(obj.path_class).startswith("Nucleus"))
    edited = replace(gland, roi=box(100, 100, 200, 230))
    shown = [edited, *(obj for obj in others if obj is not nucleus)]
    again = ask(project, shown)
    assert (again.add, again.remove) == ((), ())
    assert again.dropped == 2


def test_an_answer_that_was_never_put_in_changes_nothing(project: Project) -> None:
    ask(project)
    assert len(ask(project).add) == 4


def test_a_hand_drawn_object_is_not_doubled(project: Project) -> None:
    drawn = PathObject(roi=box(101, 101, 201, 201), roi_kind="Polygon", path_class=PathClass.of("Gland"))
    found = ask(project, [drawn])
    assert texts(found.add) == ["Lumen", "Nucleus: Epithelial", "Nucleus: Epithelial"]
    lumen = next(obj for obj in found.add if str(obj.path_class) == "Lumen")
    assert found.parents[lumen.uuid] == drawn.uuid


def test_a_later_run_knows_what_came_live(project: Project) -> None:
    found = ask(project)
    gland = next(obj for obj in found.add if str(obj.path_class) == "Gland")
    save(project, (REGION, *(obj for obj in found.add if obj is not gland)))
    image = open_project(project.path).images[0]
    _, compared, notes = load_ledger(work_folder(project), image, image.read_objects())
    assert (len(compared.untouched), [entry.uuid for entry in compared.deleted]) == (3, [gland.uuid])
    assert (compared.unknown, notes) == (0, [])
    summary = run(open_project(project.path), StubModel(), Options(regions="whole"), StubPredictor())
    assert summary.objects == {"Lumen": 1, "Nucleus: Epithelial": 4}  # the gland that was deleted does not come back


def test_objects_of_a_run_that_the_answer_replaces_count_as_replaced_not_as_deleted(project: Project) -> None:
    run(project, StubModel(), Options(regions="whole", tasks=("gland",)), StubPredictor())
    opened = open_project(project.path)
    old = opened.images[0].read_objects()
    shifted = StubPredictor()
    call = shifted.__call__

    def moved(*args: Any, **how: Any) -> ObjectList:
        return ObjectList([replace(each, polygon=box(105, 105, 205, 205)) for each in call(*args, **how).objects])

    with Session(project.path, "native", StubModel(), Options(tasks=("gland",)), moved) as live:
        found = live.ask(Question("1", (REGION.uuid,), (REGION, *old)))
    assert found.remove == tuple(obj.uuid for obj in old)
    save(opened, (REGION, *found.add))
    image = open_project(project.path).images[0]
    _, compared, _ = load_ledger(work_folder(project), image, image.read_objects())
    assert compared.deleted == ()
    assert len(compared.untouched) == 1


def test_the_session_is_a_run_that_can_be_removed(project: Project) -> None:
    found = ask(project)
    save(project, (REGION, *found.add))
    (record,) = read_runs(work_folder(project))
    assert (record.model, record.state, record.regions) == ("stub", "finished", "live")
    assert record.images["1"].added == 4
    (undone,) = remove_run(open_project(project.path), record.id)
    assert undone.removed == 4
    assert [obj.uuid for obj in open_project(project.path).images[0].read_objects()] == [REGION.uuid]


def test_differences_tell_live_predictions_from_drawn_ones(project: Project) -> None:
    found = ask(project)
    gland, *others = found.add
    save(project, (replace(gland, roi=box(100, 100, 200, 230)), *others))
    opened = open_project(project.path)
    outlines, counts, notes = image_differences(opened, opened.images[0])
    assert counts == {"reshaped": 1, "accepted": 3}
    assert sorted(obj.name or "" for obj in outlines) == ["corrected", "predicted"]
    assert notes == ()


@pytest.mark.parametrize("image", ["2", "", "../1", "/etc/passwd", "file:/etc/passwd", "1/../1", "..\\1"])
def test_an_image_that_the_project_has_not(project: Project, image: str) -> None:
    with session(project) as live, pytest.raises(UsageError, match="no image with the entryID"):
        live.ask(Question(image, (REGION.uuid,), (REGION,)))
    assert not (project.folder / "cerberus" / "live").exists()


@pytest.mark.parametrize(
    "shape",
    [
        box(1000, 1000, 1100, 1100),
        LineString([(0, 0), (50, 50)]),
        MultiPolygon(),
        from_wkt("POLYGON ((0 0, 1e300 0, 1e300 1e300, 0 0))"),
    ],
)
def test_a_region_without_area_in_the_image_is_refused(project: Project, shape: object) -> None:
    region = PathObject(roi=shape, roi_kind="Geometry")  # type: ignore[arg-type]
    with pytest.raises(ImageRefusedError, match="no area inside"):
        ask(project, region=region)


def test_a_region_that_is_far_too_large_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cerberus_annotate.serve.live.LARGEST_AREA", 0.001)
    with pytest.raises(ImageRefusedError, match="span"):
        ask(project)


def test_a_region_that_is_not_sent_along(project: Project) -> None:
    with session(project) as live, pytest.raises(UsageError, match="names no region"):
        live.ask(Question("1", (uuid4(),), (REGION,)))


def test_a_damaged_answer_or_ledger_is_no_obstacle(project: Project) -> None:
    found = ask(project)
    for path in (project.folder / "cerberus" / "live" / "1").iterdir():
        path.write_bytes(b"PK not a ledger")
    assert len(ask(project, found.add).add) == 0  # they count as drawn by hand
