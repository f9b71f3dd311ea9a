"""QuPath saves an older state over a run: it is noticed, told, and written again when asked."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from shapely import affinity
from shapely.geometry import box

from cerberus_annotate.annotate.health import examine
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.rewriting import Rewritten, rewrite_run
from cerberus_annotate.annotate.run import run
from cerberus_annotate.annotate.undo import remove_run
from cerberus_annotate.errors import ProjectError
from cerberus_annotate.feedback.ledger import ledger_path, read_ledger, write_ledger
from cerberus_annotate.qupath import PathClass, PathObject, Project, open_project

MakeProject = Callable[..., Project]
WHOLE = Options(regions="whole")
GLANDS = replace(WHOLE, tasks=("gland", "lumen"))
NUCLEI = replace(WHOLE, tasks=("nuclei",))


def objects_of(project: Project) -> list[PathObject]:
    return open_project(project.path).images[0].read_objects()


def by_class(project: Project) -> dict[str, int]:
    return dict(Counter(str(obj.path_class) for obj in objects_of(project)))


class QuPath:
    """Has the first image open from now on, and puts what it knows back when it saves."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.known = project.images[0].data_path.read_bytes()

    def save(self, added: Iterable[PathObject] = (), removed: Iterable[PathObject] = ()) -> None:
        """Saves its own state with these changes."""
        self.project.images[0].data_path.write_bytes(self.known)
        with self.project.edit(self.project.images[0]) as edit:
            edit.add(added)
            for obj in removed:
                edit.remove(obj.uuid)


def said(project: Project) -> list[str]:
    return [finding.problem for finding in examine(project)]


def as_written(obj: PathObject) -> tuple[Any, ...]:
    measurements = {name: pytest.approx(value, rel=1e-6) for name, value in obj.measurements.items()}
    return (obj.uuid, obj.kind, obj.roi_kind, str(obj.path_class), obj.parent, measurements, dict(obj.metadata))


def test_a_first_run_that_was_saved_over(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    qupath = QuPath(project)
    summary = run(project, model, WHOLE, predict)
    before = objects_of(project)
    drawn = PathObject(box(1, 1, 5, 5), path_class=PathClass.of("Tumor"))
    qupath.save(added=[drawn])
    (told,) = said(project)
    assert f"QuPath saved over run {summary.run.id}: 38 objects are not in the data" in told
    assert f"runs rewrite PROJECT {summary.run.id}" in told
    assert rewrite_run(project, summary.run.id) == [Rewritten("1", "one.tif", written=38)]
    after = {obj.uuid: obj for obj in objects_of(project)}
    assert after.pop(drawn.uuid).roi.equals(drawn.roi)
    assert {uuid: as_written(obj) for uuid, obj in after.items()} == {obj.uuid: as_written(obj) for obj in before}
    assert all(after[obj.uuid].roi.equals_exact(obj.roi, 0) for obj in before)
    assert [after[obj.uuid].path_class.colour for obj in before] == [obj.path_class.colour for obj in before]
    assert said(project) == []
    # they are ours and untouched as before: the same run again changes nothing
    again = run(project, model, WHOLE, predict)
    assert (again.images["1"].added, again.images["1"].removed, again.images["1"].notes) == (0, 0, ())


def test_looking_changes_nothing_and_asking_twice_does_nothing_more(
    make_project: MakeProject, model: Any, predict: Any
) -> None:
    project = make_project()
    qupath = QuPath(project)
    summary = run(project, model, WHOLE, predict)
    qupath.save()
    files = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    said(project)
    assert {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()} == files
    assert rewrite_run(project, summary.run.id)[0].written == 38
    assert rewrite_run(project, summary.run.id) == []


def test_what_the_pathologist_deleted_is_no_loss(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    summary = run(project, model, WHOLE, predict)
    QuPath(project).save(removed=objects_of(project))
    assert said(project) == []
    assert rewrite_run(project, summary.run.id) == []
    again = run(project, model, WHOLE, predict)
    assert (again.objects, again.images["1"].notes) == ({}, ())


def test_the_second_of_two_runs_was_saved_over(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    run(project, model, NUCLEI, predict)
    qupath = QuPath(project)
    glands = run(project, model, GLANDS, predict)
    first, *_ = objects_of(project)
    qupath.save(removed=[first])
    (told,) = said(project)
    assert f"run {glands.run.id}: 2 objects" in told
    assert [image.written for image in rewrite_run(project, glands.run.id)] == [2]
    assert by_class(project) == {"Nucleus: Epithelial": 35, "Gland": 1, "Lumen": 1}
    of_class = {str(obj.path_class): obj for obj in objects_of(project)}
    assert of_class["Lumen"].parent == of_class["Gland"].uuid
    # the nucleus that was deleted in the session that saved over the glands stays deleted
    assert run(project, model, WHOLE, predict).images["1"].added == 0


def test_what_the_lost_run_had_replaced_is_replaced_again(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    run(project, model, NUCLEI, predict)
    moved, deleted, *_ = objects_of(project)
    qupath = QuPath(project)
    predict.shift = 3
    second = run(project, model, NUCLEI, predict)
    qupath.save()
    with project.edit(project.images[0]) as edit:
        edit.replace(replace(moved, roi=affinity.translate(moved.roi, 1, 0)))
        edit.remove(deleted.uuid)
    (done,) = rewrite_run(project, second.run.id)
    assert (done.written, done.removed, done.left_out) == (34, 34, 2)
    places = Counter(round(obj.roi.centroid.x) % 100 for obj in objects_of(project))
    assert places == {53: 34, 51: 1}


def test_the_next_run_tells_of_it_and_predicts_anew(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    qupath = QuPath(project)
    lost = run(project, model, WHOLE, predict)
    qupath.save()
    again = run(project, model, WHOLE, predict)
    (note,) = again.images["1"].notes
    assert f"QuPath saved over run {lost.run.id}" in note
    assert again.images["1"].added == 38
    assert said(project) == []
    assert rewrite_run(project, lost.run.id) == []


def test_what_the_next_run_does_not_predict_can_still_be_written(
    make_project: MakeProject, model: Any, predict: Any
) -> None:
    project = make_project()
    qupath = QuPath(project)
    lost = run(project, model, WHOLE, predict)
    qupath.save()
    run(project, model, GLANDS, predict)
    assert by_class(project) == {"Gland": 1, "Lumen": 1}
    (told,) = said(project)
    assert f"run {lost.run.id}: 36 objects" in told
    assert rewrite_run(project, lost.run.id)[0].written == 36
    assert by_class(project) == {"Nucleus: Epithelial": 36, "Gland": 1, "Lumen": 1}


def test_detections_come_back_as_detections(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    qupath = QuPath(project)
    lost = run(project, model, replace(NUCLEI, nuclei_as="detections"), predict)
    qupath.save()
    rewrite_run(project, lost.run.id)
    assert {obj.kind for obj in objects_of(project)} == {"detection"}


def test_the_class_list_of_an_open_project_is_mended_too(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    qupath = QuPath(project)
    classes = project.folder / "classifiers" / "classes.json"
    known = classes.read_bytes()
    lost = run(project, model, WHOLE, predict)
    listed = open_project(project.path).classes
    colours = {str(path_class): path_class.colour for path_class in listed}
    qupath.save()
    classes.write_bytes(known)
    rewrite_run(project, lost.run.id)
    after = open_project(project.path).classes
    assert {str(path_class): path_class.colour for path_class in after} == colours


def test_a_lost_run_can_be_forgotten(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    qupath = QuPath(project)
    lost = run(project, model, WHOLE, predict)
    qupath.save()
    remove_run(project, lost.run.id)
    assert said(project) == []
    with pytest.raises(ProjectError, match="taken out"):
        rewrite_run(project, lost.run.id)


def test_a_copy_of_the_image_keeps_its_mark_through_many_edits(
    make_project: MakeProject, model: Any, predict: Any
) -> None:
    project = make_project()
    summary = run(project, model, WHOLE, predict)
    assert project.images[0].properties["cerberus.commit"] == f"{summary.run.id} 1"
    with project.edit(project.images[0]) as edit:
        edit.add(PathObject(box(0, 0, 4, 4)))
    assert project.images[0].properties["cerberus.commit"] == f"{summary.run.id} 1"


def test_a_file_that_was_never_saved_gets_a_mark(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    shutil.rmtree(project.images[0].data_path.parent)
    run(project, model, replace(WHOLE, any_stain=True), predict)
    assert "cerberus.commit" in project.images[0].properties


class TestRunsThatLeftNoMark:
    """Ledgers of before there were marks, and engines that leave none."""

    @pytest.fixture
    def lost(self, make_project: MakeProject, model: Any, predict: Any) -> tuple[Project, str]:
        project = make_project()
        qupath = QuPath(project)
        summary = run(project, model, WHOLE, predict)
        path = ledger_path(project.folder / "cerberus", "1")
        ledger = read_ledger(path)
        write_ledger(path, replace(ledger, commits=tuple(replace(each, marked=False) for each in ledger.commits)))
        qupath.save()
        return project, summary.run.id

    def test_it_is_offered_and_they_count_as_deleted_until_then(
        self, lost: tuple[Project, str], model: Any, predict: Any
    ) -> None:
        project, run_id = lost
        (told,) = said(project)
        assert f"None of the 38 objects of run {run_id} is left. If you did not delete them" in told
        again = run(project, model, WHOLE, predict)
        assert again.objects == {}
        assert f"runs rewrite PROJECT {run_id}" in again.images["1"].notes[0]
        # also after that run has noted them as deleted
        assert [image.written for image in rewrite_run(project, run_id)] == [38]
        assert len(objects_of(project)) == 38

    def test_it_can_be_forgotten(self, lost: tuple[Project, str], model: Any, predict: Any) -> None:
        project, run_id = lost
        remove_run(project, run_id)
        assert run(project, model, WHOLE, predict).images["1"].added == 38
