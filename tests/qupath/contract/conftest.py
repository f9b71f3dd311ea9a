"""The engines under test. Without paquo or a QuPath its half skips and says why."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath import Project, open_project
from cerberus_annotate.qupath.native.data_file import release_of

Copy = Callable[[str], Path]


@pytest.fixture(scope="session")
def qupath_version() -> str:
    """The version of the QuPath at work; skips where there is none."""
    from cerberus_annotate.qupath.paquo.virtual_machine import start

    try:
        return start()
    except UsageError as error:
        pytest.skip(f"the half of paquo: {error}")


@pytest.fixture(scope="session")
def writing_qupath(qupath_version: str) -> str:
    """The version of a QuPath that writes without opening slides, which the samples do not have; else skips."""
    if release_of(qupath_version) < (0, 6):
        pytest.skip(f"QuPath {qupath_version} opens the slide before it writes, and the samples have none")
    return qupath_version


@pytest.fixture(params=["native", "paquo"])
def engine(request: pytest.FixtureRequest) -> str:
    """Either engine, for what both must do."""
    if request.param == "paquo":
        request.getfixturevalue("writing_qupath")
    return request.param


@pytest.fixture
def project(engine: str, sample_copy: Copy) -> Project:
    """A copy of the richest sample, open in either engine."""
    return open_project(sample_copy("0.6.0/kinds"), engine)
