"""From observations of many regions to the order in which they are worth reviewing, with reasons in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.network.model import TASK_OUTPUTS, Model
from cerberus_annotate.predict.image import ArraySlide
from cerberus_annotate.review.candidates import Bounds, squares
from cerberus_annotate.review.observing import Observation, Observer
from cerberus_annotate.review.options import tasks_to_review
from cerberus_annotate.review.pick import combined, percentiles, pick, standardised
from cerberus_annotate.review.rarity import rareness
from cerberus_annotate.review.sharpness import blurred

WEIGHTS = {"entropy": 1.0, "disagreement": 1.0, "rarity": 1.0}
"""Equal ones: no part is known to matter more on every kind of tissue."""

LEAST_COVERED = 0.01
"""Regions of which objects cover less are called empty (five nuclei in a square of 128 µm)."""

STRIKING = 0.75
"""A part is named as a reason from this rank on."""

SAID = {
    "Nuclei-INST": "outlines of nuclei",
    "Nuclei-TYPE": "types of nuclei",
    "Gland-INST": "outlines of glands",
    "Gland-TYPE": "types of glands",
    "Lumen-INST": "outlines of lumina",
}


@dataclass(frozen=True)
class Candidate:
    """A region of an image.  image: its name or id. bounds: in level-0 px."""

    image: str
    bounds: Bounds


@dataclass(frozen=True)
class RankedRegion:
    """score: 0 to 1. parts: the rank of entropy, disagreement and rarity among all candidates, 0 to 1. reason: in words.

    The order is not that of the scores: it also keeps alike regions apart.
    """

    candidate: Candidate
    score: float
    parts: Mapping[str, float]
    reason: str


@dataclass(frozen=True)
class Ranking:
    """regions: the most useful first. blurred, empty: how many candidates were set aside for it."""

    regions: tuple[RankedRegion, ...]
    blurred: int
    empty: int


def rank(candidates: Sequence[Candidate], seen: Sequence[Observation], budget: int) -> Ranking:
    """The `budget` most useful of the candidates.

    seen: an observation of each. Blurred regions and such without objects are left out, as what a network is unsure of
    there is not worth anybody's minutes; where there are no others, they are all that is left to propose.
    """
    if not candidates:
        return Ranking((), 0, 0)
    soft = blurred(np.array([one.sharpness for one in seen]))
    empty = np.array([one.covered < LEAST_COVERED for one in seen]) & ~soft
    worthy = np.flatnonzero(~soft & ~empty)
    if not len(worthy):
        worthy = np.flatnonzero(~soft) if not soft.all() else np.arange(len(seen))
    own = [seen[at] for at in worthy]
    rare, rarest = _rarity(own)
    parts = {
        "entropy": np.array([sum(one.entropy.values()) for one in own]),
        "disagreement": np.array([sum(one.disagreement.values()) for one in own]),
        "rarity": rare,
    }
    score = combined(list(parts.values()), [WEIGHTS[name] for name in parts])
    ranks = {name: percentiles(values) for name, values in parts.items()}
    features = standardised(np.stack([one.features for one in own]).astype(float))
    # the least score is not 0, so that of two of them the one unlike the others still comes first
    order = pick(0.01 + score, features, [candidates[at].image for at in worthy], budget)
    regions = tuple(
        RankedRegion(
            candidates[worthy[at]],
            round(float(score[at]), 4),
            {name: round(float(values[at]), 4) for name, values in ranks.items()},
            _reason({name: float(values[at]) for name, values in ranks.items()}, own[at], rarest[at]),
        )
        for at in order
    )
    return Ranking(regions, int(soft.sum()), int(empty.sum()))


def rank_regions(
    images: Iterable[tuple[str, NDArray[np.uint8], float]],
    model: Model,
    boxes: Mapping[str, Sequence[Bounds]] | None = None,
    *,
    size: float = 128.0,
    tasks: Sequence[str] = (),
    budget: int | None = None,
    precision: str = "auto",
) -> Ranking:
    """The order of regions of images in memory; touches no file and no project.

    images: (name, uint8 (H, W, 3), µm/px) of each, names different. boxes: name → candidate regions in px of the image;
    None for squares of `size` µm over all of it. tasks: of nuclei, gland, lumen, empty for all that the model has.
    budget: how many to give, None for all that are worth it. Four passes of the network over each candidate. Raises
    UsageError for a task or precision that cannot be.
    """
    observer = Observer.of(model, tasks_to_review(tuple(tasks), model.tasks, model.name), precision)
    candidates: list[Candidate] = []
    seen: list[Observation] = []
    for name, rgb, mpp in images:
        height, width = rgb.shape[:2]
        side = size / mpp
        regions = squares((0, 0, width, height), (side, side)) if boxes is None else list(boxes.get(name, ()))
        candidates += [Candidate(name, bounds) for bounds in regions]
        seen += observer.observe(ArraySlide(rgb, (mpp, mpp)), (mpp, mpp), regions)
    return rank(candidates, seen, len(candidates) if budget is None else budget)


def _rarity(seen: Sequence[Observation]) -> tuple[NDArray[np.float64], list[str]]:
    """Rarity of each region, and the class that adds most to it."""
    typed = {types for names in TASK_OUTPUTS.values() for types in names[1:]}
    texts: list[str] = []
    columns: list[NDArray[np.float64]] = []
    for output in dict.fromkeys(name for one in seen for name in one.amounts):
        names = list(seen[0].amounts[output])
        amounts = np.array([[one.amounts[output][text] for text in names] for one in seen], float)
        # objects without types are rare beside the tissue without them
        others = None if output in typed else np.maximum(np.array([one.area for one in seen]) - amounts.sum(1), 0)
        texts += names
        columns.append(rareness(amounts, others))
    added = np.concatenate(columns, 1)
    return added.sum(1), [texts[at] for at in added.argmax(1).tolist()]


def _reason(parts: Mapping[str, float], seen: Observation, rarest: str) -> str:
    """Why a region is proposed, the strongest part first."""
    words = {
        "entropy": f"unsure: {_said(seen.entropy)}",
        "disagreement": f"disagreement: {_said(seen.disagreement)}",
        "rarity": f"rare: {rarest}",
    }
    striking = sorted((name for name in parts if parts[name] >= STRIKING), key=lambda name: -parts[name])
    return ", ".join(words[name] for name in striking) or "unlike the regions before it"


def _said(values: Mapping[str, float]) -> str:
    output = max(values, key=lambda name: values[name])
    return SAID.get(output, output)
