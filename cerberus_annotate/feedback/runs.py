"""The record of a run: what ran, with which model and parameters, and how each image went.

It lies at `cerberus/runs/<run-id>.json` in the project's folder and is what a killed run resumes from.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.files import write_whole

ImageStatus = Literal["done", "failed", "refused", "skipped"]


@dataclass(frozen=True)
class ImageRecord:
    """How one image went.  objects: class text → how many objects of the run stand in the image.

    data: SHA-256 of the data file after the commit; an image whose file still has it is finished.
    kept: objects of ours that the pathologist had edited. notes: sentences on what was odd.
    """

    name: str
    status: ImageStatus
    reason: str = ""
    objects: Mapping[str, int] = field(default_factory=dict)
    added: int = 0
    removed: int = 0
    kept: int = 0
    seconds: float = 0.0
    data: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Run:
    """One run of a model over a project.

    parameters: all that decides what is predicted; a run with the same ones, model and code is resumed.
    images: entryID → record. Times are ISO 8601 in UTC; `finished` is "" while it runs.
    """

    id: str
    model: str
    sha256: str
    version: str
    parameters: Mapping[str, Any]
    regions: str
    started: str
    finished: str = ""
    state: Literal["running", "finished", "removed"] = "running"
    images: Mapping[str, ImageRecord] = field(default_factory=dict)

    def with_image(self, image_id: str, record: ImageRecord) -> "Run":
        """The run with one more image."""
        return replace(self, images={**self.images, image_id: record})

    def continues(self, other: "Run") -> bool:
        """Whether `other`, still in state running, is this same run cut off."""
        return other.state == "running" and all(
            getattr(self, name) == getattr(other, name)
            for name in ("model", "sha256", "version", "parameters", "regions")
        )


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_run_id() -> str:
    """An id that sorts by time and is unique: `20240131-101500-9f3a`."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def write_run(folder: Path, run: Run) -> None:
    """Writes the record; `folder` is the project's `cerberus` folder.  Raises ProjectError."""
    text = json.dumps(asdict(run), indent=2, ensure_ascii=False)
    write_whole(folder / "runs" / f"{run.id}.json", text.encode(), "The record of the run")


def read_run(folder: Path, run_id: str) -> Run:
    """The record of one run.  Raises ProjectError when there is none of that id or it is damaged."""
    known = {path.stem: path for path in (folder / "runs").glob("*.json")}
    if run_id not in known:
        raise ProjectError(
            f"There is no run '{run_id}' in {folder.parent}. "
            f"Its runs: {', '.join(sorted(known)) or 'none'} (see `runs list`)."
        )
    return _parse(known[run_id])


def read_runs(folder: Path) -> list[Run]:
    """All runs of the project that can be read, oldest first; damaged records are left out."""
    runs = []
    for path in sorted((folder / "runs").glob("*.json")):
        try:
            runs.append(_parse(path))
        except ProjectError:
            continue
    return sorted(runs, key=lambda run: (run.started, run.id))


def _record(values: dict[str, Any]) -> ImageRecord:
    return ImageRecord(**{**values, "notes": tuple(values.get("notes", ()))})


def _parse(path: Path) -> Run:
    try:
        values = json.loads(path.read_text("utf-8"))
        images = {key: _record(record) for key, record in values.pop("images").items()}
        return Run(images=images, **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProjectError(f"The record of a run, {path}, cannot be read ({error}).") from error
