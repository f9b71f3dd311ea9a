"""What a harvest is told, as plain data; the command line fills it in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cerberus_annotate.annotate.classes import ClassTable
from cerberus_annotate.errors import UsageError
from cerberus_annotate.feedback.reviewed import MODES, Mode
from cerberus_annotate.harvest.splits import check_pattern
from cerberus_annotate.harvest.types import TASKS


@dataclass(frozen=True)
class HarvestOptions:
    """reviewed: what counts as looked at. tasks: empty for all. patient_pattern: regular expression for image names.
    mpp, slides_dirs: as in a run.
    """

    reviewed: Mode = "marked"
    tasks: tuple[str, ...] = ()
    classes: ClassTable = field(default_factory=ClassTable)
    patient_pattern: str | None = None
    mpp: tuple[float, float] | None = None
    slides_dirs: tuple[Path, ...] = ()

    def check(self) -> None:
        """Raises UsageError for what cannot be."""
        if self.reviewed not in MODES:
            raise UsageError(f"--reviewed '{self.reviewed}' is none of {', '.join(MODES)}.")
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown:
            raise UsageError(f"A harvest has no task '{unknown[0]}'; its tasks are {', '.join(TASKS)}.")
        check_pattern(self.patient_pattern)

    def as_dict(self) -> Mapping[str, Any]:
        """All that decides what is harvested, as JSON can hold it."""
        return {
            "reviewed": self.reviewed,
            "tasks": list(self.tasks),
            "classes": self.classes.as_dict(),
            "patient_pattern": self.patient_pattern,
            "mpp": None if self.mpp is None else list(self.mpp),
        }
