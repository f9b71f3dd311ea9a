"""What a run is told, as plain data; the command line fills it in."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cerberus_annotate.annotate.classes import ClassTable
from cerberus_annotate.errors import UsageError

TASKS = ("nuclei", "gland", "lumen", "tissue")
KINDS = {"annotations": "annotation", "detections": "detection"}
MANY_NUCLEI = 20_000  # more than these as annotations make QuPath slow


@dataclass(frozen=True)
class Options:
    """Options of one run.

    tasks: empty for all that the model has. images: patterns of image names, empty for all. regions: `auto`,
    `tissue`, `whole`, `class:NAME` or the path of a GeoJSON file. nuclei_as: `annotations`, `detections` or None
    (by number). mpp: (x, y) µm/px where neither project nor file has one. geojson_dir: also write each image's
    objects there. slides_dirs: where to look for moved slides.
    """

    tasks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    regions: str = "auto"
    nuclei_as: str | None = None
    classes: ClassTable = field(default_factory=ClassTable)
    min_confidence: float = 0.0
    write_tissue: bool = False
    mpp: tuple[float, float] | None = None
    any_stain: bool = False
    slides_dirs: tuple[Path, ...] = ()
    geojson_dir: Path | None = None
    precision: str = "auto"
    geometry: str = "auto"

    def chosen_tasks(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """The tasks to predict.  Raises UsageError for one that nobody knows or the model has not."""
        for task in self.tasks:
            if task not in TASKS:
                raise UsageError(f"There is no task '{task}'; the tasks are {', '.join(TASKS)}.")
            if task not in available:
                raise UsageError(f"The model has no task '{task}'; it has {', '.join(available)}.")
        return tuple(task for task in available if not self.tasks or task in self.tasks)

    def parameters(self, tasks: tuple[str, ...]) -> dict[str, Any]:
        """All that decides what is written, as JSON can hold it; a cut-off run with the same is resumed."""
        return {
            "tasks": list(tasks),
            "images": list(self.images),
            "nuclei_as": self.nuclei_as,
            "classes": self.classes.as_dict(),
            "min_confidence": self.min_confidence,
            "write_tissue": self.write_tissue,
            "mpp": None if self.mpp is None else list(self.mpp),
            "any_stain": self.any_stain,
            "precision": self.precision,
            "geometry": self.geometry,
            "regions_file": _digest(Path(self.regions)),
        }


def _digest(path: Path) -> str:
    """SHA-256 of a regions file, "" when `path` is none: another content under the same name is another run."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.suffix and path.is_file() else ""
