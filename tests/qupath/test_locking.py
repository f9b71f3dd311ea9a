"""Two of our processes never work on one project at once, with real processes, also where there are no locks."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cerberus_annotate.errors import ProjectLockedError
from cerberus_annotate.qupath import open_project

Copy = Callable[[str], Path]

WITH_LOCKS = ""
#: As a network share answers that has no locks.
WITHOUT_LOCKS = """
import errno, fcntl
def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
"""

HOLD = """
import sys
from cerberus_annotate.qupath import open_project
with open_project(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""

ADD = """
import sys, time
from shapely.geometry import box
from cerberus_annotate.errors import ProjectChangedError, ProjectLockedError
from cerberus_annotate.qupath import PathObject, open_project
left = 8
while left:
    try:
        project = open_project(sys.argv[1])
        with project.edit(project.images[0]) as edit:
            edit.add(PathObject(box(0, 0, 5, 5), name=f"{sys.argv[2]} {left}"))
        left -= 1
    except (ProjectChangedError, ProjectLockedError):
        time.sleep(0.01)
"""

RESTORE = "import sys; from cerberus_annotate.cli import main; main(['restore', sys.argv[1]])"

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows always has locks")
modes = pytest.mark.parametrize(
    "mode", [WITH_LOCKS, pytest.param(WITHOUT_LOCKS, marks=on_posix)], ids=["locks", "none"]
)


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def finished(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@modes
def test_a_second_command_is_refused_until_the_first_is_done_or_dead(sample_copy: Copy, mode: str) -> None:
    folder = sample_copy("0.6.0/tiny")
    with process(mode + HOLD, folder) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        refused = finished(mode + RESTORE, folder)
        assert refused.returncode == 2
        assert "Another run is at work on the project" in refused.stderr
        if mode:
            assert f"process {holder.pid} on the computer" in refused.stderr
        holder.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        holder.wait()
        freed = finished(mode + RESTORE, folder)
        assert (freed.returncode, freed.stderr) == (0, "")


@modes
def test_no_change_of_several_processes_is_lost(sample_copy: Copy, mode: str) -> None:
    folder = sample_copy("0.6.0/tiny")
    before = len(open_project(folder).images[0].read_objects())
    with process(mode + ADD, folder, "one") as one, process(mode + ADD, folder, "two") as two:
        for each in (one, two):
            _, complaint = each.communicate(timeout=60)
            assert (each.returncode, complaint) == (0, "")
    names = [obj.name for obj in open_project(folder).images[0].read_objects()][before:]
    assert sorted(name or "" for name in names) == [f"{who} {at}" for who in ("one", "two") for at in range(1, 9)]
    assert not list(folder.rglob("*.tmp"))


@on_posix
def test_the_lock_that_is_a_file_goes_when_the_work_is_done(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    assert finished(WITHOUT_LOCKS + RESTORE, folder).returncode == 0
    assert not (folder / "cerberus" / "lock.held").exists()


def test_another_way_to_the_same_folder_is_the_same_project(sample_copy: Copy, tmp_path: Path) -> None:
    folder = sample_copy("0.6.0/tiny")
    link = tmp_path / "link"
    link.symlink_to(folder, target_is_directory=True)
    with open_project(folder).lock(), pytest.raises(ProjectLockedError), open_project(link).lock():
        pass
