"""How much of what was learnt is kept: as much as the outlines of reviewed nuclei get better by."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cerberus_annotate.learn.finetuning import mixing
from cerberus_annotate.learn.finetuning.mixing import SHARES, mix
from cerberus_annotate.learn.finetuning.stopping import LEARNT, between
from cerberus_annotate.learn.training import thresholds
from cerberus_annotate.learn.training.thresholds import MARKERS, OUTLINES, SURES, Thresholds, thresholds_of
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import read_checkpoint
from tests.learn.finetuning.conftest import tissue

WEIGHT = "conv_map.weight"
REVIEWED, REPLAYED = "reviewed", "replayed"


def learnt(parent: Path) -> tuple[Cerberus, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A network part of the way to one whose weight `WEIGHT` is larger by 1; its parent's weights; its own."""
    network = read_checkpoint(parent)
    old = {name: value.clone() for name, value in network.state_dict().items()}
    best = between(old, {**old, WEIGHT: old[WEIGHT] + 1})
    network.load_state_dict(best)
    return network, old, best


def with_quality(
    monkeypatch: pytest.MonkeyPatch, old: dict[str, torch.Tensor], quality: Callable[[str, float, Thresholds], float]
) -> None:
    """PQ as `quality` says of an image's name, the share of the way, and thresholds."""

    def maps(network: Cerberus, image: object) -> tuple[str, float]:
        return image.name, float((network.state_dict()[WEIGHT] - old[WEIGHT]).mean())

    def said(some: list[list[tuple[str, float]]], chosen: Thresholds) -> float:
        return quality(*some[0][0], chosen)

    monkeypatch.setattr(mixing, "nucleus_maps", maps)
    monkeypatch.setattr(mixing, "quality", said)
    monkeypatch.setattr(thresholds, "quality", said)


@pytest.mark.parametrize(
    ("worth", "expected"), [(0.0, SHARES[0]), (-0.5, SHARES[0]), (0.005, SHARES[0]), (0.5, SHARES[-1])]
)
def test_a_step_further_must_be_worth_it(
    parent: Path, monkeypatch: pytest.MonkeyPatch, worth: float, expected: float
) -> None:
    network, old, best = learnt(parent)
    own = thresholds_of(network.config)
    with_quality(monkeypatch, old, lambda name, way, chosen: 0.5 + worth * way - 0.001 * (chosen != own))
    assert mix(network, old, best, [[tissue(1)], []]) == expected
    assert torch.allclose(network.state_dict()[WEIGHT], old[WEIGHT] + expected, atol=1e-5)
    assert thresholds_of(network.config) == own  # no other is better by a hundredth


def test_the_thresholds_follow_the_weights(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, old, best = learnt(parent)
    better = Thresholds(OUTLINES[0], MARKERS[-1], SURES[-1])
    with_quality(
        monkeypatch,
        old,
        lambda name, way, chosen: (
            0.4
            + 0.1 * (chosen.outline == better.outline)
            + 0.1 * (chosen.marker == better.marker)
            + 0.1 * (chosen.sure == better.sure)
        ),
    )
    mix(network, old, best, [[tissue(1)]])
    assert thresholds_of(network.config) == better


def test_the_way_ends_where_replayed_data_would_lose(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, old, best = learnt(parent)
    reviewed, replayed = tissue(1, name=REVIEWED), tissue(2, name=REPLAYED)
    with_quality(monkeypatch, old, lambda name, way, chosen: 0.5 + (0.5 * way if name == REVIEWED else -0.02 * way))
    assert mix(network, old, best, [[reviewed]], [[replayed]]) == 0.3
    with_quality(monkeypatch, old, lambda name, way, chosen: 0.5 + (0.5 * way if name == REVIEWED else -way))
    assert mix(network, old, best, [[reviewed]], [[replayed]]) == SHARES[0]


def test_without_reviewed_nuclei_nothing_is_chosen(parent: Path) -> None:
    network, old, best = learnt(parent)
    assert mix(network, old, best, [[], [tissue(1, nuclei=None, nucleus_types=None)]]) == LEARNT
    assert torch.equal(network.state_dict()[WEIGHT], best[WEIGHT])
