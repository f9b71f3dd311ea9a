"""The scores of a model on a set of images, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.evaluation.metrics import Estimate

Estimates = Mapping[str, Estimate]


@dataclass(frozen=True)
class Confusion:
    """How often each true class (row) was taken for each found one (column); counts (rows, columns)."""

    true: tuple[str, ...]
    found: tuple[str, ...]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class ImageScore:
    """The measures of one image."""

    name: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class TaskScores:
    """How well one task was done.

    measures, and those of each class by its name, with intervals over images.  ranked_by: the measure in every
    ImageScore that tells good from bad images, larger being better.  notes: what was left out, in sentences.
    """

    images: tuple[ImageScore, ...]
    measures: Estimates
    per_class: Mapping[str, Estimates] = field(default_factory=dict)
    confusion: Confusion | None = None
    ranked_by: str = ""
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Every measure as {"value", "ci"}; `images`; `per_class`, `confusion` and `notes` where there are any."""
        content: dict[str, Any] = {name: estimate_json(value) for name, value in self.measures.items()}
        if self.per_class:
            content["per_class"] = {
                name: {key: estimate_json(value) for key, value in of_class.items()}
                for name, of_class in self.per_class.items()
            }
        if self.confusion is not None:
            content["confusion"] = {
                "true": list(self.confusion.true),
                "found": list(self.confusion.found),
                "counts": self.confusion.counts.astype(int).tolist(),
            }
        content["images"] = len(self.images)
        if self.notes:
            content["notes"] = list(self.notes)
        return content


@dataclass(frozen=True)
class Scores:
    """The scores by task: `nuclei`, `nuclei_points`, `gland`, `lumen`, `semantic`, `patch`.

    images: how many were looked at, those without a fitting label included.
    """

    tasks: Mapping[str, TaskScores]
    images: int

    def as_json(self) -> dict[str, Any]:
        """The tasks as JSON can hold them."""
        return {task: scores.as_json() for task, scores in self.tasks.items()}


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """A measure as JSON has it: {"value", "ci"}."""
    return {"value": round(estimate.value, 4), "ci": [round(estimate.low, 4), round(estimate.high, 4)]}
