"""A slide for whoever has none at hand: the demo picture, mirrored copies of it side by side."""

import os

import numpy as np

from cerberus_annotate.slide import write_pyramid
from cerberus_annotate.slide.demo_slide import DEMO_MPP, demo_picture

COPIES = 4
"""A side; the picture alone is smaller than one tile."""


def write_sample(path: str | os.PathLike[str]) -> None:
    """Writes the slide: a pyramidal TIFF of 2048 × 2048 px, 1.05 mm², all tissue."""
    picture = demo_picture()
    row = np.concatenate([picture if at % 2 == 0 else picture[:, ::-1] for at in range(COPIES)], axis=1)
    rows = [row if at % 2 == 0 else row[::-1] for at in range(COPIES)]
    write_pyramid(path, np.concatenate(rows), DEMO_MPP)
