"""A model that has learnt from harvests: `finetune(harvests, name, out, options)`."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.finetuning.distillation import KEEPING, losses_with_parent
from cerberus_annotate.learn.finetuning.lesson import prepare_lesson
from cerberus_annotate.learn.finetuning.material import read_harvests
from cerberus_annotate.learn.finetuning.mixing import mix
from cerberus_annotate.learn.finetuning.options import FinetuneOptions
from cerberus_annotate.learn.finetuning.stopping import EarlyStopping, fixed_batches
from cerberus_annotate.learn.training.extension import Extension
from cerberus_annotate.learn.training.heads import heads_of
from cerberus_annotate.learn.training.loop import grid_of, rate_at, train
from cerberus_annotate.learn.training.plan import TASKS
from cerberus_annotate.learn.training.sources import fingerprint
from cerberus_annotate.network.checkpoint import network_with, read_checkpoint, sha256_of, write_checkpoint
from cerberus_annotate.network.folding import fold_norms
from cerberus_annotate.network.registry import find_weights

WARM_UP = 10
"""Steps in which the rate rises."""

LOOK_EVERY, PATIENCE = 20, 6
"""Steps between two looks at the held-out crops, and looks without a lower loss that end the run."""

Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class HeldOut:
    """images: that neither taught nor told when to stop, read when asked for.  by: what was held out as a whole."""

    images: Sequence[LabelledImage]
    by: Literal["slide", "region"]


@dataclass(frozen=True)
class Finetuned:
    """weights: of the new model.  steps: that were done.  best_step: whose weights these are, 0 for the parent's own.
    looks: steps and the loss on held-out crops after them.  notes: sentences for the user.
    """

    weights: Path
    parent: str
    parent_sha256: str
    steps: int
    best_step: int
    looks: tuple[tuple[int, float], ...]
    held_out: HeldOut
    notes: tuple[str, ...]


def finetune(
    harvests: Sequence[Path], name: str, out: Path, options: FinetuneOptions, progress: Progress | None = None
) -> Finetuned:
    """Learns from harvests what the parent does not know yet, and writes `out/weights.pt`.

    The same call goes on from `out/last.pt` with the same numbers as a run without a break. What keeps the parent's
    other tasks alive: replayed data, else the parent's own output (learning without forgetting) on pictures that nobody
    reviewed, and on every crop for tasks that nobody reviewed there. Raises UsageError for a harvest that is empty or
    teaches the parent nothing, and where `out` holds a run of other data; ModelError for a parent that cannot be read
    and a loss that is no number any more.
    """
    weights = find_weights(options.parent)
    parent, parent_sha256 = read_checkpoint(weights), sha256_of(weights)
    harvested = read_harvests(harvests)
    lesson = prepare_lesson(harvests, harvested, parent, name, options)
    plan, network = lesson.plan, lesson.network
    heads = heads_of(network.config)
    crops = fixed_batches(harvested.val, heads, grid_of(network.config, plan.side), plan.batch)
    stopping = EarlyStopping(crops, heads, plan, parent.state_dict(), LOOK_EVERY, PATIENCE)
    origin = f"{fingerprint(lesson.images)} {harvested.digest} {parent_sha256}"
    data = hashlib.sha256(origin.encode()).hexdigest()
    last = train(
        plan,
        lesson.images,
        out,
        network=network,
        config=network.config,
        fingerprint=data,
        accelerator=options.accelerator,
        devices=options.devices,
        progress=progress,
        extension=Extension(
            losses=losses_with_parent(fold_norms(parent), heads, plan, lesson.kept),
            rate=lambda step: rate_at(step, plan, WARM_UP),
            prepare=hold_norms,
            watch=stopping,
            columns=(*TASKS, *(KEEPING + task for task in TASKS)),
        ),
    )
    if is_first_process():
        best = network_with(network.config, stopping.best, last)
        if stopping.best_step > 0:
            mix(best, parent.state_dict(), stopping.best, (harvested.val, harvested.train), lesson.replay)
        write_checkpoint(out / "weights.pt", best, plan=plan.as_dict(), data=data)
    notes = [*harvested.notes, *lesson.notes]
    if not crops:
        notes.append("There are too few regions to hold some out that tell when to stop; all steps were done.")
    return Finetuned(
        weights=out / "weights.pt",
        parent=options.parent,
        parent_sha256=parent_sha256,
        steps=stopping.looks[-1][0],
        best_step=stopping.best_step,
        looks=tuple(stopping.looks),
        held_out=HeldOut(harvested.test, harvested.by),
        notes=tuple(notes),
    )


def hold_norms(network: nn.Module) -> None:
    """Norms keep the statistics of the data that the parent saw; a few regions say little of those."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def is_first_process() -> bool:
    """False in the processes that Fabric starts for further GPUs."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
