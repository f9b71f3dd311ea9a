"""A state from before a run is told apart from a run whose objects were deleted."""

import uuid
from collections.abc import Iterable
from dataclasses import replace

import pytest
from shapely.geometry import box

from cerberus_annotate.feedback.ledger import Entry, Ledger, commit_changes
from cerberus_annotate.feedback.overwritten import mark_of, marked, runs_gone, runs_lost, without_lost_commits


def square(x: float) -> Entry:
    return Entry(uuid.uuid4(), "nuclei", "Nucleus", box(x, 0, x + 10, 10), 0.5, 0)


def commit(before: Ledger, run: str, added: Iterable[Entry] = (), removed: Iterable[Entry] = ()) -> Ledger:
    gone = {entry.uuid for entry in removed}
    return commit_changes(before, run, "annotate", "now", list(added), gone, set(), set())


def ids(*entries: Entry) -> set[str]:
    return {str(entry.uuid) for entry in entries}


def state(ledger: Ledger) -> list[tuple[uuid.UUID, str]]:
    return [(entry.uuid, entry.state) for entry in ledger.entries]


def test_a_file_that_knows_the_last_commit_lost_nothing_whatever_was_deleted() -> None:
    one, two = square(0), square(20)
    ledger = marked(commit(marked(commit(Ledger(), "a", [one])), "b", [two]))
    for present in (ids(), ids(one), ids(two), ids(one, two)):
        assert without_lost_commits(ledger, present, mark_of(ledger.commits[-1])) is ledger
        assert runs_gone(ledger, present, mark_of(ledger.commits[-1])) == {}


def test_a_file_with_an_older_number_is_from_before_the_later_commits() -> None:
    one, two = square(0), square(20)
    first = marked(commit(Ledger(), "a", [one]))
    ledger = marked(commit(first, "b", [two]))
    settled = without_lost_commits(ledger, ids(one), mark_of(first.commits[-1]))
    assert state(settled) == [(one.uuid, "live")]
    assert runs_lost(settled) == {"b": 1}
    # the pathologist had deleted the first one in the session that saved over the second
    settled = without_lost_commits(ledger, ids(), mark_of(first.commits[-1]))
    assert state(settled) == [(one.uuid, "live")]
    assert runs_lost(settled) == {"b": 1}
    # settled once, it stays so
    assert without_lost_commits(settled, ids(one), mark_of(first.commits[-1])) == settled


def test_a_file_without_a_number_is_from_before_all_commits() -> None:
    one, two = square(0), square(20)
    ledger = marked(commit(marked(commit(Ledger(), "a", [one])), "b", [two]))
    settled = without_lost_commits(ledger, ids(), "")
    assert settled.entries == ()
    assert runs_lost(settled) == {"a": 1, "b": 1}


def test_what_a_lost_run_had_taken_out_lives_again() -> None:
    old, new = square(0), square(1)
    first = marked(commit(Ledger(), "a", [old]))
    ledger = marked(commit(first, "b", [new], [old]))
    settled = without_lost_commits(ledger, ids(old), mark_of(first.commits[-1]))
    assert state(settled) == [(old.uuid, "live")]
    assert [(entry.uuid, entry.ended) for entry in settled.lost] == [(old.uuid, 2), (new.uuid, 0)]
    assert runs_lost(settled) == {"b": 1}


def test_an_object_of_the_run_that_is_there_speaks_against_an_older_state() -> None:
    one, two = square(0), square(20)
    ledger = marked(commit(Ledger(), "a", [one, two]))
    assert without_lost_commits(ledger, ids(two), "") is ledger


@pytest.mark.parametrize("mark", ["x 1", "a 7", "a", "a 1x", "a ²", "a " + "9" * 5000])
def test_the_mark_of_another_ledger_tells_nothing(mark: str) -> None:
    ledger = marked(commit(Ledger(), "a", [square(0)]))
    assert without_lost_commits(ledger, ids(), mark) is ledger


class TestWithoutMarks:
    def test_older_objects_that_are_back_tell_of_an_older_state(self) -> None:
        kept, old, new = square(0), square(20), square(40)
        ledger = commit(commit(Ledger(), "a", [kept, old]), "b", [new], [old])
        settled = without_lost_commits(ledger, ids(kept, old), "")
        assert state(settled) == [(kept.uuid, "live"), (old.uuid, "live")]
        assert runs_lost(settled) == {"b": 1}
        # one object of the later run is there: the file is no older state
        assert without_lost_commits(ledger, ids(old, new), "") is ledger
        assert without_lost_commits(ledger, ids(kept), "") is ledger

    def test_a_run_of_which_nothing_is_left_may_be_lost_or_deleted(self) -> None:
        one, two = square(0), square(20)
        ledger = commit(commit(Ledger(), "a", [one]), "b", [two])
        assert without_lost_commits(ledger, ids(one), "") is ledger
        assert runs_gone(ledger, ids(one), "") == {"b": 1}
        assert runs_gone(ledger, ids(one, two), "") == {}
        deleted = replace(ledger, entries=tuple(replace(entry, deleted=True) for entry in ledger.entries))
        assert runs_gone(deleted, ids(), "") == {"a": 1, "b": 1}

    def test_a_file_that_knows_a_later_commit_knew_it_too(self) -> None:
        ledger = marked(commit(commit(Ledger(), "a", [square(0)]), "b", [square(20)]))
        assert runs_gone(ledger, ids(), mark_of(ledger.commits[-1])) == {}
