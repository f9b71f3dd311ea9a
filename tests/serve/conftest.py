"""Debian's Groovy with our own stubs of the QuPath classes that the scripts use; a project and a predictor of stubs."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.qupath import Project, create_project
from cerberus_annotate.slide.pyramid import write_pyramid

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


@dataclass(frozen=True)
class StubModel:
    """What a session notes of a model."""

    name: str = "stub"
    sha256: str = "0" * 64
    tasks: tuple[str, ...] = ("nuclei", "gland", "lumen")


@dataclass
class StubPredictor:
    """Finds a gland with a lumen and four nuclei in every slide."""

    asked: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, slide: Any, mpp: Any, *, tasks: Any, areas: Any, progress: Any) -> ObjectList:
        self.asked.append({"mpp": mpp, "tasks": tasks, "areas": areas})
        gland = PredictedObject("gland", "Gland", box(100, 100, 200, 200), 0.9)
        lumen = PredictedObject("lumen", "Lumen", box(130, 130, 170, 170), 0.8, parent=gland.uuid)
        nuclei = [
            PredictedObject("nuclei", "Nucleus: Epithelial", box(x, 110, x + 10, 120), 0.7) for x in (20, 110, 150, 300)
        ]
        return ObjectList([one for one in (gland, lumen, *nuclei) if one.task in tasks])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of one slide of 400 x 400 px at 0.5 µm/px."""
    pixels = np.full((400, 400, 3), 243, np.uint8)
    pixels[40:360, 40:360] = (200, 120, 170)
    write_pyramid(tmp_path / "one.tif", pixels, 0.5)
    project = create_project(tmp_path / "my project")
    add_slide(project, describe_slide(tmp_path / "one.tif"))
    return project
