"""The review queue as one HTML file: which regions, why, and what they look like."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.files import write_whole
from cerberus_annotate.report.render import render

PART_NAMES = {"entropy": "unsure", "disagreement": "disagreement", "rarity": "rare"}


@dataclass(frozen=True)
class ReviewedRow:
    """A region.  bounds: left, top, right, bottom in level-0 px. mpp: (x, y) µm/px. score: 0 to 1. parts: name → rank
    among all candidates, 0 to 1. picture: uint8 (h, w, 3) or None.
    """

    rank: int
    image: str
    bounds: tuple[int, int, int, int]
    mpp: tuple[float, float]
    score: float
    parts: Mapping[str, float]
    reason: str
    picture: NDArray[np.uint8] | None

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle in µm, as QuPath shows the place of the pointer."""
        left, top, right, bottom = self.bounds
        return (left + right) / 2 * self.mpp[0], (top + bottom) / 2 * self.mpp[1]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in µm."""
        left, top, right, bottom = self.bounds
        return (right - left) * self.mpp[0], (bottom - top) * self.mpp[1]


@dataclass(frozen=True)
class ReviewPage:
    """project, model: their names. rows: in order of rank. notes, failed: sentences."""

    project: str
    model: str
    rows: tuple[ReviewedRow, ...]
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def write_review_page(page: ReviewPage, path: Path) -> None:
    """Writes the page as one HTML file that needs no other.  Raises ProjectError when it cannot be written."""
    html = render("review.html", page=page, part_names=PART_NAMES)
    write_whole(path, html.encode(), "The page of the review queue")
