"""A run over a project: what stands in it afterwards, whatever happened before or in between."""

import errno
import json
import shutil
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Polygon, box

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.errors import ProjectError, ProjectLockedError, UsageError
from cerberus_annotate.feedback.ledger import ledger_path, pending_path
from cerberus_annotate.feedback.provenance import ID_KEY, RUN_KEY
from cerberus_annotate.feedback.runs import read_runs
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.qupath import Image, PathClass, PathObject, Project, create_project, open_project
from cerberus_annotate.slide.pyramid import write_pyramid

MakeProject = Callable[..., Project]
WHOLE = Options(regions="whole")
ALL = {"Gland": 1, "Lumen": 1, "Nucleus: Epithelial": 36}


def objects_of(project: Project, index: int = 0) -> list[PathObject]:
    return open_project(project.path).images[index].read_objects()


def by_class(objects: list[PathObject]) -> dict[str, int]:
    return dict(Counter(str(obj.path_class) for obj in objects))


def only(project: Project) -> Image:
    return project.images[0]


def draw(project: Project, *objects: PathObject) -> None:
    with project.edit(only(project)) as edit:
        edit.add(objects)


def region(x: float, y: float, width: float, height: float, path_class: str = "Region*") -> PathObject:
    return PathObject(
        roi=box(x, y, x + width, y + height), roi_kind="Rectangle", path_class=PathClass.of(path_class, (9, 9, 9))
    )


class TestFirstRun:
    def test_writes_objects_with_class_measurements_and_provenance(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        summary = run(project, model, WHOLE, predict)
        assert summary.exit_code == 0
        assert summary.objects == ALL
        objects = objects_of(project)
        assert by_class(objects) == ALL
        nucleus = next(obj for obj in objects if str(obj.path_class) == "Nucleus: Epithelial")
        assert (nucleus.kind, nucleus.roi_kind, nucleus.locked) == ("annotation", "Polygon", False)
        assert nucleus.metadata == {RUN_KEY: summary.run.id, ID_KEY: str(nucleus.uuid)}
        assert nucleus.measurements["Area µm²"] == pytest.approx(nucleus.roi.area * 0.25)
        assert 0.5 <= nucleus.measurements["Confidence"] <= 1

    def test_lumen_stands_under_its_gland_and_the_rest_at_the_root(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        run(project, model, WHOLE, predict)
        of_class = {str(obj.path_class): obj for obj in objects_of(project)}
        assert of_class["Lumen"].parent == of_class["Gland"].uuid
        assert of_class["Gland"].parent is None
        assert of_class["Nucleus: Epithelial"].parent is None

    def test_the_class_list_gets_every_class_once(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        before = [str(path_class) for path_class in project.classes]
        for _ in range(2):
            run(project, model, WHOLE, predict)
        after = [str(path_class) for path_class in open_project(project.path).classes]
        assert after[: len(before)] == before
        assert sorted(set(after) - set(before)) == ["Gland", "Lumen", "Nucleus: Epithelial"]
        assert len(after) == len(set(after))

    def test_the_record_of_the_run_lies_in_the_project(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        summary = run(project, model, replace(WHOLE, tasks=("nuclei",)), predict)
        (record,) = read_runs(project.folder / "cerberus")
        assert record == summary.run
        assert (record.state, record.model, record.sha256) == ("finished", "stub", model.sha256)
        assert record.parameters["tasks"] == ["nuclei"]
        assert record.images["1"].objects == {"Nucleus: Epithelial": 36}


class TestOptions:
    def test_tasks(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        run(project, model, replace(WHOLE, tasks=("gland",)), predict)
        assert by_class(objects_of(project)) == {"Gland": 1}

    @pytest.mark.parametrize(("task", "sentence"), [("cells", "no task 'cells'"), ("tissue", "has no task 'tissue'")])
    def test_unknown_tasks_are_refused(
        self, make_project: MakeProject, model: Any, predict: Any, task: str, sentence: str
    ) -> None:
        with pytest.raises(UsageError, match=sentence):
            run(make_project(), model, replace(WHOLE, tasks=(task,)), predict)

    def test_min_confidence(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        run(project, model, replace(WHOLE, min_confidence=0.75), predict)
        assert by_class(objects_of(project)) == {"Gland": 1, "Lumen": 1, "Nucleus: Epithelial": 6}

    def test_nuclei_as_detections_and_back(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        for nuclei_as, kind in (("detections", "detection"), ("annotations", "annotation")):
            run(project, model, replace(WHOLE, nuclei_as=nuclei_as), predict)
            objects = objects_of(project)
            assert by_class(objects) == ALL
            assert {obj.kind for obj in objects if str(obj.path_class) == "Nucleus: Epithelial"} == {kind}
            assert {obj.kind for obj in objects if str(obj.path_class) == "Gland"} == {"annotation"}

    def test_many_nuclei_become_detections_and_it_is_said(
        self, make_project: MakeProject, model: Any, predict: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cerberus_annotate.annotate.changes.MANY_NUCLEI", 35)
        project = make_project()
        summary = run(project, model, WHOLE, predict)
        assert "36 nuclei" in summary.images["1"].notes[0]
        assert Counter(obj.kind for obj in objects_of(project)) == {"detection": 36, "annotation": 2}

    def test_write_tissue_writes_the_outline_once(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        for _ in range(2):
            run(project, model, replace(WHOLE, write_tissue=True), predict)
        (outline,) = [obj for obj in objects_of(project) if str(obj.path_class) == "Tissue"]
        assert outline.roi.area == pytest.approx(450 * 450, rel=0.15)

    def test_images_are_chosen_by_patterns(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project("a1.tif", "a2.tif", "b1.tif")
        summary = run(project, model, replace(WHOLE, images=("a?.tif", "c*")), predict)
        assert [record.name for record in summary.images.values()] == ["a1.tif", "a2.tif"]
        with pytest.raises(UsageError, match=r"No image .* x\*.*a1\.tif"):
            run(project, model, replace(WHOLE, images=("x*",)), predict)

    def test_geojson_beside(self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path) -> None:
        run(make_project(), model, replace(WHOLE, geojson_dir=tmp_path / "out"), predict)
        content = json.loads((tmp_path / "out" / "one.tif.geojson").read_text("utf-8"))
        assert len(content["features"]) == 38

    def test_geojson_of_images_with_one_name(
        self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path
    ) -> None:
        project = make_project()
        (tmp_path / "other").mkdir()
        write_pyramid(tmp_path / "other" / "one.tif", np.full((300, 300, 3), 200, np.uint8), 0.5)
        add_slide(project, describe_slide(tmp_path / "other" / "one.tif"))
        run(project, model, replace(WHOLE, geojson_dir=tmp_path / "out"), predict)
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert names == {"one.tif (1).geojson", "one.tif (2).geojson"}

    def test_a_folder_for_geojson_that_cannot_be_made_is_refused_at_once(
        self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(UsageError, match="--geojson-dir"):
            run(make_project(), model, replace(WHOLE, geojson_dir=tmp_path / "file"), predict)
        assert predict.calls == []

    def test_an_images_own_name_is_no_pattern(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project("a [1].tif", "a 1.tif")
        summary = run(project, model, replace(WHOLE, images=("a [1].tif",)), predict)
        assert [record.name for record in summary.images.values()] == ["a [1].tif"]


class TestRegions:
    def test_auto_is_the_tissue_without_region_annotations(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        run(project, model, Options(), predict)
        assert predict.calls[0]["areas"].area == pytest.approx(450 * 450, rel=0.15)
        assert by_class(objects_of(project))["Nucleus: Epithelial"] == 16

    def test_auto_is_inside_region_annotations_where_there_are_any(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        large, small = region(0, 0, 400, 200), region(0, 0, 100, 100)
        draw(project, large, small)
        run(project, model, Options(), predict)
        nuclei = [obj for obj in objects_of(project) if str(obj.path_class) == "Nucleus: Epithelial"]
        assert len(nuclei) == 8
        assert Counter(obj.parent for obj in nuclei) == {large.uuid: 7, small.uuid: 1}

    def test_auto_takes_no_notice_of_review_marks_and_runs_leave_them_as_they_are(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        marks = [region(0, 0, 100, 100, "To review"), region(200, 200, 100, 100, "Reviewed")]
        draw(project, *(replace(mark, metadata={"cerberus.reviewed": "nuclei"}) for mark in marks))
        before = objects_of(project)
        for model_shift in (0.0, 3.0):
            predict.shift = model_shift
            run(project, model, Options(), predict)
            assert predict.calls[-1]["areas"].area == pytest.approx(450 * 450, rel=0.15)
        after = objects_of(project)
        assert [obj for obj in after if obj.uuid in {mark.uuid for mark in marks}] == before
        assert by_class(after)["Nucleus: Epithelial"] == 16

    def test_a_named_class(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        draw(project, region(0, 0, 100, 100, "Tumor: Core"))
        run(project, model, Options(regions="class:Tumor: Core"), predict)
        assert by_class(objects_of(project)) == {"Tumor: Core": 1, "Nucleus: Epithelial": 1}

    def test_a_geojson_file(self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path) -> None:
        path = tmp_path / "where.geojson"
        ring = [[0, 0], [200, 0], [200, 100], [0, 100], [0, 0]]
        path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
        project = make_project()
        run(project, model, Options(regions=str(path)), predict)
        assert by_class(objects_of(project)) == {"Nucleus: Epithelial": 2}

    @pytest.mark.parametrize(
        ("regions", "sentence"),
        [("class:Tumor", "no area annotation of class 'Tumor'"), ("class:Outside", "lie outside the image")],
    )
    def test_nothing_to_predict_in_refuses_the_image(
        self, make_project: MakeProject, model: Any, predict: Any, regions: str, sentence: str
    ) -> None:
        project = make_project()
        draw(project, region(5000, 0, 10, 10, "Outside"))
        summary = run(project, model, Options(regions=regions), predict)
        assert (summary.exit_code, summary.images["1"].status) == (1, "refused")
        assert sentence in summary.images["1"].reason
        assert predict.calls == []

    def test_glass_without_tissue_refuses_the_image(
        self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path
    ) -> None:
        project = make_project()
        write_pyramid(tmp_path / "one.tif", np.full((600, 600, 3), 243, np.uint8), 0.5)
        summary = run(project, model, Options(), predict)
        assert "No tissue" in summary.images["1"].reason

    @pytest.mark.parametrize("regions", ["class:", "everywhere", "none.geojson"])
    def test_what_names_no_regions_is_wrong_usage(
        self, make_project: MakeProject, model: Any, predict: Any, regions: str
    ) -> None:
        with pytest.raises(UsageError):
            run(make_project(), model, Options(regions=regions), predict)

    def test_a_polygon_across_the_border_is_cut(self, make_project: MakeProject, model: Any) -> None:
        def predict(slide: Any, mpp: Any, **options: Any) -> ObjectList:
            bow = Polygon([(100, 100), (200, 200), (200, 100), (100, 205)])
            across = Polygon([(-5, -5), (20.123456, -5), (20, 20), (-5, 20)])
            found = [across, bow, box(0.001, 0.001, 0.002, 0.002)]
            return ObjectList([PredictedObject("gland", "Gland", outline, 0.5) for outline in found])

        project = make_project()
        run(project, model, WHOLE, predict)
        shapes = [obj.roi for obj in objects_of(project)]
        assert len(shapes) == 2
        assert all(shape.is_valid and box(0, 0, 600, 600).covers(shape) for shape in shapes)


class TestPixelSize:
    def test_the_projects_calibration_wins(
        self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path
    ) -> None:
        project = make_project()
        write_pyramid(tmp_path / "one.tif", np.full((600, 600, 3), 200, np.uint8), 0.25)
        run(project, model, replace(WHOLE, mpp=(1.0, 1.0)), predict)
        assert predict.calls[0]["mpp"] == pytest.approx((0.5, 0.5))

    def test_given_where_nobody_says_it(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project(mpp=None)
        summary = run(project, model, WHOLE, predict)
        assert summary.images["1"].status == "refused"
        assert "one.tif" in summary.images["1"].reason
        assert "--mpp" in summary.images["1"].reason
        run(project, model, replace(WHOLE, mpp=(0.3, 0.3)), predict)
        assert predict.calls[0]["mpp"] == (0.3, 0.3)


class TestRerun:
    def test_the_same_again_changes_no_byte(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        run(project, model, WHOLE, predict)
        before = only(project).data_path.read_bytes()
        summary = run(project, model, WHOLE, predict)
        assert only(project).data_path.read_bytes() == before
        assert summary.objects == ALL

    def test_another_model_replaces_what_nobody_touched(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        run(project, model, WHOLE, predict)
        predict.shift = 3
        summary = run(project, model, WHOLE, predict)
        objects = objects_of(project)
        assert by_class(objects) == ALL
        assert {obj.metadata[RUN_KEY] for obj in objects if "Nucleus" in str(obj.path_class)} == {summary.run.id}

    def test_everything_the_pathologist_did_is_kept(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        run(project, model, WHOLE, predict)
        nuclei = [obj for obj in objects_of(project) if obj.path_class.base == "Nucleus"]
        drawn = PathObject(
            roi=box(300, 395, 310, 405), roi_kind="Polygon", path_class=PathClass.of("Nucleus"), name="mine"
        )
        human = [
            replace(nuclei[1], roi=affinity.translate(nuclei[1].roi, 4, 4)),
            replace(nuclei[2], path_class=PathClass.of("Mitosis")),
            replace(nuclei[3], locked=True),
            replace(nuclei[4], name="odd one"),
        ]
        with project.edit(only(project)) as edit:
            edit.remove(nuclei[0].uuid)
            for obj in human:
                edit.replace(obj)
            edit.add([drawn])
        wanted = {obj.uuid: obj for obj in objects_of(project)}
        for shift in (0, 1, 0):
            predict.shift = shift
            run(project, model, WHOLE, predict)
            after = {obj.uuid: obj for obj in objects_of(project)}
            assert all(after[obj.uuid] == wanted[obj.uuid] for obj in (*human, drawn))
            assert nuclei[0].uuid not in after
            assert len(after) == 38

    def test_what_another_task_wrote_stays(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        run(project, model, WHOLE, predict)
        predict.shift = 3
        run(project, model, replace(WHOLE, tasks=("nuclei",)), predict)
        assert by_class(objects_of(project)) == ALL

    def test_a_lost_ledger_makes_everything_the_pathologists(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        run(project, model, WHOLE, predict)
        path = ledger_path(project.folder / "cerberus", "1")
        path.write_bytes(path.read_bytes()[:50])
        before = objects_of(project)
        predict.shift = 2
        summary = run(project, model, WHOLE, predict)
        assert objects_of(project) == before
        assert "set aside" in summary.images["1"].notes[0]
        assert "38 objects" in summary.images["1"].notes[1]
        assert path.with_name("1.npz.damaged").exists()

    def test_qupath_saving_an_older_state_over_a_run_deletes_nothing(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        run(project, model, WHOLE, predict)
        older = only(project).data_path.read_bytes()
        predict.shift = 3
        run(project, model, replace(WHOLE, tasks=("nuclei",)), predict)
        only(project).data_path.write_bytes(older)
        summary = run(project, model, WHOLE, predict)
        assert by_class(objects_of(project)) == ALL
        assert "QuPath saved over run" in summary.images["1"].notes[0]


class TestTrouble:
    def test_one_image_that_fails_does_not_stop_the_others(
        self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path
    ) -> None:
        project = make_project("a.tif", "b.tif", "c.tif")
        (tmp_path / "a.tif").unlink()
        predict.fail_at = {"b.tif"}
        summary = run(project, model, WHOLE, predict)
        assert summary.exit_code == 1
        a, b, c = summary.images.values()
        assert (a.status, b.status, c.status) == ("failed", "failed", "done")
        assert "a.tif" in a.reason
        assert "--slides-dir" in a.reason
        assert "RuntimeError: the network fell over" in b.reason
        assert by_class(objects_of(project, 1)) == {}
        assert by_class(objects_of(project, 2)) == ALL

    def test_moved_slides_are_found(self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path) -> None:
        project = make_project()
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "one.tif").rename(tmp_path / "elsewhere" / "one.tif")
        summary = run(project, model, replace(WHOLE, slides_dirs=(tmp_path / "elsewhere",)), predict)
        assert summary.exit_code == 0

    def test_another_slide_under_the_name_is_refused(
        self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path
    ) -> None:
        project = make_project()
        write_pyramid(tmp_path / "one.tif", np.full((300, 600, 3), 200, np.uint8), 0.5)
        summary = run(project, model, WHOLE, predict)
        assert "600 x 600 px in the project" in summary.images["1"].reason

    def test_wrong_stains_are_refused_by_name(self, shared: Path, model: Any, predict: Any, tmp_path: Path) -> None:
        shutil.copytree(shared / "data/qupath-samples/0.6.0/kinds", tmp_path / "kinds")
        project = open_project(tmp_path / "kinds")
        summary = run(project, model, WHOLE, predict)
        reasons = {record.name: record.reason for record in summary.images.values()}
        assert summary.exit_code == 1
        assert any("Brightfield (H-DAB)" in reason for reason in reasons.values())
        assert any("Fluorescence" in reason for reason in reasons.values())

    def test_saved_by_qupath_meanwhile(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()

        def slow(slide: Any, mpp: Any, **options: Any) -> ObjectList:
            draw(project, region(0, 0, 5, 5))
            return predict(slide, mpp, **options)

        summary = run(project, model, WHOLE, slow)
        assert summary.images["1"].status == "failed"
        assert "saved by QuPath" in summary.images["1"].reason
        assert by_class(objects_of(project)) == {"Region*": 1}
        run(project, model, WHOLE, predict)
        assert by_class(objects_of(project)) == {"Region*": 1, **ALL}

    def test_two_runs_at_once(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()
        with open_project(project.path).lock(), pytest.raises(ProjectLockedError):
            run(project, model, WHOLE, predict)

    def test_unwritable_project_is_refused_before_anything_is_predicted(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project()
        (project.folder / "cerberus").mkdir(exist_ok=True)
        (project.folder / "cerberus" / "runs").write_text("in the way")
        with pytest.raises(ProjectError, match="could not be written"):
            run(project, model, WHOLE, predict)
        assert predict.calls == []

    def test_a_full_disk_costs_nothing(
        self, make_project: MakeProject, model: Any, predict: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project = make_project()
        before = only(project).data_path.read_bytes()

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def fills_the_disk(slide: Any, mpp: Any, **options: Any) -> ObjectList:
            monkeypatch.setattr("os.fsync", full)
            return predict(slide, mpp, **options)

        with pytest.raises(ProjectError, match="No space left"):
            run(project, model, WHOLE, fills_the_disk)
        assert only(project).data_path.read_bytes() == before
        assert not list(project.folder.rglob("*.tmp"))
        monkeypatch.undo()
        summary = run(project, model, WHOLE, predict)
        assert summary.resumed
        assert by_class(objects_of(project)) == ALL

    def test_an_empty_project(self, make_project: MakeProject, model: Any, predict: Any, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no images"):
            run(create_project(tmp_path / "empty"), model, WHOLE, predict)


class Killed(BaseException):
    """Stands for a process that ends here."""


class TestResume:
    def test_the_same_command_again_goes_on(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project("a.tif", "b.tif", "c.tif")

        def cut_off(slide: Any, mpp: Any, **options: Any) -> ObjectList:
            if slide.path.name == "b.tif":
                raise KeyboardInterrupt
            return predict(slide, mpp, **options)

        with pytest.raises(KeyboardInterrupt):
            run(project, model, WHOLE, cut_off)
        summary = run(project, model, WHOLE, predict)
        assert summary.resumed
        assert [record.status for record in summary.images.values()] == ["skipped", "done", "done"]
        assert [call["slide"] for call in predict.calls] == ["a.tif", "b.tif", "c.tif"]
        assert summary.objects == {name: 3 * count for name, count in ALL.items()}
        assert len(read_runs(project.folder / "cerberus")) == 1
        assert not run(project, model, WHOLE, predict).resumed

    def test_an_image_that_was_edited_since_is_done_again(
        self, make_project: MakeProject, model: Any, predict: Any
    ) -> None:
        project = make_project("a.tif", "b.tif")

        def cut_off(slide: Any, mpp: Any, **options: Any) -> ObjectList:
            if slide.path.name == "b.tif":
                raise KeyboardInterrupt
            return predict(slide, mpp, **options)

        with pytest.raises(KeyboardInterrupt):
            run(project, model, WHOLE, cut_off)
        draw(project, drawn := region(0, 0, 5, 5))
        summary = run(project, model, WHOLE, predict)
        assert [record.status for record in summary.images.values()] == ["done", "done"]
        objects = objects_of(project)
        assert by_class(objects) == {"Region*": 1, **ALL}
        assert drawn.uuid in {obj.uuid for obj in objects}

    def test_other_options_are_another_run(self, make_project: MakeProject, model: Any, predict: Any) -> None:
        project = make_project()

        def cut_off(slide: Any, mpp: Any, **options: Any) -> ObjectList:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(project, model, WHOLE, cut_off)
        assert not run(project, model, replace(WHOLE, min_confidence=0.1), predict).resumed

    @pytest.mark.parametrize(
        "step",
        [
            "feedback.ledger_file.GrowingLedger.write",
            "feedback.ledger_file.GrowingLedger.finish",
            "annotate.commit.make_backup",
            "annotate.commit.put_pending",
            "annotate.changes.walk_blocks",
            "annotate.commit.take_pending",
            "annotate.commit.fingerprint_of",
            "annotate.run.write_run",
        ],
    )
    @pytest.mark.parametrize("run_before", [False, True])
    def test_killed_at_any_step(
        self,
        make_project: MakeProject,
        model: Any,
        predict: Any,
        monkeypatch: pytest.MonkeyPatch,
        step: str,
        run_before: bool,
    ) -> None:
        project = make_project()
        deleted: uuid.UUID | None = None
        if run_before:
            run(project, model, WHOLE, predict)
            deleted = next(obj.uuid for obj in objects_of(project) if obj.path_class.base == "Nucleus")
            with project.edit(only(project)) as edit:
                edit.remove(deleted)
        before = objects_of(project)

        def die(*arguments: Any) -> None:
            if step.endswith("write_run") and not arguments[1].images:
                return
            raise Killed

        predict.shift = 2
        with monkeypatch.context() as patch:
            patch.setattr(f"cerberus_annotate.{step}", die)
            with pytest.raises(Killed):
                run(project, model, WHOLE, predict)
        between = objects_of(project)
        assert by_class(between) in (by_class(before), ALL, {**ALL, "Nucleus: Epithelial": 35})
        summary = run(project, model, WHOLE, predict)
        assert summary.exit_code == 0
        wanted = dict(ALL)
        if deleted is not None:
            wanted["Nucleus: Epithelial"] -= 1
        assert by_class(objects_of(project)) == wanted
        assert {round(obj.roi.centroid.x) % 100 for obj in objects_of(project) if obj.path_class.base == "Nucleus"} == {
            52
        }
        assert not pending_path(ledger_path(project.folder / "cerberus", "1")).exists()
