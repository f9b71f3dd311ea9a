"""The loss of a batch: every head on the images that are labelled for it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from cerberus_annotate.learn.training.batches import INSTANCES, Batch
from cerberus_annotate.learn.training.heads import Heads
from cerberus_annotate.learn.training.losses import (
    instance_loss,
    mask_loss,
    patch_loss,
    reference_instance_loss,
    type_loss,
)

TASK_WEIGHTS = {
    "nuclei": 1.0,
    "nucleus-types": 0.4,
    "gland": 1.0,
    "gland-types": 0.4,
    "lumen": 0.4,
    "mask": 1.0,
    "patch": 0.4,
}

TYPE_WEIGHTS = {
    "epithelial": 1.0,
    "inflammatory": 1.3,
    "connective": 1.2,
    "other": 2.0,
    "neutrophil": 12.0,
    "lymphocyte": 2.0,
    "plasma": 6.0,
    "eosinophil": 12.0,
}
"""Rarer nucleus types count more (Cerberus' settings, and tempered pixel counts for groups); all else counts 1."""


def decoder_rows(batch: Batch, heads: Heads) -> dict[str, Tensor]:
    """Which images each decoder or patch head works on: those that any of its heads has a label for."""
    chosen: dict[str, Tensor] = {}
    for task in heads.tasks:
        name = heads.decoder(task)
        rows = batch.rows.get(task, torch.zeros(0, dtype=torch.long, device=batch.rgb.device))
        chosen[name] = torch.cat([chosen[name], rows]).unique() if name in chosen else rows
    return chosen


def outputs_wanted(batch: Batch, heads: Heads) -> list[str]:
    """The outputs that some image of the batch is labelled for."""
    return [heads.output(task) for task in heads.tasks if task in batch.rows]


def logits_of(
    task: str, logits: Mapping[str, Tensor], computed: Mapping[str, Tensor], batch: Batch, heads: Heads
) -> Tensor:
    """A task's logits of the images that are labelled for it; `computed` is what `decoder_rows` gave the network."""
    rows = computed[heads.decoder(task)]
    return logits[heads.output(task)][torch.searchsorted(rows, batch.rows[task])]


def batch_losses(
    logits: Mapping[str, Tensor],
    computed: Mapping[str, Tensor],
    batch: Batch,
    heads: Heads,
    weights: Mapping[str, float],
    reference: bool,
) -> dict[str, Tensor]:
    """The weighted loss of each task that the batch has labels for; `computed` as in `logits_of`."""
    losses = {}
    for task in batch.rows:
        mine = logits_of(task, logits, computed, batch, heads)
        target = batch.targets[task]
        if task in INSTANCES:
            loss = (reference_instance_loss if reference else instance_loss)(mine, target, batch.weights[task])
        elif task.endswith("types"):
            weight = torch.tensor([TYPE_WEIGHTS.get(name, 1.0) for name in heads.of(task).classes], device=mine.device)
            loss = type_loss(mine, target, weight)
        elif task == "mask":
            loss = mask_loss(mine, target)
        else:
            loss = patch_loss(mine, target)
        losses[task] = weights.get(task, TASK_WEIGHTS[task]) * loss
    return losses
