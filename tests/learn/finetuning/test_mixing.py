"""How much of what was learnt is kept: as much as the outlines of reviewed nuclei get better by."""

from pathlib import Path

import pytest
import torch

from cerberus_annotate.learn.finetuning import mixing
from cerberus_annotate.learn.finetuning.mixing import SHARES, mix
from cerberus_annotate.learn.finetuning.stopping import LEARNT, between
from cerberus_annotate.learn.training.thresholds import THRESHOLDS
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import read_checkpoint
from tests.learn.finetuning.conftest import tissue

WEIGHT = "conv_map.weight"


def learnt(parent: Path) -> tuple[Cerberus, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A network part of the way to one whose weight `WEIGHT` is larger by 1; its parent's weights; its own."""
    network = read_checkpoint(parent)
    old = {name: value.clone() for name, value in network.state_dict().items()}
    best = between(old, {**old, WEIGHT: old[WEIGHT] + 1})
    network.load_state_dict(best)
    return network, old, best


@pytest.mark.parametrize(
    ("worth", "expected"), [(0.0, SHARES[0]), (-0.5, SHARES[0]), (0.005, SHARES[0]), (0.5, SHARES[-1])]
)
def test_a_step_further_must_be_worth_it(
    parent: Path, monkeypatch: pytest.MonkeyPatch, worth: float, expected: float
) -> None:
    network, old, best = learnt(parent)
    threshold = network.config.nucleus_head.threshold

    def quality(now: Cerberus, image: object) -> list[float]:
        way = float((now.state_dict()[WEIGHT] - old[WEIGHT]).mean())
        return [0.5 + worth * way - 0.001 * index for index in range(len(THRESHOLDS))]

    monkeypatch.setattr(mixing, "nucleus_qualities", quality)
    assert mix(network, old, best, [[tissue(1)], []]) == expected
    assert torch.allclose(network.state_dict()[WEIGHT], old[WEIGHT] + expected, atol=1e-5)
    assert network.config.nucleus_head.threshold == threshold  # no other is better by a hundredth


def test_the_threshold_follows_the_weights(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, old, best = learnt(parent)
    monkeypatch.setattr(mixing, "nucleus_qualities", lambda *_: [0.5, *[0.4] * (len(THRESHOLDS) - 1)])
    mix(network, old, best, [[tissue(1)]])
    assert network.config.nucleus_head.threshold == THRESHOLDS[0]


def test_without_reviewed_nuclei_nothing_is_chosen(parent: Path) -> None:
    network, old, best = learnt(parent)
    assert mix(network, old, best, [[], [tissue(1, nuclei=None, nucleus_types=None)]]) == LEARNT
    assert torch.equal(network.state_dict()[WEIGHT], best[WEIGHT])
