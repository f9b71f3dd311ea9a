"""A queue in a real project: what it writes, what it leaves alone, where it does not look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from shapely import affinity
from shapely.geometry import Point, box

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.annotate.undo import restore
from cerberus_annotate.errors import ProjectLockedError, UsageError
from cerberus_annotate.feedback.reviewed import REVIEWED_KEY
from cerberus_annotate.harvest.folder import read_harvest
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.run import harvest
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.qupath import PathClass, PathObject, Project, open_project
from cerberus_annotate.review.options import ReviewOptions
from cerberus_annotate.review.run import Queue, review

Make = Callable[..., Project]

SMALL = ReviewOptions(size=64)
"""Nine squares in a slide of 200 µm."""


@dataclass(frozen=True)
class StubModel:
    """What a run notes of a model."""

    name: str = "stub"
    sha256: str = "0" * 64
    tasks: tuple[str, ...] = ("nuclei", "gland", "lumen")


def predict(slide: Any, mpp: Any, *, tasks: Sequence[str], areas: Any, progress: Any) -> ObjectList:
    """A nucleus every 50 px, where it is asked to look."""
    places = [Point(x, y) for x in range(25, 400, 50) for y in range(25, 400, 50)]
    found = [
        PredictedObject("nuclei", "Nucleus: Epithelial", place.buffer(8, quad_segs=4), 0.9)
        for place in places
        if areas is None or areas.covers(place)
    ]
    return ObjectList(found)


def objects_of(project: Project, index: int = 0) -> list[PathObject]:
    return open_project(project.path).images[index].read_objects()


def of_class(objects: Sequence[PathObject], name: str = "To review") -> list[PathObject]:
    return [obj for obj in objects if str(obj.path_class) == name]


def facts(objects: Sequence[PathObject]) -> dict[Any, Any]:
    """UUID → all that stands in the project of it."""
    return {
        obj.uuid: (obj.roi.wkb, replace(obj, roi=None, class_probability=0.0)) for obj in objects if obj.roi is not None
    }


def draw(project: Project, path_class: str, *bounds: float, index: int = 0) -> PathObject:
    drawn = PathObject(roi=box(*bounds), roi_kind="Rectangle", path_class=PathClass.of(path_class, (9, 9, 9)))
    with project.edit(project.images[index]) as edit:
        edit.add(drawn)
    return drawn


def change(project: Project, obj: PathObject, **values: Any) -> PathObject:
    changed = replace(obj, **values)
    with project.edit(project.images[0]) as edit:
        edit.replace(changed)
    return changed


def bounds_of(queue: Queue) -> list[tuple[int, int, int, int]]:
    return [region.bounds for region in queue.regions]


def overlaps(bounds: Sequence[float], area: Any) -> bool:
    return bool(box(*bounds).intersection(area).area > 1)


class TestWhatIsWritten:
    def test_annotations_by_rank_over_all_images(self, make_project: Make, tiny: Model) -> None:
        project = make_project("a.tif", "b.tif")
        queue = review(project, tiny, replace(SMALL, budget=5, tasks=("nuclei",)))
        assert [region.rank for region in queue.regions] == [1, 2, 3, 4, 5]
        assert (queue.candidates, queue.squares, queue.images, queue.failed) == (18, 18, 2, {})
        written = [obj for index in (0, 1) for obj in of_class(objects_of(project, index))]
        by_name = {obj.name: obj for obj in written}
        assert sorted(by_name) == [f"To review {rank}" for rank in range(1, 6)]
        for region in queue.regions:
            obj = by_name[f"To review {region.rank}"]
            assert obj.roi.equals(box(*region.bounds))
            assert (obj.kind, obj.roi_kind, obj.locked) == ("annotation", "Rectangle", True)
            assert obj.metadata[REVIEWED_KEY] == "nuclei"
            assert obj.metadata["cerberus.review-reason"] == region.reason
            assert float(obj.metadata["cerberus.review-score"]) == pytest.approx(region.score, abs=0.001)
            assert region.picture is not None
            assert max(region.picture.shape) == 400
        assert {region.image for region in queue.regions} == {"a.tif", "b.tif"}

    def test_its_classes_are_in_the_list_once(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        before = [str(one) for one in project.classes]
        for _ in range(2):
            review(project, tiny, SMALL)
        after = [str(one) for one in open_project(project.path).classes]
        assert after == [*before, "To review", "Reviewed"]

    def test_nothing_else_changes(self, make_project: Make, tiny: Model) -> None:
        project = make_project("a.tif", "b.tif")
        run(project, StubModel(), Options(regions="whole"), predict)
        draw(project, "Tumor", 10, 10, 200, 300)
        draw(project, "Reviewed", 0, 0, 400, 400, index=1)
        before = [facts(objects_of(project, index)) for index in (0, 1)]
        whole = project.images[1].data_path.read_bytes()
        queue = review(project, tiny, replace(SMALL, budget=3))
        after = [facts(objects_of(project, index)) for index in (0, 1)]
        assert {uuid: after[0][uuid] for uuid in before[0]} == before[0]
        assert len(after[0]) == len(before[0]) + len(queue.regions) == len(before[0]) + 3
        assert project.images[1].data_path.read_bytes() == whole

    def test_restore_takes_the_queue_back(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        run(project, StubModel(), Options(regions="whole"), predict)
        before = project.images[0].data_path.read_bytes()
        review(project, tiny, SMALL)
        assert restore(project)[0].changed
        assert project.images[0].data_path.read_bytes() == before

    def test_of_a_large_project_a_sample(self, make_project: Make, tiny: Model, monkeypatch: Any) -> None:
        monkeypatch.setattr("cerberus_annotate.review.run.MOST", 5)
        queue = review(make_project("a.tif", "b.tif"), tiny, SMALL)
        assert (queue.candidates, queue.squares, len(queue.regions)) == (4, 18, 4)

    def test_a_budget_that_cannot_be(self, make_project: Make, tiny: Model) -> None:
        with pytest.raises(UsageError, match="--budget 1 or more"):
            review(make_project(), tiny, replace(SMALL, budget=0))


class TestASecondQueue:
    def test_replaces_what_nobody_changed(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        first = review(project, tiny, replace(SMALL, budget=4))
        former = of_class(objects_of(project))
        change(project, former[0], locked=False)
        second = review(project, tiny, replace(SMALL, budget=2))
        standing = of_class(objects_of(project))
        assert bounds_of(second) == bounds_of(first)[:2]
        assert sorted(obj.name or "" for obj in standing) == ["To review 1", "To review 2"]
        assert not {obj.uuid for obj in standing} & {obj.uuid for obj in former}

    def test_keeps_what_somebody_renamed_moved_or_drew(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        review(project, tiny, replace(SMALL, budget=4))
        former = {obj.name: obj for obj in of_class(objects_of(project))}
        renamed = change(project, former["To review 1"], name="for Monday")
        moved = change(project, former["To review 2"], roi=affinity.translate(former["To review 2"].roi, 5, 0))
        drawn = draw(project, "To review", 300, 300, 320, 320)
        kept = facts([obj for obj in objects_of(project) if obj.uuid in {renamed.uuid, moved.uuid, drawn.uuid}])
        queue = review(project, tiny, replace(SMALL, budget=20))
        after = facts(objects_of(project))
        assert {uuid: after[uuid] for uuid in kept} == kept
        assert queue.kept == 3
        assert former["To review 3"].uuid not in after
        assert former["To review 4"].uuid not in after
        assert queue.regions
        for bounds in bounds_of(queue):
            assert not any(overlaps(bounds, obj.roi) for obj in (renamed, moved, drawn))

    def test_what_was_predicted_in_a_region_outlives_it(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        review(project, tiny, replace(SMALL, budget=1))
        run(project, StubModel(), Options(regions="class:To review"), predict)
        nuclei = of_class(objects_of(project), "Nucleus: Epithelial")
        assert {obj.parent for obj in nuclei} == {obj.uuid for obj in of_class(objects_of(project))}
        review(project, tiny, replace(SMALL, budget=1))
        after = of_class(objects_of(project), "Nucleus: Epithelial")
        assert {obj.uuid: obj.roi.wkb for obj in after} == {obj.uuid: obj.roi.wkb for obj in nuclei}
        assert {obj.parent for obj in after} == {None}


class TestReviewed:
    def test_another_class_makes_a_region_harvested_and_no_more_proposed(
        self, make_project: Make, tiny: Model, tmp_path: Path
    ) -> None:
        project = make_project()
        run(project, StubModel(), Options(regions="whole"), predict)
        first = review(project, tiny, replace(SMALL, budget=1, tasks=("nuclei",)))
        (region,) = of_class(objects_of(project))
        reviewed = change(project, region, path_class=PathClass.of("Reviewed", (0, 150, 80)))
        outcome = harvest(project, tmp_path / "h", HarvestOptions())
        assert not outcome.failed
        (patch,) = read_harvest(tmp_path / "h").images[project.images[0].id].patches
        assert box(patch.x, patch.y, patch.x + patch.width, patch.y + patch.height).covers(reviewed.roi)
        assert list(patch.rows) == ["nuclei"]
        second = review(project, tiny, replace(SMALL, budget=20))
        assert len(second.regions) == 8
        assert bounds_of(first)[0] not in bounds_of(second)
        assert facts(of_class(objects_of(project), "Reviewed")) == facts([reviewed])

    def test_reviewed_and_ignored_areas_are_avoided(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        draw(project, "Ignore*", 0, 0, 198, 400)
        draw(project, "Reviewed", 202, 0, 400, 198)
        queue = review(project, tiny, ReviewOptions(size=100))
        assert bounds_of(queue) == [(200, 200, 400, 400)]

    def test_only_in_regions_that_were_drawn(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        draw(project, "Region*", 100, 100, 300, 300)
        queue = review(project, tiny, ReviewOptions(size=100))
        assert bounds_of(queue) == [(100, 100, 300, 300)]

    def test_an_earlier_queue_goes_when_all_is_reviewed(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        review(project, tiny, SMALL)
        draw(project, "Reviewed", 0, 0, 400, 400)
        queue = review(project, tiny, SMALL)
        assert (queue.regions, queue.candidates, queue.failed) == ((), 0, {})
        assert of_class(objects_of(project)) == []


class TestAnnotate:
    def test_regions_auto_takes_no_notice(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        review(project, tiny, replace(SMALL, budget=1))
        run(project, StubModel(), Options(regions="auto"), predict)
        assert len(of_class(objects_of(project), "Nucleus: Epithelial")) > 50

    def test_only_the_queue_when_it_is_named(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        queue = review(project, tiny, replace(SMALL, budget=1))
        run(project, StubModel(), Options(regions="class:To review"), predict)
        nuclei = of_class(objects_of(project), "Nucleus: Epithelial")
        assert 0 < len(nuclei) < 16
        assert all(box(*queue.regions[0].bounds).covers(obj.roi.centroid) for obj in nuclei)


class TestWhatGoesWrong:
    def test_a_slide_that_is_gone_does_not_stop_the_others(
        self, make_project: Make, tiny: Model, tmp_path: Path
    ) -> None:
        project = make_project("a.tif", "b.tif")
        (tmp_path / "a.tif").unlink()
        queue = review(project, tiny, replace(SMALL, budget=2))
        (sentence,) = queue.failed.values()
        assert "a.tif" in sentence
        assert {region.image for region in queue.regions} == {"b.tif"}
        assert len(of_class(objects_of(project, 1))) == 2

    def test_an_image_that_is_not_h_and_e(self, make_project: Make, tiny: Model, monkeypatch: Any) -> None:
        project = make_project()
        monkeypatch.setattr(type(project.images[0]), "image_type", "FLUORESCENCE")
        (sentence,) = review(project, tiny, SMALL).failed.values()
        assert "--any-stain" in sentence
        assert review(project, tiny, replace(SMALL, any_stain=True)).regions

    def test_an_image_of_unknown_pixel_size(self, make_project: Make, tiny: Model) -> None:
        project = make_project(mpp=None)
        (sentence,) = review(project, tiny, SMALL).failed.values()
        assert "how large a pixel of image 'one.tif' is" in sentence
        assert review(project, tiny, replace(SMALL, mpp=(0.5, 0.5))).regions

    def test_another_run_at_work(self, make_project: Make, tiny: Model) -> None:
        project = make_project()
        with open_project(project.path).lock(), pytest.raises(ProjectLockedError):
            review(project, tiny, SMALL)

    def test_an_image_saved_meanwhile_is_left_as_it_is(self, make_project: Make, tiny: Model) -> None:
        project = make_project("a.tif", "b.tif")
        review(project, tiny, replace(SMALL, budget=4))
        saved: list[dict[Any, Any]] = []

        def save_in_qupath(done: int, total: int, name: str) -> None:
            if name == "a.tif" and done and not saved:
                draw(project, "Tumor", 10, 10, 50, 50)
                saved.append(facts(objects_of(project)))

        queue = review(project, tiny, replace(SMALL, budget=4), save_in_qupath)
        assert facts(objects_of(project)) == saved[0]
        (sentence,) = queue.failed.values()
        assert "'a.tif' was saved in QuPath" in sentence
        assert {region.image for region in queue.regions} == {"b.tif"}
