"""Learning without forgetting (Li & Hoiem 2016): where nobody gave labels, the parent's own output is the target."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from cerberus_annotate.learn.training.batches import Batch
from cerberus_annotate.learn.training.heads import Heads, heads_of
from cerberus_annotate.learn.training.loop import memory_layout
from cerberus_annotate.learn.training.objective import (
    TASK_WEIGHTS,
    batch_losses,
    decoder_rows,
    logits_of,
    outputs_wanted,
)
from cerberus_annotate.learn.training.plan import Plan
from cerberus_annotate.network.cerberus import Cerberus

KEEPING = "keep "
"""Before a task's name: the loss of keeping it."""

INSTANCES_OF = {"nucleus-types": "nuclei", "gland-types": "gland"}
"""A type counts where there is an object."""

Losses = Callable[[nn.Module, Batch], dict[str, Tensor]]


def losses_with_parent(parent: Cerberus, heads: Heads, plan: Plan, kept: Mapping[str, Mapping[str, float]]) -> Losses:
    """The losses of a batch's labels, and for what has none the divergence from the parent.

    parent: folded, in eval mode.  heads: of the network that learns, which may have more types.  kept: by an image's
    name (as in `Batch.names`) the tasks that it keeps from the parent, with their weight. The parent sees the same
    augmented crops, only those that it is needed for, and without gradients.
    """
    old = heads_of(parent.config)

    def losses(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        pixels = pixels_of(batch, plan.precision)
        keeping = kept_rows(batch, old, kept)
        both = replace(batch, rows=_united(batch.rows, keeping))
        computed = decoder_rows(both, heads)
        logits = model(pixels, outputs=outputs_wanted(both, heads), rows=computed)
        found = batch_losses(logits, computed, batch, heads, plan.losses, plan.reference_loss)
        if not keeping:
            return found
        asked = replace(batch, rows=_with_instances(keeping, old))
        said, told = _of_parent(parent, pixels, asked, old, plan.precision)
        for task, rows in keeping.items():
            wanted = replace(batch, rows={task: rows})
            target = logits_of(task, said, told, wanted, old)
            of_crops = torch.tensor([kept[batch.names[row]][task] for row in rows.tolist()], device=rows.device)
            of_pixels = torch.ones_like(target[:, 0], dtype=torch.float32)
            if task in INSTANCES_OF and INSTANCES_OF[task] in old.tasks:
                near = replace(batch, rows={INSTANCES_OF[task]: rows})
                objects = logits_of(INSTANCES_OF[task], said, told, near, old)
                of_pixels = _foreground(objects, target.shape[2:])
            loss = divergence(logits_of(task, logits, computed, wanted, heads), target, of_pixels, of_crops)
            found[KEEPING + task] = TASK_WEIGHTS[task] * loss
        return found

    return losses


def pixels_of(batch: Batch, precision: str) -> Tensor:
    """What a network takes of a batch, float32 (N, 3, H, W)."""
    return batch.rgb.float().contiguous(memory_format=memory_layout(batch.rgb.device, precision))


def divergence(logits: Tensor, target: Tensor, of_pixels: Tensor, of_crops: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the distribution of `logits` from that of the parent's logits `target`.

    logits (N, C, h, w); target (N, c, h, w). Of classes that the parent does not have (C > c) nothing is asked, neither
    to be there nor not. The mean over pixels, weighted by `of_pixels` (N, h, w), times the weight `of_crops` (N,).
    """
    old = functional.log_softmax(target.float(), 1)
    new = functional.log_softmax(logits[:, : target.shape[1]].float(), 1)
    apart = functional.kl_div(new, old, reduction="none", log_target=True).sum(1)
    return (apart * of_pixels * of_crops[:, None, None]).sum() / of_pixels.sum().clamp(min=1)


def kept_rows(batch: Batch, heads: Heads, kept: Mapping[str, Mapping[str, float]]) -> dict[str, Tensor]:
    """By task the crops that keep it from the parent: those whose images say so, unless the crop is labelled for it.

    No more than half of the batch, spread evenly: that keeps a task as well, and costs half.
    """
    most = -(-len(batch.names) // 2)
    found: dict[str, Tensor] = {}
    for task in heads.tasks:
        labelled = set(batch.rows[task].tolist()) if task in batch.rows else set()
        rows = [r for r, name in enumerate(batch.names) if task in kept.get(name, {}) and r not in labelled]
        if rows:
            found[task] = torch.tensor(rows[:: -(-len(rows) // most)], device=batch.rgb.device)
    return found


def half_precision(device: torch.device, precision: str) -> AbstractContextManager:
    """The context in which a network computes as Fabric's `precision` says."""
    kinds = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    return torch.autocast(device.type, kinds[precision]) if precision in kinds else nullcontext()


def _of_parent(
    parent: Cerberus, pixels: Tensor, asked: Batch, heads: Heads, precision: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parent's logits, and which images of the batch they are of, by decoder, as `logits_of` takes both."""
    computed = decoder_rows(asked, heads)
    seen = torch.cat(list(computed.values())).unique()
    within = {name: torch.searchsorted(seen, rows) for name, rows in computed.items()}
    parent.to(pixels.device)
    with torch.no_grad(), half_precision(pixels.device, precision):
        return parent(pixels[seen], outputs=outputs_wanted(asked, heads), rows=within), computed


def _united(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    tasks = dict.fromkeys([*one, *other])
    return {task: torch.cat([rows[task] for rows in (one, other) if task in rows]).unique() for task in tasks}


def _with_instances(rows: Mapping[str, Tensor], heads: Heads) -> dict[str, Tensor]:
    """The rows, and for types those of the objects that they count on."""
    objects: dict[str, Tensor] = {}
    for task, of in INSTANCES_OF.items():
        if task in rows and of in heads.tasks:
            objects[of] = rows[task]
    return _united(rows, objects)


def _foreground(objects: Tensor, size: torch.Size) -> Tensor:
    """Probability that a pixel is of an object, (N, h, w) of the size of the types' map."""
    inside = 1 - objects.float().softmax(1)[:, 0]
    return functional.adaptive_avg_pool2d(inside, (size[0], size[1]))
