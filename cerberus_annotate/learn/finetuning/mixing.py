"""How far from the parent the weights that are kept lie: as far as the reviewed regions' outlines get better by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.finetuning.stopping import LEARNT, grown_heads
from cerberus_annotate.learn.training.thresholds import (
    NucleusMaps,
    Thresholds,
    best_thresholds,
    looked_at,
    nucleus_maps,
    quality,
    thresholds_of,
    with_thresholds,
)
from cerberus_annotate.network.cerberus import Cerberus

SHARES = (0.15, 0.3, 0.6)
"""Of the way from the parent to what was learnt. The last part of the way costs known data more than it is worth."""

WORTH = 0.01
"""PQ that a further step away from the parent must be worth, and that replayed data may lose by it."""


@dataclass(frozen=True)
class Mixture:
    """share: of the way.  reviewed: PQ in reviewed patches.  replayed: lowest change of PQ of replayed data."""

    share: float
    thresholds: Thresholds
    reviewed: float
    replayed: float


def mix(
    network: Cerberus,
    parent: Mapping[str, Tensor],
    best: Mapping[str, Tensor],
    patches: Sequence[Sequence[LabelledImage]],
    replay: Sequence[Sequence[LabelledImage]] = (),
) -> float:
    """Gives a network the weights between its parent's and what it learnt whose nuclei have the highest PQ in reviewed
    patches, and the thresholds that go with them; gives the share of the way (WiSE-FT, Wortsman et al. 2022).

    network: with weights `best`, which lie `LEARNT` of the way, and the parent's thresholds. patches: of several kinds;
    it learnt from some of them, so the nearest share is taken that is within 0.01 of the best. replay: data sets that
    may not lose more than 0.01. Networks whose nuclei have no inner contour, and such with new classes or without
    reviewed nuclei, stay as they are.
    """
    head = network.config.nucleus_head
    seen = _with_nuclei([image for some in patches for image in looked_at(some)])
    if head is None or not head.inner_contour or grown_heads(parent, best) or not seen:
        return LEARNT
    kept = [found for some in replay if (found := _with_nuclei(looked_at(some)))]
    own = thresholds_of(network.config)
    before = []
    if kept:
        network.load_state_dict(parent)
        before = [quality([some], own) for some in _maps(network, kept)]
    mixtures = []
    for share in SHARES:
        network.load_state_dict(_along(parent, best, share))
        mixtures.append(_judge(share, _maps(network, [seen]), _maps(network, kept), before, own))
    chosen = nearest(mixtures)
    network.load_state_dict(_along(parent, best, chosen.share))
    network.config = with_thresholds(network.config, chosen.thresholds)
    return chosen.share


def nearest(mixtures: Sequence[Mixture]) -> Mixture:
    """Of those by which replayed data loses little the nearest one that is as good as the best; where it loses more by
    all, the nearest at all.
    """
    harmless = [one for one in mixtures if one.replayed >= -WORTH] or [min(mixtures, key=lambda one: one.share)]
    best = max(one.reviewed for one in harmless)
    return min((one for one in harmless if one.reviewed >= best - WORTH), key=lambda one: one.share)


def _judge(
    share: float,
    seen: Sequence[Sequence[NucleusMaps]],
    kept: Sequence[Sequence[NucleusMaps]],
    before: Sequence[float],
    own: Thresholds,
) -> Mixture:
    """The best thresholds in reviewed patches, the parent's where those are as good."""
    thresholds, reviewed = best_thresholds(seen, own)
    with_own = quality(seen, own)
    if reviewed <= with_own + WORTH:
        thresholds, reviewed = own, with_own
    changes = [quality([some], thresholds) - was for some, was in zip(kept, before, strict=True)]
    return Mixture(share, thresholds, reviewed, min(changes, default=0.0))


def _maps(network: Cerberus, images: Sequence[Sequence[LabelledImage]]) -> list[list[NucleusMaps]]:
    return [[nucleus_maps(network, image) for image in some] for some in images]


def _with_nuclei(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    return [image for image in images if image.nuclei is not None]


def _along(parent: Mapping[str, Tensor], best: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Weights `share` of the way; `best` lies `LEARNT` of it."""
    return {
        name: parent[name] + (value - parent[name]) * (share / LEARNT) if value.is_floating_point() else value
        for name, value in best.items()
    }
