"""An image's data file is as it was or complete, whatever happens while it is written."""

import errno
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from cerberus_annotate import files
from cerberus_annotate.errors import DataFileError, ProjectChangedError, ProjectError, ProjectLockedError
from cerberus_annotate.qupath import PathObject, open_project
from cerberus_annotate.qupath.java import read_stream
from cerberus_annotate.qupath.native import commit

Copy = Callable[[str], Path]


def state_of(folder: Path) -> dict[str, bytes]:
    """Every file's bytes; the lock's are no part of the project."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def add_one(folder: Path, **arguments: Any) -> None:
    project = open_project(folder)
    with project.edit(project.images[0], **arguments) as edit:
        edit.add(PathObject(box(0, 0, 5, 5)))


def test_an_exception_in_the_block_writes_nothing(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = state_of(folder)
    project = open_project(folder)

    def interrupted() -> None:
        with project.edit(project.images[0]) as edit:
            edit.add(PathObject(box(0, 0, 5, 5)))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert state_of(folder) == before


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("place", ["write_stream_to", "check_stream", "copy_file", "sync_folder"])
def test_a_failure_at_any_moment_leaves_the_data_file(
    sample_copy: Copy, monkeypatch: pytest.MonkeyPatch, error: BaseException, place: str, tmp_path: Path
) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = state_of(folder)

    def fail(*arguments: Any) -> None:
        if place == "write_stream_to":
            arguments[1].write(b"half")
        raise error

    monkeypatch.setattr(commit, place, fail)
    expected = DataFileError if isinstance(error, OSError | MemoryError) else KeyboardInterrupt
    with pytest.raises(expected):
        add_one(folder, backup=tmp_path / "backup.qpdata")
    after = state_of(folder)
    if place == "sync_folder":
        # The new file is in place by then, and whole.
        assert len(open_project(folder).images[0].read_objects()) == 35
        assert after.keys() == before.keys()
    else:
        assert after == before


def test_a_full_disk_is_named(sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sample_copy("0.6.0/kinds")

    def fail(path: Path, write: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(commit, "write_synced", fail)
    with pytest.raises(DataFileError, match=r"slide 1\.svs.*No space left on device.*as it was before"):
        add_one(folder)


def test_a_file_that_does_not_read_back_whole_never_gets_in_place(
    sample_copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = state_of(folder)
    write = commit.write_stream_to

    def write_cut(stream: Any, file: Any) -> None:
        write(stream, file)
        file.truncate(file.tell() - 2000)

    monkeypatch.setattr(commit, "write_stream_to", write_cut)
    with pytest.raises(DataFileError, match="could not be written"):
        add_one(folder)
    assert state_of(folder) == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    (folder / "data" / "1").chmod(0o555)
    with pytest.raises(DataFileError, match="Permission denied"):
        add_one(folder)


def test_a_failing_lock_folder_is_named(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    (folder / "cerberus").write_text("in the way")
    before = state_of(folder)
    with pytest.raises(ProjectError, match="cannot be written to"):
        add_one(folder)
    assert state_of(folder) == before


def test_what_qupath_saved_meanwhile_is_not_overwritten(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    project = open_project(folder)
    image = project.images[0]
    saved = project.images[1].data_path.read_bytes()

    def edit_while_qupath_saves() -> None:
        with project.edit(image) as edit:
            edit.add(PathObject(box(0, 0, 5, 5)))
            image.data_path.write_bytes(saved)

    with pytest.raises(ProjectChangedError, match="Nothing was overwritten"):
        edit_while_qupath_saves()
    assert image.data_path.read_bytes() == saved
    assert sorted(path.name for path in image.data_path.parent.iterdir()) == [
        "data.qpdata",
        "server.json",
        "summary.json",
        "thumbnail.jpg",
    ]


def test_a_save_after_the_last_look_at_the_content_is_noticed(
    sample_copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sample_copy("0.6.0/kinds")
    image = open_project(folder).images[0]
    saved = image.data_path.read_bytes() + b"!"
    fingerprint = commit.fingerprint

    def fingerprint_while_qupath_saves(path: Path) -> str:
        found = fingerprint(path)
        path.write_bytes(saved)
        return found

    monkeypatch.setattr(commit, "fingerprint", fingerprint_while_qupath_saves)
    with pytest.raises(ProjectChangedError, match="Nothing was overwritten"):
        add_one(folder)
    assert image.data_path.read_bytes() == saved


def test_qupath_in_the_middle_of_a_save_is_noticed(sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sample_copy("0.6.0/kinds")
    data = open_project(folder).images[0].data_path
    fingerprint = commit.fingerprint

    def fingerprint_while_qupath_moves_the_file(path: Path) -> str:
        found = fingerprint(path)
        path.replace(path.with_name("data.qpdata.bkp"))
        return found

    monkeypatch.setattr(commit, "fingerprint", fingerprint_while_qupath_moves_the_file)
    with pytest.raises(ProjectChangedError):
        add_one(folder)
    assert not data.exists()
    assert data.with_name("data.qpdata.bkp").exists()


class TestAFileThatAnotherProgramHasOpen:
    """Windows and some shares refuse to rename over it."""

    @staticmethod
    def refuse(monkeypatch: pytest.MonkeyPatch, times: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        rename, left = Path.replace, [times]

        def replace(self: Path, target: Path) -> Path:
            if Path(target).name == "data.qpdata" and left[0]:
                left[0] -= 1
                meanwhile()
                raise PermissionError(errno.EACCES, "Access is denied", str(target))
            return rename(self, target)

        monkeypatch.setattr(Path, "replace", replace)
        monkeypatch.setattr(files.time, "sleep", lambda _: None)

    def test_is_waited_for(self, sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = sample_copy("0.6.0/kinds")
        self.refuse(monkeypatch, 3)
        add_one(folder)
        assert len(open_project(folder).images[0].read_objects()) == 35

    def test_for_long_is_said(self, sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = sample_copy("0.6.0/kinds")
        before = state_of(folder)
        self.refuse(monkeypatch, 100)
        with pytest.raises(DataFileError, match=r"another program may have data\.qpdata open.*as it was before"):
            add_one(folder)
        assert state_of(folder) == before

    def test_and_that_was_saved_meanwhile_is_left(self, sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = sample_copy("0.6.0/kinds")
        data = open_project(folder).images[0].data_path
        saved = data.read_bytes() + b"!"
        self.refuse(monkeypatch, 2, lambda: data.write_bytes(saved))
        with pytest.raises(ProjectChangedError):
            add_one(folder)
        assert data.read_bytes() == saved


def test_an_edit_can_demand_the_file_that_was_read(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    image = open_project(folder).images[0]
    fingerprint = image.fingerprint()
    os.utime(image.data_path)  # another time is no other content
    add_one(folder, expected=fingerprint)
    before = state_of(folder)
    with pytest.raises(ProjectChangedError, match="since it was read"):
        add_one(folder, expected=fingerprint)
    with pytest.raises(ProjectChangedError):
        add_one(folder, expected="absent")
    assert state_of(folder) == before


def test_the_former_data_file_is_kept_where_the_caller_wants_it(sample_copy: Copy, tmp_path: Path) -> None:
    folder = sample_copy("0.6.0/kinds")
    former = (folder / "data/1/data.qpdata").read_bytes()
    add_one(folder, backup=tmp_path / "deep" / "down" / "data.qpdata")
    assert (tmp_path / "deep" / "down" / "data.qpdata").read_bytes() == former
    assert sorted(path.name for path in (tmp_path / "deep" / "down").iterdir()) == ["data.qpdata"]


def test_the_summary_counts_as_qupath_does(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    summary = folder / "data/1/summary.json"
    before = summary.read_text(encoding="utf-8")
    project = open_project(folder)
    item = PathObject(box(0, 0, 5, 5))
    with project.edit(project.images[0]) as edit:
        edit.add(item)
    assert '"nObjects":36' in summary.read_text(encoding="utf-8")
    assert '"Annotations":17' in summary.read_text(encoding="utf-8")
    with project.edit(project.images[0]) as edit:
        edit.remove(item.uuid)
    ours, theirs = json.loads(summary.read_text(encoding="utf-8")), json.loads(before)
    assert ours.pop("timestamp") > theirs.pop("timestamp") - 10**12
    assert ours == theirs


def test_an_image_that_was_never_saved_gets_a_data_file(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/empty")
    project = open_project(folder)
    add_one(folder)
    image = project.images[0]
    assert image.image_type == "UNSET"
    assert len(image.read_objects()) == 1
    description = read_stream(image.data_path.read_bytes()).contents[1].text
    assert description.startswith('{"dataVersion":3,"qupathVersion":"0.6.0","server":{"builderType":"uri"')


def test_a_failed_first_save_leaves_no_folder(sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sample_copy("0.5.1/empty")
    before = state_of(folder)

    def fail(*arguments: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(commit, "check_stream", fail)
    with pytest.raises(DataFileError):
        add_one(folder)
    assert state_of(folder) == before
    assert not (folder / "data" / "1").exists()


HOLD_LOCK = """
import sys
from cerberus_annotate.qupath import open_project
with open_project(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_runs_do_not_work_on_one_project_at_once(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    command = [sys.executable, "-c", HOLD_LOCK, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(ProjectLockedError, match="Another run is at work"), open_project(folder).lock():
                pass
            with pytest.raises(ProjectLockedError):
                add_one(folder)
        finally:
            other.kill()
    # The system freed the lock of the dead process.
    add_one(folder)


def test_the_lock_can_be_taken_again_inside_itself(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    project = open_project(folder)
    with project.lock():
        with project.lock(), project.edit(project.images[0]) as edit:
            edit.add(PathObject(box(0, 0, 5, 5)))
        with pytest.raises(ProjectLockedError), open_project(folder).lock():
            pass
    with open_project(folder).lock():
        pass


def test_copying_and_replacing_leave_no_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    files.replace_file(target, b"one")
    files.replace_file(target, b"two", keep=tmp_path / "file.backup")

    def fail(path: Path, write: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "write_synced", fail)
    with pytest.raises(OSError, match="full"):
        files.replace_file(target, b"three")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"two", "file.backup": b"one"}


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with files.temporary_beside(target) as temporary:
        pass
    temporary.write_bytes(b"half of what a killed process wrote")
    files.replace_file(target, b"whole")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"whole"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_replaced_file_keeps_who_may_read_it(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"one")
    target.chmod(0o660)
    files.replace_file(target, b"two")
    assert target.stat().st_mode & 0o777 == 0o660


def test_uuids_of_all_objects_stay_over_many_edits(sample_copy: Copy) -> None:
    folder = sample_copy("0.7.0/kinds")
    image = open_project(folder).images[0]
    before = [item.uuid for item in image.read_objects()]
    for _ in range(3):
        add_one(folder)
    after = [item.uuid for item in image.read_objects()]
    assert after[: len(before)] == before
    assert all(isinstance(item, uuid.UUID) for item in after)
