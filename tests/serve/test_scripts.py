"""The scripts for QuPath: they compile, are put together and installed, and run the command as it must be run."""

import json
import sys
from pathlib import Path

import pytest

from cerberus_annotate.serve.scripts import FOLDER, composed_scripts, install_scripts, source_folder

from .conftest import Groovy

FAKE = """
import json, sys
print("working on it", file=sys.stderr)
print(json.dumps({"arguments": sys.argv[1:], "stdin": sys.stdin.read()}))
if "fail" in sys.argv:
    print("Error: The slide of image 'Größe 1.svs' is not at C:\\\\slides.", file=sys.stderr)
    sys.exit(2)
"""


def test_every_script_compiles_with_its_types_checked(compile_typed: Groovy, tmp_path: Path) -> None:
    install_scripts(tmp_path)
    scripts = sorted((tmp_path / FOLDER).iterdir())
    assert len(scripts) >= 7
    done = compile_typed(*scripts)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_method_that_qupath_has_not_is_noticed(compile_typed: Groovy, tmp_path: Path) -> None:
    script = tmp_path / "wrong.groovy"
    script.write_text("qupath.lib.scripting.QP.getCurrentImageData().isChangedAtAll()")
    done = compile_typed(script)
    assert done.returncode != 0
    assert "isChangedAtAll" in done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in source_folder().glob("*.groovy")))
def test_a_script_says_at_its_top_what_it_does_and_for_which_qupath(name: str) -> None:
    text = composed_scripts()[name]
    header = text[: text.index("*/")]
    assert text.startswith("/*\n * ")
    assert "QuPath 0.6" in " ".join(header.replace("*", " ").split())
    assert "//+" not in text


def test_installed_twice_nothing_changes(tmp_path: Path) -> None:
    project = tmp_path / "my project, Größe"
    assert set(install_scripts(project).values()) == {"written"}
    before = {path: path.read_bytes() for path in (project / FOLDER).iterdir()}
    assert set(install_scripts(project).values()) == {"unchanged"}
    assert {path: path.read_bytes() for path in (project / FOLDER).iterdir()} == before


def test_a_script_that_somebody_changed_stays(tmp_path: Path) -> None:
    install_scripts(tmp_path)
    own = tmp_path / FOLDER / "annotate_image.groovy"
    text = own.read_text("utf-8").replace("options = []", 'options = ["--tasks", "nuclei"]')
    own.write_text(text, "utf-8")
    foreign = tmp_path / FOLDER / "harvest.groovy"
    foreign.write_text("println 'the lab has its own'")
    states = install_scripts(tmp_path)
    assert {name for name, state in states.items() if state == "kept"} == {own.name, foreign.name}
    assert own.read_text("utf-8") == text


def test_a_script_of_an_earlier_version_is_replaced_also_with_windows_line_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerberus_annotate.serve.scripts.composed_scripts", lambda: {"a.groovy": "println 1\n"})
    install_scripts(tmp_path)
    path = tmp_path / FOLDER / "a.groovy"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert install_scripts(tmp_path) == {"a.groovy": "unchanged"}
    monkeypatch.setattr("cerberus_annotate.serve.scripts.composed_scripts", lambda: {"a.groovy": "println 2\n"})
    assert install_scripts(tmp_path) == {"a.groovy": "written"}
    assert "println 2" in path.read_text()


@pytest.fixture
def caller(tmp_path: Path) -> Path:
    """A script that hands its arguments to the command as our scripts do."""
    folder = source_folder() / "parts"
    parts = "\n".join((folder / name).read_text("utf-8") for name in ("home.groovy", "command.groovy"))
    imports = "import com.google.gson.JsonElement\nimport com.google.gson.JsonParser\n"
    path = tmp_path / "caller.groovy"
    path.write_text(f"{imports}runCerberus(args as List)\nprintln 'went well'\n{parts}", "utf-8")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a command of ours is noted that lies in a folder with a space."""
    fake = tmp_path / "program files" / "fake Größe.py"
    fake.parent.mkdir()
    fake.write_text(FAKE, "utf-8")
    home = tmp_path / "home of mine"
    home.mkdir()
    (home / "command.json").write_text(json.dumps({"command": [sys.executable, str(fake)]}), "utf-8")
    return home


def test_the_command_gets_each_argument_as_it_is(run_groovy: Groovy, caller: Path, home: Path) -> None:
    arguments = ["annotate", "/a b/Größe/project.qpproj", "--images", "slide [1] & 'x' $HOME.svs", "", "*"]
    done = run_groovy(caller, *arguments, CERBERUS_ANNOTATE_HOME=str(home))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {"working on it", "went well"} <= set(lines)
    told = json.loads(next(line for line in lines if line.startswith("{")))
    assert told == {"arguments": arguments, "stdin": ""}


def test_the_commands_own_sentence_is_shown_when_it_fails(run_groovy: Groovy, caller: Path, home: Path) -> None:
    done = run_groovy(caller, "fail", CERBERUS_ANNOTATE_HOME=str(home))
    assert done.returncode != 0
    assert "went well" not in done.stdout
    assert "ended with code 2" in done.stderr
    assert "The slide of image 'Größe 1.svs' is not at C:\\slides." in done.stderr


def test_without_the_command_it_says_what_to_do(run_groovy: Groovy, caller: Path, tmp_path: Path) -> None:
    (tmp_path / "command.json").write_text(json.dumps({"command": [str(tmp_path / "gone"), "-m", "x"]}))
    done = run_groovy(caller, "annotate", CERBERUS_ANNOTATE_HOME=str(tmp_path), PATH="/usr/bin:/bin")
    assert done.returncode != 0
    assert "cerberus-annotate scripts install PROJECT" in done.stderr
