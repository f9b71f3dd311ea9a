"""QuPath's own sample projects, and copies of them to write to."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"


def make_writable(folder: Path) -> None:
    """The samples may be read-only, and copies of them with them."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def samples() -> Path:
    """The folder of the samples that come with the code."""
    return SAMPLES


@pytest.fixture
def sample_copy(tmp_path: Path) -> Callable[[str], Path]:
    """A function that copies a sample such as `0.6.0/kinds` and returns its folder."""

    def copy(name: str) -> Path:
        target = tmp_path / name.replace("/", "-")
        shutil.copytree(SAMPLES / name, target)
        make_writable(target)
        return target

    return copy
