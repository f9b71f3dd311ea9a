"""What a report tells, as plain data; the pages know nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassCount:
    """Objects of a class. density: per mm² of tissue, None where the tissue is not known."""

    name: str
    colour: Colour
    count: int
    density: float | None


@dataclass(frozen=True)
class SlideFacts:
    """An image of the project. thumbnail: uint8 (h, w, 3) with outlines, None where there is none. tissue_mm2: its
    tissue. reviewed_mm2: of it reviewed. verdicts: what became of reviewed predictions. warnings: sentences.
    """

    name: str
    thumbnail: Rgb | None
    tissue_mm2: float | None
    reviewed_mm2: float
    classes: tuple[ClassCount, ...]
    verdicts: Mapping[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Strip:
    """One correction: the same place with what was predicted, and as it was left. told: a few words."""

    verdict: str
    slide: str
    told: str
    before: Rgb
    after: Rgb


@dataclass(frozen=True)
class ModelFacts:
    """A model whose predictions were reviewed. accepted: of `reviewed` predictions. parent: None where not known."""

    name: str
    parent: str | None
    accepted: int
    reviewed: int


@dataclass(frozen=True)
class Round:
    """A measure of a model of the lineage on one set of held-out images, against its parent."""

    model: str
    parent: str
    data: str
    measure: str
    before: float
    after: float


@dataclass(frozen=True)
class ReportFacts:
    """All of a report. runs: a sentence each. verdicts: over all slides. notes: sentences."""

    project: str
    created: str
    version: str
    slides: tuple[SlideFacts, ...]
    classes: tuple[ClassCount, ...]
    verdicts: Mapping[str, int]
    strips: tuple[Strip, ...]
    models: tuple[ModelFacts, ...]
    rounds: tuple[Round, ...]
    runs: tuple[str, ...]
    notes: tuple[str, ...]
