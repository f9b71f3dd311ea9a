"""A real labelled image, small enough for a test."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set


@pytest.fixture
def shared_tile(shared: Path) -> Callable[[], LabelledImage]:
    """Reads the upper left 400 px of a CoNSeP test tile."""

    def read() -> LabelledImage:
        entries = read_data_set(shared / "data" / "consep").entries
        whole = next(entry for entry in entries if entry.split == "test").read()
        part = slice(0, 400), slice(0, 400)
        return replace(whole, rgb=whole.rgb[part], nuclei=whole.nuclei[part], nucleus_types=whole.nucleus_types[part])

    return read
