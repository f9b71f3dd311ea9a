"""`runs remove` and `restore`: the way back never costs a correction."""

import errno
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from shapely import affinity

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.annotate.undo import remove_run, restore
from cerberus_annotate.errors import ProjectError
from cerberus_annotate.feedback.runs import read_run
from cerberus_annotate.qupath import PathObject, Project, open_project

MakeProject = Callable[..., Project]
WHOLE = Options(regions="whole")


def objects_of(project: Project) -> list[PathObject]:
    return open_project(project.path).images[0].read_objects()


def nuclei_of(project: Project) -> list[PathObject]:
    return [obj for obj in objects_of(project) if str(obj.path_class).startswith("Nucleus")]


def test_removing_a_run_takes_its_untouched_objects_only(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project("a.tif", "b.tif")
    summary = run(project, model, WHOLE, predict)
    first, second = nuclei_of(project)[:2]
    moved = replace(first, roi=affinity.translate(first.roi, 5, 0))
    with project.edit(project.images[0]) as edit:
        edit.replace(moved)
        edit.remove(second.uuid)
    undone = remove_run(project, summary.run.id)
    assert [(image.name, image.removed, image.kept) for image in undone] == [("a.tif", 36, 1), ("b.tif", 38, 0)]
    assert [obj.uuid for obj in objects_of(project)] == [moved.uuid]
    assert read_run(project.folder / "cerberus", summary.run.id).state == "removed"
    # what the pathologist deleted and moved is not predicted again
    run(project, model, WHOLE, predict)
    assert len(nuclei_of(project)) == 35


def test_removing_one_of_two_runs(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    nuclei = run(project, model, replace(WHOLE, tasks=("nuclei",)), predict)
    run(project, model, replace(WHOLE, tasks=("gland", "lumen")), predict)
    remove_run(project, nuclei.run.id)
    assert Counter(str(obj.path_class) for obj in objects_of(project)) == {"Gland": 1, "Lumen": 1}
    assert remove_run(project, nuclei.run.id) == []


def test_an_unknown_run(make_project: MakeProject, model: Any, predict: Any) -> None:
    with pytest.raises(ProjectError, match="no run 'x'"):
        remove_run(make_project(), "x")


def test_restore_puts_data_and_ledger_back(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project("a.tif", "b.tif")
    run(project, model, WHOLE, predict)
    before = [image.data_path.read_bytes() for image in project.images]
    predict.shift = 3
    run(project, model, WHOLE, predict)
    undone = restore(project, ("a*",))
    assert [(image.name, image.changed) for image in undone] == [("a.tif", True)]
    assert project.images[0].data_path.read_bytes() == before[0]
    assert project.images[1].data_path.read_bytes() != before[1]
    # the ledger is that of the first run again: its objects are ours and untouched
    run(project, model, WHOLE, predict)
    assert len(objects_of(project)) == 38
    assert {round(obj.roi.centroid.x) % 100 for obj in nuclei_of(project)} == {53}


def test_restore_twice_says_that_there_is_nothing_to_do(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    run(project, model, WHOLE, predict)
    restore(project)
    assert objects_of(project) == []
    (undone,) = restore(project)
    assert not undone.changed
    assert "is already" in undone.reason


def test_restore_does_not_lose_a_correction(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    run(project, model, WHOLE, predict)
    with project.edit(project.images[0]) as edit:
        edit.remove(nuclei_of(project)[0].uuid)
    corrected = project.images[0].data_path.read_bytes()
    (undone,) = restore(project)
    assert not undone.changed
    assert "--force" in undone.reason
    assert project.images[0].data_path.read_bytes() == corrected
    (undone,) = restore(project, force=True)
    assert undone.changed
    assert objects_of(project) == []
    kept = project.folder / "cerberus" / "backups" / "1" / "replaced.qpdata"
    assert kept.read_bytes() == corrected


def test_a_run_that_fails_leaves_the_former_backup(
    make_project: MakeProject, model: Any, predict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    run(project, model, WHOLE, predict)
    before = project.images[0].data_path.read_bytes()
    predict.shift = 3
    run(project, model, WHOLE, predict)
    predict.shift = 6
    with monkeypatch.context() as patched:

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patched.setattr("cerberus_annotate.qupath.native.commit.write_stream_to", full)
        assert run(project, model, WHOLE, predict).exit_code == 1
    assert [path.name for path in (project.folder / "cerberus" / "backups").iterdir()] == ["1"]
    assert list((project.folder / "cerberus").rglob("*.pending")) == []
    restore(project)
    assert project.images[0].data_path.read_bytes() == before


def test_a_run_that_qupath_overtook_leaves_the_former_backup(
    make_project: MakeProject, model: Any, predict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    data = project.images[0].data_path
    before = data.read_bytes()
    run(project, model, WHOLE, predict)
    predict.shift = 3
    with monkeypatch.context() as patched:
        # QuPath saves while we write
        patched.setattr("cerberus_annotate.qupath.native.commit._check", lambda *_: data.write_bytes(before))
        failed = run(project, model, WHOLE, predict)
    assert "saved by QuPath" in failed.images["1"].reason
    (undone,) = restore(project)
    assert undone.reason == "is already as it was before the last run"


@pytest.mark.parametrize("place", ["take_pending", "keep_backup"])
def test_a_run_cut_off_after_it_wrote_can_be_restored(
    make_project: MakeProject, model: Any, predict: Any, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    project = make_project()
    run(project, model, WHOLE, predict)
    before = project.images[0].data_path.read_bytes()
    predict.shift = 3

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"cerberus_annotate.annotate.commit.{place}", stop)
        with pytest.raises(KeyboardInterrupt):
            run(project, model, WHOLE, predict)
    assert project.images[0].data_path.read_bytes() != before
    (undone,) = restore(project, force=True)
    assert undone.changed
    assert project.images[0].data_path.read_bytes() == before


def test_restore_to_no_data_file_at_all(make_project: MakeProject, model: Any, predict: Any) -> None:
    project = make_project()
    project.images[0].data_path.unlink()
    run(project, model, replace(WHOLE, any_stain=True), predict)
    assert len(objects_of(project)) == 38
    restore(project)
    assert not project.images[0].data_path.exists()


def test_without_backups_nothing_is_restored(make_project: MakeProject) -> None:
    assert restore(make_project()) == []
