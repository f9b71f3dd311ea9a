"""A model that has learnt from harvests: `finetune(harvests, name, out, options)`."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.finetuning.distillation import KEEPING, losses_with_parent
from cerberus_annotate.learn.finetuning.material import (
    Harvested,
    Seen,
    batch_name,
    kept_tasks,
    look_at,
    read_harvests,
    read_replay,
)
from cerberus_annotate.learn.finetuning.stopping import EarlyStopping, fixed_batches
from cerberus_annotate.learn.finetuning.widening import new_types, widened
from cerberus_annotate.learn.training.extension import Extension
from cerberus_annotate.learn.training.heads import Heads, heads_of
from cerberus_annotate.learn.training.loop import grid_of, memory_layout, train
from cerberus_annotate.learn.training.plan import TASKS, DataPlan, Plan
from cerberus_annotate.learn.training.sources import fingerprint
from cerberus_annotate.network.checkpoint import network_with, read_checkpoint, sha256_of, write_checkpoint
from cerberus_annotate.network.folding import fold_norms
from cerberus_annotate.network.registry import find_weights

SIDE, BATCH = 256, 8
if find_spec("cerberus_annotate.learn.data.unreviewed"):
    from cerberus_annotate.learn.data.unreviewed import read_unreviewed
else:

    def read_unreviewed(folder: Path) -> list[LabelledImage]:
        return []


RATE, ENCODER_RATE = 5e-4, 0.2
AVERAGE = 0.99
WARM_UP, FALL = 10, 0.6
"""Steps in which the rate rises, and the last part of the steps in which it falls to zero."""

LOOK_EVERY, PATIENCE = 20, 6
"""Steps between two looks at the held-out crops, and looks without a lower loss that end the run."""

FEWEST, STEPS_A_CROP, MOST = 100, 10, 500
"""Steps by default: more for each crop's worth of labelled tissue, in these bounds."""

UNREVIEWED_SHARE, REPLAY_SHARE = 0.25, 0.5
"""Of a batch's crops: from pictures that nobody reviewed, and from earlier data."""

REVIEWED_WEIGHT = 0.3
"""Weight of the parent's output where the task was reviewed elsewhere: it is what the harvest corrects."""

Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class FinetuneOptions:
    """parent: a model's name or a checkpoint.  replay: data sets whose training split is learnt beside the harvest.
    steps: None for as many as the data need.  freeze: of the encoder, as in `Plan`.  precision: as Fabric names it.
    """

    parent: str
    replay: tuple[Path, ...] = ()
    steps: int | None = None
    freeze: str = "none"
    seed: int = 1
    accelerator: str = "auto"
    devices: int = 1
    precision: str = Plan.precision


@dataclass(frozen=True)
class HeldOut:
    """images: that neither taught nor told when to stop.  by: what was held out as a whole."""

    images: Sequence[LabelledImage]
    by: Literal["slide", "region"]


@dataclass(frozen=True)
class Finetuned:
    """weights: of the new model.  steps: that were done.  best_step: whose weights these are, 0 for the parent's own.
    notes: sentences for the user.
    """

    weights: Path
    parent: str
    parent_sha256: str
    steps: int
    best_step: int
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
    heads = heads_of(parent.config)
    seen = [look_at(image, heads) for image in harvested.train]
    added = new_types(_types_in(seen), heads)
    notes = [*harvested.notes, *_notes_on(seen, heads, added, options.parent)]
    learnt = frozenset().union(*(image.tasks for image in seen))
    if not learnt:
        raise UsageError(
            f"The harvest teaches nothing that {options.parent} can learn: its heads are {', '.join(heads.tasks)}. "
            "Harvest other tasks, or give a model that has them with --from."
        )
    network = widened(parent, added)
    heads = heads_of(network.config)
    replay = {str(folder): read_replay(folder) for folder in options.replay}
    kept, unreviewed = _what_is_kept(harvests, harvested, seen, replay, learnt, heads, options.freeze)
    plan = _plan(name, seen, bool(unreviewed), list(replay), heads, options)
    images = [harvested.train, *([unreviewed] if unreviewed else []), *replay.values()]
    device = torch.device("cpu" if options.accelerator == "cpu" or not torch.cuda.is_available() else "cuda")
    layout = memory_layout(device, plan.precision)
    grid = grid_of(network.config, SIDE)
    stopping = EarlyStopping(
        fixed_batches(harvested.val, heads, grid, BATCH), heads, plan, layout, LOOK_EVERY, PATIENCE
    )
    if not len(harvested.val):
        notes.append("There are too few regions to hold some out that tell when to stop; all steps are done.")
    extension = Extension(
        losses=losses_with_parent(fold_norms(parent), heads, plan, kept, layout),
        rate=lambda step: rate_at(step, plan.steps),
        prepare=hold_norms,
        watch=stopping,
        columns=(*TASKS, *(KEEPING + task for task in TASKS)),
    )
    origin = f"{fingerprint(images)} {harvested.digest} {parent_sha256}"
    last = train(
        plan,
        images,
        out,
        network=network,
        config=network.config,
        fingerprint=hashlib.sha256(origin.encode()).hexdigest(),
        accelerator=options.accelerator,
        devices=options.devices,
        progress=progress,
        extension=extension,
    )
    content = torch.load(last, map_location="cpu", weights_only=True)
    best = network_with(network.config, stopping.best, last)
    write_checkpoint(out / "weights.pt", best, plan=plan.as_dict(), data=content["data"])
    return Finetuned(
        weights=out / "weights.pt",
        parent=options.parent,
        parent_sha256=parent_sha256,
        steps=int(content["step"]),
        best_step=stopping.best_step,
        held_out=HeldOut(harvested.test, harvested.by),
        notes=tuple(notes),
    )


def rate_at(step: int, steps: int) -> float:
    """Learning rate relative to the highest: a short rise, constant, then linear to zero."""
    return min(1.0, (step + 1) / WARM_UP) * min(1.0, (steps - step) / max(FALL * steps, 1))


def hold_norms(network: nn.Module) -> None:
    """Norms keep the statistics of the data that the parent saw; a few regions say little of those."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def default_steps(area: float, mpp: float) -> int:
    """Steps for so many µm² of labelled tissue on a grid of `mpp`."""
    crops = area / (SIDE * mpp) ** 2
    return round(min(MOST, FEWEST + STEPS_A_CROP * crops))


def _plan(
    name: str, seen: Sequence[Seen], unreviewed: bool, replay: Sequence[str], heads: Heads, options: FinetuneOptions
) -> Plan:
    share = 1.0 - (UNREVIEWED_SHARE if unreviewed else 0) - (REPLAY_SHARE if replay else 0)
    data = [DataPlan("harvest", share=share)]
    if unreviewed:
        data.append(DataPlan("unreviewed", share=UNREVIEWED_SHARE))
    data += [DataPlan(path, share=REPLAY_SHARE / len(replay)) for path in replay]
    return Plan(
        name=name,
        data=tuple(data),
        preset="parent",
        tasks=heads.tasks,
        start=options.parent,
        freeze=options.freeze,
        encoder_rate=ENCODER_RATE,
        steps=options.steps or default_steps(sum(image.area for image in seen), 0.5),
        side=SIDE,
        batch=BATCH,
        seed=options.seed,
        rate=RATE,
        average=AVERAGE,
        fall=FALL,
        precision=options.precision,
    )


def _what_is_kept(
    harvests: Sequence[Path],
    harvested: Harvested,
    seen: Sequence[Seen],
    replay: Mapping[str, Sequence[LabelledImage]],
    learnt: frozenset[str],
    heads: Heads,
    freeze: str,
) -> tuple[dict[str, dict[str, float]], list[LabelledImage]]:
    """By an image's name the tasks that it keeps from the parent with their weights, and the unreviewed pictures."""
    replayed = {batch_name(image): look_at(image, heads).tasks for some in replay.values() for image in some}
    keeping = [task for task in heads.tasks if task not in set().union(*replayed.values())]
    if freeze == "encoder":
        moving = {heads.decoder(task) for task in learnt}
        keeping = [task for task in keeping if heads.decoder(task) in moving]
    kept = kept_tasks(seen, harvested.train_places, keeping)
    kept |= {name: {task: 1.0 for task in keeping if task not in tasks} for name, tasks in replayed.items()}
    weights = {task: REVIEWED_WEIGHT if task in learnt else 1.0 for task in keeping}
    unreviewed = []
    if weights:
        for folder in harvests:
            unreviewed += [i for i in read_unreviewed(folder) if i.patient not in harvested.held_out_groups]
    kept |= {batch_name(image): weights for image in unreviewed}
    return kept, unreviewed


def _types_in(seen: Sequence[Seen]) -> dict[str, set[str]]:
    present: dict[str, set[str]] = defaultdict(set)
    for image in seen:
        for task, names in image.types.items():
            present[task] |= names
    return present


def _notes_on(seen: Sequence[Seen], heads: Heads, added: Mapping[str, tuple[str, ...]], parent: str) -> list[str]:
    notes = [f"New classes of {task}: {', '.join(names)}." for task, names in added.items()]
    for task, names in sorted(_types_in(seen).items()):
        if names and task not in heads.tasks:
            notes.append(f"The types {', '.join(sorted(names))} are not learnt: {parent} has no head for {task}.")
    return notes
