"""Patches of a data set stacked in one NumPy file, from which one is read at a time."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.errors import UsageError


def map_array(path: Path, channels: int) -> NDArray[Any]:
    """A file of shape (n, H, W, channels), not read but mapped. Raises UsageError where it has another."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UsageError(
            f"{path}: cannot be read as a NumPy array ({error}). Copy it again from its source."
        ) from error
    if array.ndim != 4 or array.shape[3] != channels:
        raise UsageError(f"{path}: has shape {array.shape}; it should be (patches, height, width, {channels}).")
    return np.asanyarray(array)


def check_aligned(images: Path, image_array: NDArray[Any], labels: Path, label_array: NDArray[Any]) -> None:
    """Raises UsageError where two files have not the same number and size of patches."""
    if image_array.shape[:3] != label_array.shape[:3]:
        sizes = [
            f"{n} patches of {width} x {height} px"
            for n, height, width in (image_array.shape[:3], label_array.shape[:3])
        ]
        raise UsageError(f"{images} has {sizes[0]}, but {labels} has {sizes[1]}. Copy both again from their source.")
