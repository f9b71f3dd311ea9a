"""The ledger is read for a harvest without anything in the project being settled or changed."""

import uuid
from pathlib import Path

from shapely.geometry import box

from cerberus_annotate.feedback.ledger import (
    Entry,
    Ledger,
    commit_changes,
    ledger_path,
    pending_path,
    write_ledger,
    write_pending,
)
from cerberus_annotate.feedback.provenance import ID_KEY, RUN_KEY
from cerberus_annotate.feedback.standing_ledger import standing_ledger
from cerberus_annotate.qupath.path_object import PathObject


def committed(before: Ledger, *added: Entry) -> Ledger:
    return commit_changes(before, f"run-{len(before.commits) + 1}", "annotate", "t", added, set(), set(), set())


def entry(x: float) -> Entry:
    return Entry(uuid.uuid4(), "nuclei", "Nucleus", box(x, 0, x + 9, 9), 0.5, 0)


def written(of: Entry, run: str = "run-1") -> PathObject:
    return PathObject(roi=of.polygon, metadata={RUN_KEY: run, ID_KEY: str(of.uuid)}, uuid=of.uuid)


def test_a_run_that_was_cut_off_after_its_data_file_counts(tmp_path: Path) -> None:
    path = ledger_path(tmp_path, "1")
    one, two = entry(0), entry(50)
    first = committed(Ledger(), one)
    write_ledger(path, first)
    write_pending(path, committed(first, two))
    with_both, notes = standing_ledger(tmp_path, "1", "a", [written(one), written(two, "run-2")], "")
    assert ([one.uuid for one in with_both.entries], notes) == ([one.uuid, two.uuid], ())
    with_one, _ = standing_ledger(tmp_path, "1", "a", [written(one)], "")
    assert [one.uuid for one in with_one.entries] == [one.uuid]
    assert pending_path(path).exists()


def test_a_damaged_pending_ledger_is_passed_over_and_left(tmp_path: Path) -> None:
    path = ledger_path(tmp_path, "1")
    one = entry(0)
    write_ledger(path, committed(Ledger(), one))
    pending_path(path).write_bytes(b"half")
    ledger, notes = standing_ledger(tmp_path, "1", "a", [written(one)], "")
    assert (len(ledger.entries), notes) == (1, ())
    assert pending_path(path).read_bytes() == b"half"


def test_all_predictions_gone_is_told(tmp_path: Path) -> None:
    write_ledger(ledger_path(tmp_path, "1"), committed(Ledger(), entry(0)))
    _, (note,) = standing_ledger(tmp_path, "1", "a", [], "")
    assert "All 1 predictions of run run-1 in image 'a' are gone, so they count as deleted" in note


def test_a_project_without_runs_is_nothing_odd(tmp_path: Path) -> None:
    assert standing_ledger(tmp_path, "1", "a", [PathObject(roi=box(0, 0, 1, 1))], "") == (Ledger(), ())
