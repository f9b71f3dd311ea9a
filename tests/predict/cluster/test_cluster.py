"""Runs on a cluster: what stands in the project, whatever happens to workers, scheduler or the run itself."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from distributed import Client

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import Silent, run
from cerberus_annotate.feedback.runs import ImageRecord, read_runs
from cerberus_annotate.network import Model
from cerberus_annotate.predict import geometry, predict_slide
from cerberus_annotate.predict.cluster.cluster import Cluster
from cerberus_annotate.qupath import Project
from cerberus_annotate.slide import open_slide

from .conftest import MPP, SIDE, TILES, by_value, lay_out_small, objects_of, one_nucleus_each

MakeProject = Callable[[int], Project]
WHOLE = Options(regions="whole", tasks=("nuclei",))


@dataclass
class AtFirstEnd(Silent):
    """Does something when the first image has ended."""

    do: Callable[[], Any]
    ended: int = 0

    def image_finished(self, record: ImageRecord) -> None:
        self.ended += 1
        if self.ended == 1:
            self.do()


def test_a_run_writes_what_a_local_one_writes(
    make_project: MakeProject, cluster: Cluster, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(2)
    options = Options(regions="whole")
    summary = run(project, model, options, cluster, ahead=cluster)
    assert [record.status for record in summary.images.values()] == ["done", "done"]
    far = objects_of(project)
    assert min(len(objects) for objects in far) > 20
    shutil.rmtree(project.path.parent / "cerberus")
    for image in project.images:
        with project.edit(image) as edit:
            for obj in image.read_objects():
                edit.remove(obj.uuid)
    monkeypatch.setattr(geometry, "LARGEST_SIDE", SIDE)
    run(
        project,
        model,
        options,
        lambda slide, mpp, **how: predict_slide(slide, mpp, model, precision="fp32", **how),
    )
    assert objects_of(project) == far


def test_killed_workers_cost_nothing_but_time(
    make_project: MakeProject, quick: Cluster, client: Client, model: Model
) -> None:
    project = make_project(6)
    first, second = client.run(os.getpid).values()
    killing = threading.Timer(0.5, os.kill, [first, signal.SIGKILL])
    killing.start()
    summary = run(project, model, WHOLE, quick, AtFirstEnd(lambda: os.kill(second, signal.SIGKILL)), quick)
    killing.join()
    assert {record.status for record in summary.images.values()} == {"done"}
    assert not any(record.notes for record in summary.images.values())
    for objects in objects_of(project):
        assert len(objects) == TILES
        assert set(objects.values()) == {1}


def test_a_tile_that_kills_every_worker_is_left_out_and_the_rest_is_done(
    make_project: MakeProject, client: Client, model: Model
) -> None:
    def deadly(job: Any, work: Any, tiles: Any) -> Any:
        import os
        import signal

        if any((tile.x, tile.y) == (0, 0) for tile in tiles):
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(job, work, tiles)

    inner = by_value(one_nucleus_each)
    project = make_project(1)
    engine = Cluster(client, model, lay_out=by_value(lay_out_small), compute=deadly)
    allow_deaths(client, 0)
    try:
        with open_slide(project.path.parent.parent / "0.tif") as slide:
            found = engine(slide, (MPP, MPP), tasks=("nuclei",))
    finally:
        allow_deaths(client, 3)
    assert sum(found.counts.values()) == TILES - 1
    (left_out,) = found.left_out
    assert (left_out.x, left_out.y, left_out.width, left_out.height) == (0, 0, SIDE, SIDE)
    assert "died" in left_out.reason


def allow_deaths(client: Client, deaths: int) -> None:
    """So many workers may die with a task before the scheduler gives it up."""

    def allow(dask_scheduler: Any) -> None:
        dask_scheduler.allowed_failures = deaths

    client.run_on_scheduler(allow)


def test_a_worker_that_cannot_read_the_slide_leaves_it_to_another(
    make_project: MakeProject, client: Client, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    def blind(job: Any, work: Any, tiles: Any) -> Any:
        from distributed import get_worker

        from cerberus_annotate.errors import SlideError

        if get_worker().address == address:
            raise SlideError(f"{job.slide.path}: no such file.")
        return inner(job, work, tiles)

    inner, address = by_value(one_nucleus_each), min(client.nthreads())
    project = make_project(2)
    engine = Cluster(client, model, lay_out=by_value(lay_out_small), compute=blind)
    summary = run(project, model, WHOLE, engine, ahead=engine)
    assert {record.status for record in summary.images.values()} == {"done"}
    assert [sum(objects.values()) for objects in objects_of(project)] == [TILES, TILES]
    (said,) = [record.getMessage() for record in caplog.records if record.name == "cerberus_annotate"]
    assert address in said
    assert ".tif" in said


def test_a_task_whose_last_worker_dies_is_given_to_the_one_that_comes_after(
    make_project: MakeProject, client: Client, model: Model
) -> None:
    def fails_then_dies(job: Any, work: Any, tiles: Any) -> Any:
        import os
        import signal

        from distributed import get_worker

        if get_worker().address == first:
            raise RuntimeError("no driver")
        if get_worker().address == second:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(job, work, tiles)

    inner, (first, second) = by_value(one_nucleus_each), client.nthreads()
    project = make_project(1)
    engine = Cluster(client, model, lay_out=by_value(lay_out_small), compute=fails_then_dies)
    summary = run(project, model, WHOLE, engine, ahead=engine)
    assert [record.status for record in summary.images.values()] == ["done"]
    assert [sum(objects.values()) for objects in objects_of(project)] == [TILES]


def test_a_slide_that_no_worker_finds_fails_with_its_path_and_a_worker(
    make_project: MakeProject, quick: Cluster, model: Model, tmp_path: Any
) -> None:
    project = make_project(2)

    def predict(slide: Any, mpp: Any, **how: Any) -> Any:
        if slide.path.name == "0.tif":
            slide.path.rename(tmp_path / "elsewhere.tif")
        return quick(slide, mpp, **how)

    summary = run(project, model, WHOLE, predict, ahead=quick)
    failed, done = summary.images.values()
    assert (failed.status, done.status) == ("failed", "done")
    assert str(tmp_path / "0.tif") in failed.reason
    assert "tcp://" in failed.reason


def test_interrupted_it_cancels_its_tasks_and_the_next_run_goes_on(
    make_project: MakeProject, quick: Cluster, client: Client, model: Model
) -> None:
    project = make_project(6)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(project, model, WHOLE, quick, AtFirstEnd(interrupt), quick)
    deadline = time.monotonic() + 20
    while any(client.processing().values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(client.processing().values())
    goes_on(project, client, model)


def goes_on(project: Project, client: Client, model: Model) -> None:
    """The run that was cut off is finished, with no object lost or doubled."""
    (record,) = read_runs(project.path.parent / "cerberus")
    assert record.state == "running"
    assert 1 <= len(record.images) < 6
    assert {image.status for image in record.images.values()} == {"done"}
    engine = Cluster(client, model, lay_out=by_value(lay_out_small), compute=by_value(one_nucleus_each))
    summary = run(project, model, WHOLE, engine, ahead=engine)
    assert summary.resumed
    states = [each.status for each in summary.images.values()]
    assert (states.count("skipped"), states.count("done")) == (len(record.images), 6 - len(record.images))
    for objects in objects_of(project):
        assert (len(objects), sum(objects.values())) == (TILES, TILES)
