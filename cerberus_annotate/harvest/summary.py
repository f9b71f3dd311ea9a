"""A harvest in figures, for whoever leads the lab: what was accepted and what edited, by class, slide and model."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cerberus_annotate.feedback.difference import VERDICTS
from cerberus_annotate.harvest.folder import Harvest

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Summary:
    """objects: verdict → count, every verdict. classes, slides: name → verdict → count, models the same of predictions.

    Minutes saved are left out: nothing in a project tells how long an edit took.
    """

    images: int
    regions: int
    patches: int
    objects: Counts
    classes: Mapping[str, Counts]
    slides: Mapping[str, Counts]
    models: Mapping[str, Counts]

    @property
    def acceptance(self) -> dict[str, float]:
        """Of the predictions of each model that were reviewed, the share that stands as it was predicted."""
        return {model: counts["accepted"] / sum(counts.values()) for model, counts in self.models.items()}

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON can hold it."""
        return {
            "images": self.images,
            "regions": self.regions,
            "patches": self.patches,
            "objects": dict(self.objects),
            "classes": _plain(self.classes),
            "slides": _plain(self.slides),
            "models": _plain(self.models),
            "acceptance": {model: round(rate, 4) for model, rate in self.acceptance.items()},
        }


def summarise(harvest: Harvest) -> Summary:
    """The figures of all images that a harvest holds."""
    images = harvest.images.values()
    return Summary(
        images=len(images),
        regions=sum(len(image.regions) for image in images),
        patches=sum(len(image.patches) for image in images),
        objects=_all_verdicts(_added(image.counts for image in images)),
        classes=_by_name(image.classes for image in images),
        slides=_by_name({image.name: image.counts} for image in images),
        models=_by_name(image.models for image in images),
    )


def _added(counts: Iterable[Counts]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def _by_name(several: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    named: dict[str, Counter[str]] = {}
    for one in several:
        for name, counts in one.items():
            named.setdefault(name, Counter()).update(counts)
    return {name: _all_verdicts(counts) for name, counts in sorted(named.items())}


def _all_verdicts(counts: Counter[str]) -> dict[str, int]:
    return {verdict: counts[verdict] for verdict in VERDICTS}


def _plain(named: Mapping[str, Counts]) -> dict[str, dict[str, int]]:
    return {name: dict(counts) for name, counts in named.items()}
