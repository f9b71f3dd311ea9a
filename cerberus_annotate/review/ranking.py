"""From observations of many regions to the order in which they are worth reviewing, with reasons in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.network.model import Model
from cerberus_annotate.predict.image import ArraySlide
from cerberus_annotate.review.candidates import Bounds, squares
from cerberus_annotate.review.observation import Observation
from cerberus_annotate.review.observing import Observer
from cerberus_annotate.review.options import tasks_to_review
from cerberus_annotate.review.pick import mean_rank, percentiles, pick, standardised
from cerberus_annotate.review.rarity import rareness
from cerberus_annotate.review.sharpness import blurred

LEAST_COVERED = 0.01
"""Regions of which objects cover less are called empty (five nuclei in a square of 128 µm)."""

MOST_GLASS = 0.4
"""So are those of which more is glass."""

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
    """score: 0 to 1. parts: the rank of entropy, disagreement and rarity among all candidates, 0 to 1. reason: words.

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

    seen: an observation of each. Blurred regions and such with next to no objects or much glass are left out, as what a
    network is unsure of there is not worth anybody's minutes; where there are no others, the sharp ones are proposed
    all the same, and where none is sharp, all.
    """
    if not candidates:
        return Ranking((), 0, 0)
    soft = blurred(np.array([one.sharpness for one in seen]), [one.image for one in candidates])
    empty = np.array([one.covered < LEAST_COVERED or one.glass > MOST_GLASS for one in seen]) & ~soft
    tiers = (~soft & ~empty, ~soft, np.ones(len(seen), bool))
    worthy = next(np.flatnonzero(tier).tolist() for tier in tiers if tier.any())
    own = [seen[at] for at in worthy]
    added = {output: _added_rarity(own, output) for output in own[0].amounts}
    by_output = {
        "entropy": _table([one.entropy for one in own]),
        "disagreement": _table([one.disagreement for one in own]),
        "rarity": {output: values.sum(1) for output, values in added.items()},
    }
    parts = {name: percentiles(mean_rank(np.stack(list(table.values()), 1))) for name, table in by_output.items()}
    score = np.mean(list(parts.values()), axis=0)
    features = standardised(np.stack([one.features for one in own]).astype(float))
    # the least score is not 0, so that of two of them the one unlike the others still comes first
    order = pick(0.01 + score, features, [candidates[at].image for at in worthy], budget)
    strongest = {name: _strongest(table) for name, table in by_output.items()}
    regions = []
    for at in order:
        ranks = {name: round(float(values[at]), 4) for name, values in parts.items()}
        words = {
            "entropy": f"unsure: {SAID[strongest['entropy'][at]]}",
            "disagreement": f"disagreement: {SAID[strongest['disagreement'][at]]}",
            "rarity": f"rare: {_rarest(own[at], added, strongest['rarity'][at], at)}",
        }
        regions.append(RankedRegion(candidates[worthy[at]], round(float(score[at]), 4), ranks, _reason(ranks, words)))
    return Ranking(tuple(regions), int(soft.sum()), int(empty.sum()))


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


def _table(values: Sequence[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Output → its value in each region, (n,)."""
    return {name: np.array([one[name] for one in values], float) for name in values[0]}


def _added_rarity(seen: Sequence[Observation], output: str) -> NDArray[np.float64]:
    """What each class of an output adds to the rarity of each region, (n, classes)."""
    amounts = np.array([list(one.amounts[output].values()) for one in seen], float)
    if output.endswith("-TYPE"):
        return rareness(amounts)
    # objects without types are rare beside the tissue without them
    return rareness(amounts, np.maximum(np.array([one.area for one in seen]) - amounts.sum(1), 0))


def _rarest(seen: Observation, added: Mapping[str, NDArray[np.float64]], output: str, at: int) -> str:
    """The class of an output that adds most to the rarity of region `at`, which is `seen`."""
    return list(seen.amounts[output])[int(added[output][at].argmax())]


def _strongest(table: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """The output in which each region has its highest rank."""
    names = list(table)
    ranks = np.stack([percentiles(table[name]) for name in names], 1)
    return [names[at] for at in ranks.argmax(1).tolist()]


def _reason(parts: Mapping[str, float], words: Mapping[str, str]) -> str:
    """Why a region is proposed, the strongest part first."""
    striking = sorted((name for name in parts if parts[name] >= STRIKING), key=lambda name: -parts[name])
    return ", ".join(words[name] for name in striking) or "unlike the regions before it"
