"""What a report tells, as plain data; the pages know nothing else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassCount:
    """Objects of a class. density: per mm² of the area that densities are of, None where that is not known."""

    name: str
    colour: Colour
    count: int
    density: float | None


@dataclass(frozen=True)
class SlideFacts:
    """An image of the project. thumbnail: with outlines, as a data URI, None where there is none. area: what densities
    are of, in words, area_mm2 how large it is (None where not known). verdicts: what became of reviewed objects.
    warnings: sentences.
    """

    name: str
    thumbnail: str | None
    area: str
    area_mm2: float | None
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
    """A model of the project. runs: how many. last: day of the last one, "" without. accepted: those of its `reviewed`
    predictions that were left as they were.
    """

    name: str
    runs: int
    last: str
    accepted: int
    reviewed: int


@dataclass(frozen=True)
class Learnt:
    """What a model was made from. day: when. regions, objects: of its harvests. verdict: the gate's sentence."""

    name: str
    parent: str
    day: str
    regions: int
    objects: int
    verdict: str


@dataclass(frozen=True)
class Round:
    """A measure of a model on a set of held-out images, and of its parent on the same ones.

    low, high: the 95 % interval of `after`.
    """

    model: str
    parent: str
    data: str
    measure: str
    before: float
    after: float
    low: float
    high: float


@dataclass(frozen=True)
class ReportFacts:
    """All of a report. area_mm2: what densities are of, `area` in words.

    verdicts: class → verdict → reviewed objects. rounds, learnt: parents before what was made of them.
    """

    project: str
    created: str
    version: str
    slides: tuple[SlideFacts, ...]
    classes: tuple[ClassCount, ...]
    area: str
    area_mm2: float
    reviewed_mm2: float
    verdicts: Mapping[str, Mapping[str, int]]
    strips: tuple[Strip, ...]
    models: tuple[ModelFacts, ...]
    rounds: tuple[Round, ...]
    learnt: tuple[Learnt, ...]

    @property
    def differences(self) -> dict[str, int]:
        """Verdict → objects, of all classes."""
        total: Counter[str] = Counter()
        for counts in self.verdicts.values():
            total.update(counts)
        return dict(total)
