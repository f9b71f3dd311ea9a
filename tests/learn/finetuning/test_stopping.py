"""The best weights are kept, the parent's among them, and a run that gets worse ends."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cerberus_annotate.learn.finetuning.stopping import LEARNT, EarlyStopping, between, fixed_batches
from cerberus_annotate.learn.training.heads import heads_of
from cerberus_annotate.learn.training.loop import grid_of
from cerberus_annotate.network.checkpoint import read_checkpoint
from tests.learn.finetuning.conftest import PLAN, tissue


def watch(parent: Path, patience: int = 2) -> EarlyStopping:
    heads = heads_of(read_checkpoint(parent).config)
    batches = fixed_batches([tissue(50)], heads, grid_of(read_checkpoint(parent).config, 64), 4)
    return EarlyStopping(batches, heads, PLAN, read_checkpoint(parent).state_dict(), 5, patience)


def test_a_network_that_only_gets_worse_stops_and_leaves_the_parent(parent: Path) -> None:
    network, stopping = read_checkpoint(parent), watch(parent)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for step in (0, 5, 10):
        assert not stopping.stopped
        stopping.check(step, network)
        network.output_head["Nuclei"]["INST"].x[1].conv.bias.data[0] += 3
    assert stopping.stopped
    assert stopping.best_step == 0
    assert all(torch.equal(stopping.best[name], value) for name, value in before.items())


def test_what_is_kept_lies_near_the_parent_but_for_heads_that_grew() -> None:
    old = {"a.x.0": torch.tensor([2.0, 4.0]), "b.x.0": torch.zeros(2), "b.x.1": torch.zeros(2), "n": torch.tensor(3)}
    new = {"a.x.0": torch.tensor([4.0, 4.0]), "b.x.0": torch.ones(2), "b.x.1": torch.ones(3), "n": torch.tensor(5)}
    found = {name: value.tolist() for name, value in between(old, new).items()}
    assert found == {"a.x.0": [pytest.approx(2 + 2 * LEARNT), 4], "b.x.0": [1, 1], "b.x.1": [1, 1, 1], "n": 5}


def test_what_it_knows_comes_back_from_a_checkpoint(parent: Path) -> None:
    network, stopping, again = read_checkpoint(parent), watch(parent), watch(parent)
    stopping.check(0, network)
    again.load(stopping.state())
    assert (again.looks, again.best_loss, again.best_step) == (stopping.looks, stopping.best_loss, 0)
    assert torch.equal(again.best["conv_map.weight"], network.conv_map.weight)


def test_without_crops_the_last_weights_count_and_nothing_stops(parent: Path) -> None:
    network = read_checkpoint(parent)
    stopping = EarlyStopping([], heads_of(network.config), PLAN, network.state_dict(), 5, 1)
    for step in (0, 5, 10):
        stopping.check(step, network)
    assert (stopping.best_step, stopping.stopped) == (10, False)


@pytest.mark.parametrize(("side", "count"), [(160, 1), (512, 4 * 4)])
def test_crops_cover_an_image_and_leave_out_what_nobody_looked_at(parent: Path, side: int, count: int) -> None:
    network = read_checkpoint(parent)
    grid = grid_of(network.config, 64)
    ignore = np.zeros((side, side), bool)
    image = tissue(1)
    wide = {
        name: np.resize(getattr(image, name), (side, side, *getattr(image, name).shape[2:]))
        for name in ("rgb", "nuclei", "nucleus_types")
    }
    batches = fixed_batches([tissue(1, **wide, ignore=ignore)], heads_of(network.config), grid, 4)
    assert sum(len(batch.names) for batch in batches) == count
    assert not fixed_batches([tissue(1, **wide, ignore=~ignore)], heads_of(network.config), grid, 4)
