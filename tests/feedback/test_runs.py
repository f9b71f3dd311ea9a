"""The record of a run is what it is resumed from and what `runs list` shows."""

from dataclasses import replace
from pathlib import Path

import pytest

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.feedback.runs import ImageRecord, Run, new_run_id, read_run, read_runs, write_run

RUN = Run("20240101-000000-aaaa", "small", "ff", "0.1.0", {"tasks": ["nuclei"]}, "auto", "2024-01-01T00:00:00")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = RUN.with_image("1", ImageRecord("slide µ.svs", "done", objects={"Nucleus": 3}, data="abc"))
    write_run(tmp_path, run)
    assert read_run(tmp_path, run.id) == run
    assert read_runs(tmp_path) == [run]


def test_an_unknown_run_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    write_run(tmp_path, RUN)
    with pytest.raises(ProjectError, match=r"no run 'x'.*20240101-000000-aaaa"):
        read_run(tmp_path, "x")
    with pytest.raises(ProjectError, match=r"no run '\.\./runs"):
        read_run(tmp_path, f"../runs/{RUN.id}")


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"images": {"1": {"other": 2}}}'])
def test_a_damaged_record_does_not_hide_the_others(tmp_path: Path, damage: str) -> None:
    write_run(tmp_path, RUN)
    (tmp_path / "runs" / "broken.json").write_text(damage)
    assert read_runs(tmp_path) == [RUN]
    with pytest.raises(ProjectError, match="cannot be read"):
        read_run(tmp_path, "broken")


def test_only_the_same_run_is_continued() -> None:
    again = replace(RUN, id=new_run_id(), started="later")
    assert again.continues(RUN)
    assert not again.continues(replace(RUN, state="finished"))
    assert not again.continues(replace(RUN, sha256="00"))
    assert not again.continues(replace(RUN, parameters={"tasks": ["gland"]}))
