"""Where the shared data lie, when they are there."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("CERBERUS_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with `data/` and `parity/`; skips where it is missing."""
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the shared data folder (set CERBERUS_SHARED)")
    return SHARED
