"""What nobody labelled is kept from the parent, and the parent is only asked where it is needed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from cerberus_annotate.learn.finetuning.distillation import divergence, kept_rows, losses_with_parent
from cerberus_annotate.learn.training.batches import Batch, make_batch
from cerberus_annotate.learn.training.heads import Heads, heads_of
from cerberus_annotate.learn.training.loop import grid_of
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import read_checkpoint
from cerberus_annotate.network.folding import fold_norms
from tests.learn.finetuning.conftest import PLAN, tissue

ONES = torch.ones(2, 5, 5), torch.ones(2)


def logits(seed: int, classes: int) -> torch.Tensor:
    return torch.from_numpy(default_rng(seed).normal(0, 3, (2, classes, 5, 5))).float()


@pytest.fixture
def teacher(parent: Path) -> Cerberus:
    return fold_norms(read_checkpoint(parent))


def batch_for(network: Cerberus) -> tuple[Batch, Heads]:
    heads = heads_of(network.config)
    images = [[tissue(1)], [tissue(2, nuclei=None, nucleus_types=None)]]
    return make_batch(images, (0.5, 0.5), grid_of(network.config, 64), heads, 4, (1,)), heads


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(0, 3))
def test_the_divergence_is_none_from_the_same_and_more_from_any_other(seed: int, classes: int, added: int) -> None:
    target = logits(seed, classes)
    same = torch.cat([target + 2.5, logits(seed + 1, added)], 1) if added else target + 2.5
    assert float(divergence(same, target, *ONES)) == pytest.approx(0, abs=1e-5)
    assert float(divergence(logits(seed + 2, classes + added), target, *ONES)) > 0.01


def test_only_weighted_pixels_count() -> None:
    target, other = logits(1, 3), logits(1, 3)
    other[:, :, 0] += logits(2, 3)[:, :, 0]
    off = torch.ones(2, 5, 5)
    off[:, 0] = 0
    assert float(divergence(other, target, off, torch.ones(2))) == pytest.approx(0, abs=1e-6)
    assert float(divergence(other, target, *ONES)) > 0


def test_a_task_is_kept_on_crops_that_say_so_and_have_no_label(teacher: Cerberus) -> None:
    batch, heads = batch_for(teacher)
    kept = {"made/made-1": {"gland": 1.0}, "made/made-2": {"gland": 1.0, "nuclei": 0.3}}
    rows = {task: found.tolist() for task, found in kept_rows(batch, heads, kept).items()}
    unlabelled = [row for row, name in enumerate(batch.names) if name == "made/made-2"]
    assert rows["nuclei"] == unlabelled
    assert len(rows["gland"]) == 2


def test_the_parent_is_asked_for_nothing_where_all_is_labelled(
    teacher: Cerberus, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, heads = batch_for(teacher)
    student = read_student(teacher, heads)
    monkeypatch.setattr(teacher, "forward", lambda *_, **__: pytest.fail("the parent was asked"))
    losses = losses_with_parent(teacher, heads, PLAN, {})(student, batch)
    assert set(losses) == {"nuclei", "nucleus-types"}


def test_a_network_that_is_its_parent_has_nothing_to_keep_up_with(teacher: Cerberus) -> None:
    batch, heads = batch_for(teacher)
    kept = dict.fromkeys(("made/made-1", "made/made-2"), dict.fromkeys(heads.tasks, 1.0))
    losses = losses_with_parent(teacher, heads, PLAN, kept)(teacher, batch)
    keeping = {name: float(loss.detach()) for name, loss in losses.items() if name.startswith("keep ")}
    assert set(keeping) == {"keep nuclei", "keep nucleus-types", "keep gland"}
    assert np.allclose(list(keeping.values()), 0, atol=1e-5)
    student = read_student(teacher, heads)
    moved = losses_with_parent(teacher, heads, PLAN, kept)(student, batch)
    assert all(float(moved[name].detach()) > 0.01 for name in keeping)
    moved["keep gland"].backward()
    assert student.backbone.conv1.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())


def read_student(teacher: Cerberus, heads: Heads) -> Cerberus:
    """Another network of the same shape, with weights of its own."""
    torch.manual_seed(3)
    return Cerberus(teacher.config).eval()
