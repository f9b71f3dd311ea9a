"""Where paquo or a QuPath that fits is missing, one sentence says so and names the way out."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from cerberus_annotate.cli.doctor import command as doctor
from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath import open_project
from cerberus_annotate.qupath.paquo import virtual_machine
from cerberus_annotate.qupath.paquo.installation import find_installation, refuse_unsupported

SAMPLE = Path(__file__).parents[1] / "data" / "qupath-samples" / "0.6.0" / "tiny"


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process in which no Java runs yet."""
    monkeypatch.setattr(virtual_machine, "start", virtual_machine.start.__wrapped__)
    monkeypatch.setattr("cerberus_annotate.qupath.paquo.project.start", virtual_machine.start)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_java: None) -> Path:
    """The folder of jars of the QuPath that paquo finds."""
    backend = pytest.importorskip("paquo.jpype_backend", reason="paquo is not installed")
    monkeypatch.setattr(backend, "find_qupath", lambda **_: SimpleNamespace(app_dir=tmp_path, jvm_options=[]))
    return tmp_path


def test_without_paquo(monkeypatch: pytest.MonkeyPatch, no_java: None) -> None:
    monkeypatch.setitem(sys.modules, "paquo", None)
    with pytest.raises(UsageError, match=r"pip install 'cerberus-annotate\[paquo\]'.*--engine native"):
        open_project(SAMPLE, "paquo")


def test_without_qupath(monkeypatch: pytest.MonkeyPatch, no_java: None) -> None:
    backend = pytest.importorskip("paquo.jpype_backend", reason="paquo is not installed")

    def none(**_: object) -> None:
        raise ValueError("no valid qupath installation found")

    monkeypatch.setattr(backend, "find_qupath", none)
    with pytest.raises(UsageError, match=r"PAQUO_QUPATH_DIR.*--engine native"):
        open_project(SAMPLE, "paquo")


@pytest.mark.parametrize(
    ("jar", "sentence"),
    [
        ("qupath-core-0.7.0.jar", "is 0.7.0, newer than 0.6"),
        ("qupath-core-0.8.0-SNAPSHOT.jar", "is 0.8.0-SNAPSHOT, newer than 0.6"),
        ("qupath-core-0.4.4.jar", "no metadata that a program can write"),
        ("qupath-core-0.2.3.jar", "no metadata that a program can write"),
    ],
)
def test_a_qupath_that_does_not_fit_is_named_before_java_starts(install: Path, jar: str, sentence: str) -> None:
    (install / "qupath-gui-fx-1.0.jar").touch()
    (install / jar).touch()
    with pytest.raises(UsageError, match=sentence) as refusal:
        open_project(SAMPLE, "paquo")
    assert "--engine native" in str(refusal.value)


@pytest.mark.parametrize("version", ["0.5.0", "0.5.1", "v0.6.0", "0.6.0-rc4", ""])
def test_a_qupath_that_fits(version: str) -> None:
    refuse_unsupported(version, Path("QuPath"))


def test_doctor_tells_what_the_engine_would_use(install: Path) -> None:
    (install / "qupath-core-0.6.0.jar").touch()
    assert find_installation().version == "0.6.0"
    said = CliRunner().invoke(doctor, []).output
    assert f"for --engine paquo: QuPath 0.6.0 in {install}" in said


def test_doctor_has_a_problem_with_it_only_when_it_is_asked_for(
    install: Path, sample_copy: Callable[[str], Path]
) -> None:
    (install / "qupath-core-0.7.0.jar").touch()
    project = str(sample_copy("0.6.0/tiny"))
    plain = CliRunner().invoke(doctor, [project])
    asked = CliRunner().invoke(doctor, [project, "--engine", "paquo"])
    assert "for --engine paquo: nothing. The QuPath at" in plain.output
    assert "Problem: The QuPath at" not in plain.output
    assert "Problem: The QuPath at" in asked.output
    assert asked.exit_code == 1
