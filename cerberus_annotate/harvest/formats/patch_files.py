"""The maps of a patch, read again from a harvest's folder."""

from pathlib import Path

import cv2
from numpy.typing import NDArray

from cerberus_annotate.errors import UsageError


def read_map(folder: Path, path: str) -> NDArray:
    """A picture (H, W, 3) in red, green, blue, or a map (H, W).  Raises UsageError where it is gone or damaged."""
    pixels = cv2.imread(str(folder / path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise UsageError(f"{folder / path} is missing or damaged. Run the harvest again; it writes what is not there.")
    return pixels[..., ::-1] if pixels.ndim == 3 else pixels
