"""Where a model is from: its parent, what it learnt, and how it did against its parent. Loads no torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cerberus_annotate.errors import ModelError

LINEAGE = "lineage.json"


@dataclass(frozen=True)
class HarvestLearnt:
    """A harvest that a model learnt. folder: its name. project: that it was made of. fingerprint: SHA-256 of its state.
    images, regions, objects: how many were reviewed in it.
    """

    folder: str
    project: str
    images: int
    regions: int
    objects: int
    fingerprint: str


@dataclass(frozen=True)
class Lineage:
    """figures: of the gate, as JSON, each with data, task, class, measure, before, after, difference.  better, reason:
    its verdict.  created: ISO time, UTC.  command: that made the model.
    """

    parent: str
    parent_sha256: str
    harvests: tuple[HarvestLearnt, ...]
    figures: tuple[Mapping[str, Any], ...]
    better: bool
    reason: str
    created: str
    seed: int
    command: str

    def to_json(self) -> bytes:
        """The content of `lineage.json`."""
        return (json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n").encode()


def lineage_in(folder: Path) -> Lineage | None:
    """The lineage of a model's folder, None where it has none.  Raises ModelError for a file that is none."""
    path = folder / LINEAGE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        harvests = tuple(HarvestLearnt(**one) for one in content.pop("harvests"))
        figures = tuple(content["figures"])
        for figure in figures:
            _check(figure)
        if not isinstance(content["better"], bool):
            raise TypeError("better")
        return Lineage(**{**content, "harvests": harvests, "figures": figures})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} cannot be read as a model's lineage; delete it to go on without it.") from error


def _check(figure: Mapping[str, Any]) -> None:
    """Raises KeyError, TypeError or ValueError for what is no figure of the gate; a model may be from elsewhere."""
    for name in ("data", "task", "class", "measure"):
        figure[name]
    for name in ("before", "after", "difference"):
        low, high = figure[name]["ci"]
        for number in (figure[name]["value"], low, high):
            if not isinstance(number, int | float):
                raise TypeError(name)
