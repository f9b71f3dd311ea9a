"""Predictions that come in pieces from the disk: the same objects in the project, whatever happens on the way."""

import errno
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.feedback.ledger import ledger_path, read_ledger
from cerberus_annotate.objects.predicted import LeftOut, ObjectList, PredictedObject
from cerberus_annotate.qupath import PathClass, PathObject, Project, open_project

from .conftest import StubModel, StubPredictor

MakeProject = Callable[..., Project]
WHOLE = Options(regions="whole")


@dataclass(frozen=True)
class Pieces:
    """The objects of a list with so many nuclei in a piece."""

    whole: ObjectList
    size: int
    left_out: Sequence[LeftOut] = ()

    @property
    def counts(self) -> Any:
        return self.whole.counts

    def chunks(self) -> Iterator[list[PredictedObject]]:
        nuclei = [each for each in self.whole.objects if each.task == "nuclei"]
        yield [each for each in self.whole.objects if each.task != "nuclei"]
        for start in range(0, len(nuclei), self.size):
            yield nuclei[start : start + self.size]


@dataclass
class InPieces(StubPredictor):
    """As StubPredictor, in pieces.  left_out: what could not be read; nothing is found there."""

    size: int = 7
    left_out: Sequence[LeftOut] = ()

    def __call__(self, *args: Any, **how: Any) -> Any:
        found = super().__call__(*args, **how)
        unread = [box(part.x, part.y, part.x + part.width, part.y + part.height) for part in self.left_out]
        seen = [each for each in found.objects if not any(part.intersects(each.polygon) for part in unread)]
        return Pieces(ObjectList(seen), self.size, self.left_out)


def content(project: Project) -> Counter[Any]:
    """All that stands in the first image, with what each object stands under, but for UUIDs and runs."""
    objects = open_project(project.path).images[0].read_objects()
    roi_of = {obj.uuid: obj.roi.wkb for obj in objects}
    return Counter(
        (obj.kind, obj.path_class, obj.locked, obj.roi.wkb, roi_of.get(obj.parent), tuple(obj.measurements.items()))
        for obj in objects
    )


def draw(project: Project, *objects: PathObject) -> None:
    with project.edit(project.images[0]) as edit:
        edit.add(objects)


def regions() -> list[PathObject]:
    shapes = box(0, 0, 400, 200), box(0, 0, 100, 100), box(200, 200, 600, 600)
    return [
        PathObject(roi=shape, roi_kind="Rectangle", path_class=PathClass.of("Region*", (9, 9, 9))) for shape in shapes
    ]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_give_the_objects_of_one_list(
    make_project: MakeProject, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under regions, over a former run that was corrected; ledgers in small blocks."""
    monkeypatch.setattr("cerberus_annotate.annotate.changes.BLOCK", 5)
    monkeypatch.setattr("cerberus_annotate.feedback.ledger_file.BLOCK", 5)
    project = make_project()
    draw(project, *regions())
    run(project, StubModel(), Options(), StubPredictor())
    ours = [obj for obj in project.images[0].read_objects() if obj.path_class.base == "Nucleus"]
    with project.edit(project.images[0]) as edit:
        edit.remove(ours[0].uuid)
        edit.replace(replace(ours[1], locked=True))
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    found = []
    for predict in (StubPredictor(3), InPieces(3, size=size)):
        for path, data in before.items():
            path.write_bytes(data)
        summary = run(project, StubModel(), replace(Options(), geojson_dir=tmp_path / "out"), predict)
        record = summary.images["1"]
        states = Counter(entry.state for entry in read_ledger(ledger_path(project.folder / "cerberus", "1")).entries)
        found.append((content(project), record.objects, record.added, record.removed, states))
        assert (tmp_path / "out" / "one.tif.geojson").read_text("utf-8").count('"Feature"') == sum(
            record.objects.values()
        )
    assert found[0] == found[1]
    assert found[0][2] > 10


@pytest.mark.parametrize(("most", "kind"), [(35, "detection"), (36, "annotation")])
def test_the_number_of_all_pieces_decides_the_kind_of_nuclei(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch, most: int, kind: str
) -> None:
    monkeypatch.setattr("cerberus_annotate.annotate.changes.MANY_NUCLEI", most)
    project = make_project()
    summary = run(project, StubModel(), WHOLE, InPieces())
    kinds = {obj.kind for obj in project.images[0].read_objects() if obj.path_class.base == "Nucleus"}
    assert kinds == {kind}
    assert ["36 nuclei" in note for note in summary.images["1"].notes] == [True] * (kind == "detection")
    run(project, StubModel(), WHOLE, InPieces())
    assert summary.objects["Nucleus: Epithelial"] == len(project.images[0].read_objects()) - 2


class TestWhatCouldNotBeRead:
    PART = LeftOut(0, 0, 200, 300, "Tile 3 of level 0 cannot be decoded.")

    def test_the_image_is_done_and_says_so(self, make_project: MakeProject) -> None:
        summary = run(make_project(), StubModel(), WHOLE, InPieces(left_out=[self.PART]))
        record = summary.images["1"]
        assert (summary.exit_code, record.status, record.objects["Nucleus: Epithelial"]) == (0, "done", 30)
        assert record.notes == (
            "Image 'one.tif': the part at 0, 0 of 200 x 300 px could not be read (Tile 3 of level 0 cannot be "
            "decoded) and has no predictions.",
        )

    def test_many_parts_are_told_in_few_sentences(self, make_project: MakeProject) -> None:
        parts = [LeftOut(x, 0, 10, 10, "no") for x in range(0, 200, 10)]
        notes = run(make_project(), StubModel(), WHOLE, InPieces(left_out=parts)).images["1"].notes
        assert len(notes) == 6
        assert "15 more parts" in notes[-1]

    def test_what_stood_there_stays(self, make_project: MakeProject) -> None:
        project = make_project()
        run(project, StubModel(), WHOLE, InPieces())
        before = {obj.uuid: obj for obj in project.images[0].read_objects()}
        record = run(project, StubModel(), WHOLE, InPieces(3, left_out=[self.PART])).images["1"]
        after = {obj.uuid: obj for obj in project.images[0].read_objects()}
        there = {uuid for uuid, obj in before.items() if obj.roi.intersects(box(0, 0, 200, 300))}
        kept = {uuid: obj for uuid, obj in before.items() if uuid in after}
        assert there <= kept.keys()
        assert all(after[uuid] == obj for uuid, obj in kept.items())
        assert len(after) == len(before)
        assert (record.added, record.removed) == (30, 30)
        # once it can be read, it is predicted
        record = run(project, StubModel(), WHOLE, InPieces(3)).images["1"]
        assert (record.added, record.removed) == (6, 6)


@pytest.mark.parametrize("step", ["zipfile.ZipFile.writestr", "cerberus_annotate.feedback.ledger_file.put_in_place"])
def test_a_disk_that_fills_with_the_ledger_costs_nothing(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    project = make_project()
    run(project, StubModel(), WHOLE, InPieces())
    before = files_of(project)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(step, full)
        record = run(project, StubModel(), WHOLE, InPieces(3)).images["1"]
    assert record.status == "failed"
    assert "No space left" in record.reason
    assert "free disk space" in record.reason
    assert files_of(project) == before
    assert run(project, StubModel(), WHOLE, InPieces(3)).images["1"].added == 36


def files_of(project: Project) -> dict[str, bytes]:
    """All files of the project but the records of runs."""
    paths = [path for path in project.folder.rglob("*") if path.is_file() and path.parent.name != "runs"]
    return {str(path.relative_to(project.folder)): path.read_bytes() for path in paths}


KILLED = """
import os, signal, sys
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.qupath import open_project
from tests.annotate.conftest import StubModel
from tests.annotate.test_pieces import InPieces
from unittest.mock import patch

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

with patch("cerberus_annotate." + sys.argv[2], die):
    run(open_project(sys.argv[1]), StubModel(), Options(regions="whole"), InPieces(3))
"""


@pytest.mark.parametrize(
    "step",
    [
        "feedback.ledger_file.GrowingLedger.finish",
        "annotate.commit.put_pending",
        "annotate.changes.walk_blocks",
        "annotate.commit.take_pending",
    ],
)
def test_a_process_that_is_killed_leaves_what_the_next_run_settles(make_project: MakeProject, step: str) -> None:
    """While blocks are written, before the ledger waits, while nuclei go into the data file, and after that."""
    project = make_project()
    run(project, StubModel(), WHOLE, InPieces())
    before = content(project)
    command = [sys.executable, "-c", KILLED, str(project.path), step]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert (content(project) == before) == (step != "annotate.commit.take_pending")
    summary = run(project, StubModel(), WHOLE, InPieces(3))
    assert (summary.resumed, summary.exit_code) == (True, 0)
    objects = project.images[0].read_objects()
    assert Counter(obj.path_class.base for obj in objects) == {"Nucleus": 36, "Gland": 1, "Lumen": 1}
    assert {round(obj.roi.centroid.x) % 100 for obj in objects if obj.path_class.base == "Nucleus"} == {53}
    ledger = read_ledger(ledger_path(project.folder / "cerberus", "1"))
    assert {entry.uuid for entry in ledger.entries if entry.state == "live"} == {obj.uuid for obj in objects}
    left = [path.name for path in project.folder.rglob("*") if path.suffix in (".tmp", ".pending")]
    assert left == []
