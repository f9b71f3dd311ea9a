"""Debian's Groovy, with our own stubs of the QuPath classes that the scripts use."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GSON = Path("/usr/share/java/gson.jar")

Groovy = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def groovy_tools() -> None:
    """Skips where Groovy or a JDK is missing."""
    missing = [tool for tool in ("groovyc", "groovy", "javac") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (Debian: apt-get install groovy default-jdk-headless)")


@pytest.fixture(scope="session")
def stubs(groovy_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the compiled stubs."""
    folder = tmp_path_factory.mktemp("stubs")
    sources = [str(path) for path in sorted((HERE / "stubs").rglob("*.java"))]
    done = subprocess.run(["javac", "-d", folder, *sources], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def compile_typed(stubs: Path, tmp_path: Path) -> Groovy:
    """Compiles Groovy files with all their types checked."""

    def run(*files: Path) -> "subprocess.CompletedProcess[str]":
        command = ["groovyc", "-cp", stubs, "--configscript", HERE / "type_checked.groovy", "-d", tmp_path / "classes"]
        return subprocess.run([*command, *files], capture_output=True, text=True, check=False, env=_environment())

    return run


@pytest.fixture
def run_groovy(stubs: Path) -> Groovy:
    """Runs a Groovy file with Gson and the stubs; variables are added to the environment."""
    if not GSON.is_file():
        pytest.skip("needs Gson, as QuPath has it (Debian: apt-get install libgoogle-gson-java)")

    def run(script: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        command = ["groovy", "-cp", f"{GSON}{os.pathsep}{stubs}", "-c", "UTF-8", script, *arguments]
        environment = {**_environment(), **variables}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)

    return run


def _environment() -> dict[str, str]:
    """Java takes arguments and writes text by the locale; QuPath has that of the desktop."""
    options = "-Dfile.encoding=UTF-8 -Dsun.stdout.encoding=UTF-8 -Djava.awt.headless=true"
    return {**os.environ, "LC_ALL": "C.UTF-8", "JAVA_OPTS": options}
