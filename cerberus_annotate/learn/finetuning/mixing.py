"""How far from the parent the weights that are kept lie: as far as the reviewed regions' outlines get better by it."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.finetuning.stopping import LEARNT, grown_heads
from cerberus_annotate.learn.training.thresholds import THRESHOLDS, looked_at, nucleus_qualities, with_nucleus_threshold
from cerberus_annotate.network.cerberus import Cerberus

SHARES = (0.15, 0.3, 0.6, 1.0)
"""Of the way from the parent to what was learnt."""

WORTH = 0.01
"""PQ that a further step away from the parent must be worth."""


def mix(
    network: Cerberus,
    parent: Mapping[str, Tensor],
    best: Mapping[str, Tensor],
    patches: Sequence[Sequence[LabelledImage]],
) -> float:
    """Gives a network the weights between its parent's and what it learnt whose nuclei have the highest PQ in reviewed
    patches, and the threshold of outlines that goes with them; gives the share of the way (WiSE-FT, Wortsman et al.
    2022).

    network: with weights `best`, which lie `LEARNT` of the way. patches: of several kinds; it learnt from some of them,
    so the nearest share is taken that is within 0.01 of the best. Networks whose nuclei have no inner contour, and such
    with new classes or without reviewed nuclei, stay as they are.
    """
    head = network.config.nucleus_head
    seen = [image for some in patches for image in looked_at(some) if image.nuclei is not None]
    if head is None or not head.inner_contour or grown_heads(parent, best) or not seen:
        return LEARNT
    qualities = []
    for share in SHARES:
        network.load_state_dict(_along(parent, best, share))
        qualities.append(np.mean([nucleus_qualities(network, image) for image in seen], axis=0))
    of_share = np.max(qualities, axis=1)
    at = int(np.flatnonzero(of_share >= of_share.max() - WORTH)[0])
    network.load_state_dict(_along(parent, best, SHARES[at]))
    own = min(range(len(THRESHOLDS)), key=lambda index: abs(THRESHOLDS[index] - head.threshold))
    chosen = int(np.argmax(qualities[at]))
    if qualities[at][chosen] > qualities[at][own] + WORTH:
        network.config = with_nucleus_threshold(network.config, THRESHOLDS[chosen])
    return SHARES[at]


def _along(parent: Mapping[str, Tensor], best: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Weights `share` of the way; `best` lies `LEARNT` of it."""
    return {
        name: parent[name] + (value - parent[name]) * (share / LEARNT) if value.is_floating_point() else value
        for name, value in best.items()
    }
