"""The ledger keeps what we wrote, survives crashes, and is small and bounded."""

import errno
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, box

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.feedback.ledger import (
    Commit,
    Entry,
    Ledger,
    LedgerError,
    commit_changes,
    ledger_path,
    pending_path,
    read_ledger,
    resolve_pending,
    take_pending,
    write_ledger,
    write_pending,
)
from cerberus_annotate.feedback.ledger_file import GrowingLedger, growing_ledger, walk_blocks

coordinate = st.integers(-500, 40_000_000).map(lambda value: value / 100)
texts = st.text(min_size=1, max_size=12)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    x, y = draw(coordinate), draw(coordinate)
    outline = Polygon(
        [(x, y), (x + draw(st.integers(1, 90_000)) / 100, y), (x, y + 12.34)],
        [[(x + 0.01, y + 0.02), (x + 0.02, y + 0.01), (x + 0.01, y + 0.01)]] if draw(st.booleans()) else None,
    )
    # what is written lies on the float32 next to hundredths of a pixel
    outline = shapely.transform(outline, lambda xy: xy.round(2).astype(np.float32).astype(float))
    return Entry(
        uuid=draw(st.uuids()),
        task=draw(texts),
        path_class=draw(texts),
        polygon=outline,
        confidence=draw(st.floats(0, 1)),
        commit=draw(st.integers(1, 3)),
        ended=draw(st.integers(0, 3)),
        deleted=draw(st.booleans()),
        name=draw(st.none() | texts),
        locked=draw(st.booleans()),
        parent=draw(st.none() | st.uuids()),
        kind=draw(st.sampled_from(["annotation", "detection"])),
        measurements=draw(st.dictionaries(texts, st.floats(allow_nan=False), max_size=3)),
    )


def square(x: float = 0, commit: int = 1, **values: object) -> Entry:
    return Entry(uuid.uuid4(), "nuclei", "Nucleus", box(x, 0, x + 10, 10), 0.5, commit, **values)


def one_commit(*written: Entry) -> Ledger:
    return commit_changes(Ledger(), "run-1", "annotate", "now", written, set(), set(), set())


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(written=st.lists(entries(), max_size=6), lost=st.lists(entries(), max_size=2))
def test_what_is_written_is_read(
    written: list[Entry], lost: list[Entry], tmp_path_factory: pytest.TempPathFactory
) -> None:
    commits = tuple(Commit(number, f"run {number}", "annotate", "now", 1, 0, number > 1) for number in (1, 2, 3))
    ledger = Ledger(tuple(written), commits, tuple(lost))
    path = tmp_path_factory.getbasetemp() / "written.npz"
    write_ledger(path, ledger)
    again = read_ledger(path)
    assert again.commits == commits
    assert (len(again.entries), len(again.lost)) == (len(written), len(lost))
    for before, after in zip((*written, *lost), (*again.entries, *again.lost), strict=True):
        assert after.polygon.equals_exact(before.polygon, 0)
        assert replace(after, polygon=before.polygon) == before


def test_no_file_is_an_empty_ledger(tmp_path: Path) -> None:
    assert read_ledger(ledger_path(tmp_path, "7")) == Ledger()


@pytest.mark.parametrize("damage", [b"", b"{}", b"PK\x05\x06" + bytes(18), "truncated"])
def test_a_damaged_ledger_is_said(tmp_path: Path, damage: bytes | str) -> None:
    path = ledger_path(tmp_path, "1")
    write_ledger(path, one_commit(*(square(x) for x in range(0, 900, 20))))
    data = path.read_bytes()
    path.write_bytes(damage if isinstance(damage, bytes) else data[: len(data) // 2])
    with pytest.raises(LedgerError, match=r"1\.npz"):
        read_ledger(path)


def test_a_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = ledger_path(tmp_path, "1")
    write_ledger(path, one_commit(*(square(x) for x in range(0, 900, 20))))
    data, ledger = path.read_bytes(), read_ledger(path)
    noticed = 0
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            assert read_ledger(path) == ledger
        except LedgerError:
            noticed += 1
    assert noticed > 100


def test_ledger_of_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ledger_path(tmp_path, "1")
    monkeypatch.setattr("cerberus_annotate.feedback.ledger_file.FORMAT", 99)
    write_ledger(path, one_commit(square()))
    monkeypatch.undo()
    with pytest.raises(LedgerError, match="format 99"):
        read_ledger(path)


def test_ledgers_of_one_block_are_still_read() -> None:
    ring = Polygon(box(40000.25, 8, 40060.5, 70).exterior, [box(40010, 20, 40020, 30.75).exterior])
    one, two, three, four = (uuid.UUID(int=number) for number in range(1, 5))
    odd = {"deleted": True, "name": "odd", "locked": True, "kind": "detection"}
    inner, small, other = box(40012, 22, 40014, 24), box(1, 2, 3, 4), box(5, 6, 7, 8)
    written = (
        Entry(one, "gland", "Gland", ring, 0.875, 1, measurements={"Area": 12.5}),
        Entry(two, "lumen", "Lumen", inner, 0.5, 1, ended=2, parent=one),
        Entry(three, "nuclei", "Nucleus: Epithelial", small, 0.25, 2, **odd),
    )
    commits = (
        Commit(1, "run-1", "annotate", "2024-01-31T10:15:00+00:00", 2, 0, True),
        Commit(2, "run-2", "annotate", "2024-02-01T10:15:00+00:00", 2, 1),
    )
    ledger = read_ledger(Path(__file__).parent / "data" / "ledger-format-1.npz")
    assert ledger == Ledger(written, commits, (Entry(four, "nuclei", "Nucleus", other, 0.75, 2),))


class TestGrowing:
    """A ledger that is written block by block."""

    @pytest.fixture(autouse=True)
    def small_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cerberus_annotate.feedback.ledger_file.BLOCK", 3)

    def test_blocks_are_read_in_the_order_that_is_said_at_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "1.npz"
        old, new, lost = ([square(10 * (start + at)) for at in range(7)] for start in (0, 20, 40))
        with growing_ledger(path) as file:
            written = file.write(new)
            assert [block.entries for block in written] == [3, 3, 1]
            after = file.write(lost)
            before = file.write(old)
            file.finish([Commit(1, "run", "annotate", "now", 7, 0)], [*before, *written], after)
            assert not path.exists()
            file.put(path)
        ledger = read_ledger(path)
        assert (list(ledger.entries), list(ledger.lost)) == ([*old, *new], lost)
        assert [entry for block in walk_blocks(path, written[1:]) for entry in block] == new[3:]

    def test_the_same_entries_make_the_same_file(self, tmp_path: Path) -> None:
        ledger = one_commit(*(square(20 * at) for at in range(7)))
        for name in ("1.npz", "2.npz"):
            write_ledger(tmp_path / name, ledger)
        assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()

    @pytest.mark.parametrize("moment", ["before a block", "before the end", "before it is put in place"])
    def test_cut_off_it_leaves_the_former_one_and_no_file(self, tmp_path: Path, moment: str) -> None:
        path = ledger_path(tmp_path, "1")
        write_ledger(path, former := one_commit(square()))

        def cut_off(file: GrowingLedger) -> None:
            if moment != "before a block":
                blocks = file.write([square(20)])
            if moment == "before it is put in place":
                file.finish(former.commits, blocks, [])
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), growing_ledger(path) as file:
            cut_off(file)
        assert read_ledger(path) == former
        assert [each.name for each in path.parent.iterdir()] == ["1.npz"]

    def test_what_a_killed_process_left_goes_with_the_next_writing(self, tmp_path: Path) -> None:
        path = ledger_path(tmp_path, "1")
        path.parent.mkdir(parents=True)
        (path.parent / f".{path.name}.tmp").write_bytes(b"half a ledger")
        write_ledger(path, ledger := one_commit(square()))
        assert read_ledger(path) == ledger
        assert [each.name for each in path.parent.iterdir()] == ["1.npz"]

    @pytest.mark.parametrize("step", ["zipfile.ZipFile.writestr", "os.fsync", "pathlib.Path.replace"])
    def test_a_full_disk_is_a_sentence(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        path = ledger_path(tmp_path, "1")
        write_ledger(path, former := one_commit(square()))

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(step, full)
            with pytest.raises(ProjectError, match=r"ledger of an image.*No space left.*free disk space"):
                write_ledger(path, one_commit(square(20)))
        assert read_ledger(path) == former
        assert [each.name for each in path.parent.iterdir()] == ["1.npz"]


def test_states_follow_the_commits() -> None:
    stays, replaced, gone = square(0), square(20), square(40)
    ledger = one_commit(stays, replaced, gone)
    new = square(60)
    ledger = commit_changes(
        ledger, "run-2", "annotate", "now", [new], {replaced.uuid}, {gone.uuid}, {stays.uuid, replaced.uuid}
    )
    states = {entry.uuid: entry.state for entry in ledger.entries}
    assert states == {stays.uuid: "live", replaced.uuid: "superseded", gone.uuid: "deleted", new.uuid: "live"}
    assert [ledger.run_of(entry) for entry in ledger.entries] == ["run-1", "run-1", "run-1", "run-2"]


def test_a_deleted_object_that_is_back_lives_again() -> None:
    entry = square()
    ledger = commit_changes(one_commit(entry), "run-2", "annotate", "now", [], set(), {entry.uuid}, set())
    assert ledger.entries[0].state == "deleted"
    ledger = commit_changes(ledger, "run-3", "annotate", "now", [], set(), set(), {entry.uuid})
    assert ledger.entries[0].state == "live"


class TestCrashInTheMiddleOfACommit:
    """Steps: pending ledger written, data file written, pending ledger taken."""

    def test_before_the_data_file_was_written(self, tmp_path: Path) -> None:
        path = ledger_path(tmp_path, "1")
        old = square()
        write_ledger(path, before := one_commit(old))
        write_pending(path, commit_changes(before, "2", "annotate", "", [square(20)], {old.uuid}, set(), set()))
        ledger = resolve_pending(path, {str(old.uuid)})
        assert ledger == before == read_ledger(path)
        assert not pending_path(path).exists()

    def test_after_the_data_file_was_written(self, tmp_path: Path) -> None:
        path = ledger_path(tmp_path, "1")
        old, new = square(), square(20)
        write_ledger(path, before := one_commit(old))
        write_pending(path, commit_changes(before, "2", "annotate", "", [new], {old.uuid}, set(), set()))
        ledger = resolve_pending(path, {str(new.uuid)})
        assert [entry.state for entry in ledger.entries] == ["superseded", "live"]
        assert read_ledger(path) == ledger
        assert not pending_path(path).exists()

    @pytest.mark.parametrize("written", [False, True])
    def test_a_commit_that_only_removes(self, tmp_path: Path, written: bool) -> None:
        path = ledger_path(tmp_path, "1")
        old = square()
        write_ledger(path, before := one_commit(old))
        write_pending(path, commit_changes(before, "2", "remove", "", [], {old.uuid}, set(), set()))
        ledger = resolve_pending(path, set() if written else {str(old.uuid)})
        assert ledger.entries[0].state == ("superseded" if written else "live")

    def test_while_the_pending_ledger_was_written(self, tmp_path: Path) -> None:
        path = ledger_path(tmp_path, "1")
        write_ledger(path, before := one_commit(square()))
        pending_path(path).write_bytes(path.read_bytes()[:100])
        assert resolve_pending(path, set()) == before
        assert not pending_path(path).exists()

    def test_done_leaves_nothing_behind(self, tmp_path: Path) -> None:
        path = ledger_path(tmp_path, "1")
        ledger = one_commit(square())
        write_pending(path, ledger)
        take_pending(path)
        assert resolve_pending(path, set()) == ledger
        assert [file.name for file in path.parent.iterdir()] == ["1.npz"]
