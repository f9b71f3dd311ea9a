"""What a review queue is told, as plain data; the command line fills it in."""

from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.errors import UsageError

TASKS = ("nuclei", "gland", "lumen")
"""Tasks that a region can be reviewed for."""

SIZES = (32.0, 512.0)
"""µm a side that a region may have."""


@dataclass(frozen=True)
class ReviewOptions:
    """Options of one queue.

    budget: regions to propose. size: side of a region in µm. tasks: empty for all that the model has. images: patterns
    of image names, empty for all. slides_dirs: where to look for moved slides. mpp: (x, y) µm/px where neither project
    nor file has one. seed: of the sample of candidates.
    """

    budget: int = 20
    size: float = 128.0
    tasks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    slides_dirs: tuple[Path, ...] = ()
    mpp: tuple[float, float] | None = None
    any_stain: bool = False
    precision: str = "auto"
    seed: int = 1

    def check(self) -> None:
        """Raises UsageError for a budget or size that cannot be."""
        if self.budget < 1:
            raise UsageError(f"A queue of {self.budget} regions is none; give --budget 1 or more.")
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise UsageError(f"Regions of {self.size:g} µm cannot be; give --size from {SIZES[0]:g} to {SIZES[1]:g}.")


def tasks_to_review(wanted: tuple[str, ...], available: tuple[str, ...], model: str) -> tuple[str, ...]:
    """The tasks whose uncertainty counts.  Raises UsageError for one that cannot be reviewed or the model lacks."""
    for task in wanted:
        if task not in TASKS:
            raise UsageError(f"'{task}' cannot be reviewed; the tasks are {', '.join(TASKS)}.")
        if task not in available:
            raise UsageError(f"The model {model} has no task '{task}'; it has {', '.join(available)}.")
    chosen = tuple(task for task in TASKS if task in available and (not wanted or task in wanted))
    if not chosen:
        raise UsageError(
            f"The model {model} finds no {', '.join(TASKS[:-1])} or {TASKS[-1]}; choose another --model for a review."
        )
    return chosen
