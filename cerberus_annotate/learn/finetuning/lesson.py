"""What a model is taught: the images and their shares, the plan, and what it keeps from its parent."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.unreviewed import read_unreviewed
from cerberus_annotate.learn.finetuning.material import (
    Harvested,
    Seen,
    batch_name,
    kept_tasks,
    look_at,
    read_replay,
)
from cerberus_annotate.learn.finetuning.options import FinetuneOptions
from cerberus_annotate.learn.finetuning.stopping import CROPS, fixed_batches
from cerberus_annotate.learn.finetuning.widening import begin_as, new_types, widened
from cerberus_annotate.learn.training.heads import Heads, heads_of
from cerberus_annotate.learn.training.loop import grid_of
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.network.cerberus import Cerberus

SIDE, BATCH = 256, 8
RATE, ENCODER_RATE = 1e-3, 0.3
AVERAGE = 0.99
FALL = 0.6
"""The last part of the steps, in which the rate falls to zero."""

FEWEST, STEPS_A_CROP, MOST = 100, 10, 500
"""Steps by default: more for each crop's worth of labelled tissue, in these bounds."""

UNREVIEWED_SHARE, REPLAY_SHARE = 0.25, 0.5
"""Of a batch: of earlier data; and of the rest, of pictures that nobody reviewed."""

KEPT_WEIGHT, REVIEWED_WEIGHT = 3.0, 0.3
"""Weight of the parent's output for a task that nobody reviewed; and for one that was reviewed elsewhere, where it is
what the harvest corrects."""


@dataclass(frozen=True)
class Lesson:
    """images: of each data set of the plan.  replay: those that are replayed.  network: to be taught, with a class for
    every type.  kept: image's name in batches → task that it keeps from the parent → weight.  notes: for the user.
    """

    plan: Plan
    images: tuple[Sequence[LabelledImage], ...]
    replay: tuple[Sequence[LabelledImage], ...]
    network: Cerberus
    kept: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...]


def prepare_lesson(
    harvests: Sequence[Path], harvested: Harvested, parent: Cerberus, name: str, options: FinetuneOptions
) -> Lesson:
    """Raises UsageError where the harvests teach the parent nothing, and for replay data that cannot be read."""
    heads = heads_of(parent.config)
    seen = [look_at(image, heads) for image in harvested.train]
    learnt = frozenset().union(*(image.tasks for image in seen))
    if not learnt:
        raise UsageError(
            f"The harvest teaches nothing that {options.parent} can learn: its heads are {', '.join(heads.tasks)}. "
            "Harvest other tasks, or give a model that has them with --from."
        )
    types = _types_in(seen)
    added = new_types(types, heads)
    network = widened(parent, added)
    _begin_new_classes(network, added, seen, harvested.train)
    replay = {str(folder): read_replay(folder) for folder in options.replay}
    replayed = {batch_name(image): look_at(image, heads).tasks for some in replay.values() for image in some}
    of_replay = frozenset().union(*replayed.values())
    moving = {heads.decoder(task) for task in learnt | of_replay}
    _hold_decoders(network, moving)
    keeping = [task for task in heads.tasks if task not in of_replay]
    if options.freeze == "encoder":
        keeping = [task for task in keeping if heads.decoder(task) in moving]
    unreviewed = _unreviewed(harvests, harvested) if keeping else []
    weights = {task: REVIEWED_WEIGHT if task in learnt else KEPT_WEIGHT for task in keeping}
    kept = kept_tasks(seen, harvested.train_places, weights)
    kept |= {image: {t: w for t, w in weights.items() if t not in tasks} for image, tasks in replayed.items()}
    kept |= {batch_name(image): weights for image in unreviewed}
    area = sum(image.area for image in seen)
    return Lesson(
        plan=_plan(name, options, heads, area, bool(unreviewed), list(replay)),
        images=(harvested.train, *([unreviewed] if unreviewed else []), *replay.values()),
        replay=tuple(replay.values()),
        network=network,
        kept=kept,
        notes=tuple(_notes(added, types, heads, options.parent)),
    )


def default_steps(area: float, mpp: float) -> int:
    """Steps for so many µm² of labelled tissue on a grid of `mpp`."""
    crops = area / (SIDE * mpp) ** 2
    return round(min(MOST, FEWEST + STEPS_A_CROP * crops))


def _plan(
    name: str, options: FinetuneOptions, heads: Heads, area: float, unreviewed: bool, replay: Sequence[str]
) -> Plan:
    rest = 1 - REPLAY_SHARE if replay else 1.0
    aside = rest * UNREVIEWED_SHARE if unreviewed else 0.0
    data = [DataPlan("harvest", share=rest - aside)]
    if unreviewed:
        data.append(DataPlan("unreviewed", share=aside))
    data += [DataPlan(path, share=REPLAY_SHARE / len(replay)) for path in replay]
    return Plan(
        name=name,
        data=tuple(data),
        preset="parent",
        tasks=heads.tasks,
        start=options.parent,
        freeze=options.freeze,
        encoder_rate=ENCODER_RATE,
        steps=options.steps or default_steps(area, 0.5),
        side=SIDE,
        batch=BATCH,
        seed=options.seed,
        rate=RATE,
        average=AVERAGE,
        fall=FALL,
        precision=options.precision,
    )


def _begin_new_classes(
    network: Cerberus, added: Mapping[str, tuple[str, ...]], seen: Sequence[Seen], images: Sequence[LabelledImage]
) -> None:
    heads, grid = heads_of(network.config), grid_of(network.config, SIDE)
    for task, names in added.items():
        for name in names:
            having = [index for index, image in enumerate(seen) if name in image.types.get(task, ())]
            crops = fixed_batches([images[index] for index in having[:CROPS]], heads, grid, BATCH)
            begin_as(network, task, name, crops)


def _hold_decoders(network: Cerberus, moving: Collection[str]) -> None:
    """Stops the decoders and patch heads that nobody labelled anything for.

    Through them the encoder learns to stay of use to them. Were they to learn too, they would forget: the parent's
    output on tissue without glands says nothing of glands.
    """
    for part in (network.decoder_head, network.output_head):
        for name, module in part.items():
            if name not in moving:
                module.requires_grad_(False)


def _unreviewed(harvests: Sequence[Path], harvested: Harvested) -> list[LabelledImage]:
    """Pictures of slides that are not held out, of every slide once."""
    found = {batch_name(image): image for folder in harvests for image in read_unreviewed(folder)}
    return [image for image in found.values() if image.patient not in harvested.held_out_slides]


def _types_in(seen: Sequence[Seen]) -> dict[str, set[str]]:
    present: dict[str, set[str]] = defaultdict(set)
    for image in seen:
        for task, names in image.types.items():
            present[task] |= names
    return present


def _notes(added: Mapping[str, tuple[str, ...]], types: Mapping[str, set[str]], heads: Heads, parent: str) -> list[str]:
    notes = [f"New classes of {task}: {', '.join(names)}." for task, names in added.items()]
    for task, names in sorted(types.items()):
        if names and task not in heads.tasks:
            notes.append(f"The types {', '.join(sorted(names))} are not learnt: {parent} has no head for {task}.")
    return notes
