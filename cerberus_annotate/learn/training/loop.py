"""Trains a plan: `train(plan, data, out)`. An interrupted run goes on where its last checkpoint stands and gives the
same numbers as one that was not."""

import copy
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cerberus_annotate.errors import ModelError, UsageError
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.training.batches import Batch, make_batch
from cerberus_annotate.learn.training.checkpoints import read_progress, write_progress
from cerberus_annotate.learn.training.crops import Grid
from cerberus_annotate.learn.training.extension import Extension
from cerberus_annotate.learn.training.heads import Heads, heads_of, network_for
from cerberus_annotate.learn.training.log import TrainingLog
from cerberus_annotate.learn.training.objective import batch_losses, decoder_rows, outputs_wanted
from cerberus_annotate.learn.training.plan import Plan
from cerberus_annotate.learn.training.samples import write_samples
from cerberus_annotate.learn.training.thresholds import choose_thresholds, with_thresholds
from cerberus_annotate.learn.training.transfer import encoder_parts, freeze_modules, parameter_groups, take_weights
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import network_with, read_checkpoint, write_checkpoint
from cerberus_annotate.network.config import NetworkConfig
from cerberus_annotate.network.registry import find_weights

WARM_UP = 100
LOG_EVERY = 50
SAMPLES_EVERY = 1000
CHECKPOINT_SECONDS = 150
LARGEST_GRADIENT = 5.0

Progress = Callable[[int, int, dict[str, float]], None]
"""Called after every step with steps done, steps in all, and the losses of the step by task."""


def train(
    plan: Plan,
    images: Sequence[Sequence[LabelledImage]],
    out: Path,
    *,
    network: nn.Module | None = None,
    config: NetworkConfig | None = None,
    fingerprint: str = "",
    accelerator: str = "auto",
    devices: int = 1,
    progress: Progress | None = None,
    extension: Extension | None = None,
) -> Path:
    """Trains to the plan's steps, from `out/last.pt` where that is; gives its path.

    images: of each data set of the plan, in its order.  network, config: another network with Cerberus' outputs, for
    comparisons and fine-tuning.  fingerprint: of the data, kept beside the plan.  extension: another way of training,
    whose watch may end the run before.  Raises UsageError where `out` holds a checkpoint of another plan or data,
    ModelError where the loss is no number any more.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    shape = config or network_for(plan)
    heads = heads_of(shape)
    _check_images(plan, images, heads)
    out.mkdir(parents=True, exist_ok=True)
    strategy = DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto"
    fabric = Fabric(accelerator=accelerator, devices=devices, strategy=strategy, precision=plan.precision)  # type: ignore[arg-type]
    fabric.launch()
    torch.manual_seed(plan.seed)
    raw = Cerberus(shape) if network is None else network
    if plan.start is not None:
        taken, _ = take_weights(raw, read_checkpoint(find_weights(plan.start)).state_dict())
        if taken == 0:
            raise UsageError(f"No weight of {plan.start} fits the network of the plan {plan.name}.")
    frozen = encoder_parts(raw, plan.freeze) if isinstance(raw, Cerberus) else []
    freeze_modules(frozen)
    layout = memory_layout(fabric.device, plan.precision)
    raw = raw.to(memory_format=layout)  # type: ignore[call-overload]
    average = copy.deepcopy(raw).eval().to(fabric.device)
    groups = parameter_groups(raw, plan.rate, plan.encoder_rate, plan.decay)
    model, optimiser = fabric.setup(raw, torch.optim.AdamW(groups))
    origin = {"plan": plan.as_dict(), "data": fingerprint, "config": shape.as_dict()}
    how = extension or Extension(
        losses=lambda model, batch: _losses(model, batch, heads, plan, layout),
        rate=lambda step: rate_at(step, plan),
    )
    watch = how.watch
    first = read_progress(out / "last.pt", raw, average, optimiser, origin, fabric.device, watch)
    grid = grid_of(shape, plan.side)
    shares = [entry.share for entry in plan.data]
    saved_at = time.monotonic()

    def batch_at(step: int) -> Batch:
        return make_batch(images, shares, grid, heads, plan.batch, (plan.seed, step, fabric.global_rank))

    def save(step: int) -> None:
        if fabric.is_global_zero:
            write_progress(out / "last.pt", raw, average, optimiser, origin, step, watch)

    if watch is not None and first == 0:
        watch.check(0, average)
    if watch is not None and watch.stopped:
        return out / "last.pt"
    log_every = LOG_EVERY if watch is None else watch.every
    with ThreadPoolExecutor(1) as loader, TrainingLog(out, first, log_every, fabric.is_global_zero, how.columns) as log:
        ahead = loader.submit(batch_at, first)
        for step in range(first, plan.steps):
            batch = ahead.result().to(fabric.device)
            if step + 1 < plan.steps:
                ahead = loader.submit(batch_at, step + 1)
            torch.manual_seed(plan.seed * 1_000_003 + step)
            for group in optimiser.param_groups:
                group["lr"] = group["top"] * how.rate(step)
            model.train()
            how.prepare(model)
            freeze_modules(frozen)
            losses = how.losses(model, batch)
            if not losses:
                raise UsageError(
                    f"Nothing to learn in step {step + 1}: none of the images {', '.join(batch.names)} has a label for "
                    f"{', '.join(heads.tasks)} where it was cut. Add labelled data to the plan {plan.name}."
                )
            total = torch.stack(list(losses.values())).sum()
            if not bool(torch.isfinite(total)):
                raise ModelError(
                    f"The loss of step {step + 1} is no number (images {', '.join(batch.names)}). The last good "
                    f"checkpoint, if any, is {out / 'last.pt'}; lower `rate`, or look at those images' labels."
                )
            optimiser.zero_grad(set_to_none=True)
            fabric.backward(total)
            fabric.clip_gradients(model, optimiser, max_norm=LARGEST_GRADIENT, error_if_nonfinite=False)
            optimiser.step()
            move_average(average, raw, min(plan.average, (step + 1) / (step + 10)))
            shown = {task: float(loss.detach()) for task, loss in losses.items()}
            log.add(step + 1, shown)
            if progress is not None and fabric.is_global_zero:
                progress(step + 1, plan.steps, shown)
            if (step + 1) % SAMPLES_EVERY == 0 and fabric.is_global_zero:
                write_samples(out / "samples" / f"{step + 1:06d}.jpg", average, batch, heads)
            if watch is not None and ((step + 1) % watch.every == 0 or step + 1 == plan.steps):
                watch.check(step + 1, average)
            stopped = watch is not None and bool(fabric.broadcast(watch.stopped))
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS or step + 1 == plan.steps or stopped:
                saved_at = time.monotonic()
                save(step + 1)
            if stopped:
                break
    return out / "last.pt"


def grid_of(config: NetworkConfig, side: int) -> Grid:
    """The pixels of crops of `side` px for a network."""
    finer = config.nucleus_head.finer if config.nucleus_head is not None else 1
    return Grid(side, config.mpp, config.stem_stride, finer)


def rate_at(step: int, plan: Plan, warm_up: int = WARM_UP) -> float:
    """Learning rate relative to the plan's: a rise over `warm_up` steps, constant, then linear to zero."""
    warm = min(1.0, (step + 1) / warm_up)
    return warm * min(1.0, (plan.steps - step) / max(plan.fall * plan.steps, 1))


def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moves the exponential moving average of the weights one step."""
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def memory_layout(device: torch.device, precision: str) -> torch.memory_format:
    """Channels last, which is faster, but for fp32 on a CPU: torch 2.13's gradient of a 1x1 convolution with stride 2
    and 8 input channels writes out of bounds there."""
    unsafe = device.type == "cpu" and precision.startswith("32")
    return torch.contiguous_format if unsafe else torch.channels_last


def _losses(model: nn.Module, batch: Batch, heads: Heads, plan: Plan, layout: torch.memory_format) -> dict[str, Any]:
    pixels = batch.rgb.float().contiguous(memory_format=layout)
    rows = decoder_rows(batch, heads)
    logits = model(pixels, outputs=outputs_wanted(batch, heads), rows=rows)
    return batch_losses(logits, rows, batch, heads, plan.losses, plan.reference_loss)


def _check_images(plan: Plan, images: Sequence[Sequence[LabelledImage]], heads: Heads) -> None:
    for entry, some in zip(plan.data, images, strict=True):
        if not some:
            splits = ", ".join(entry.splits) or "at all"
            raise UsageError(f"The data set {entry.path} has no image in its splits ({splits}).")
    missing = set(plan.tasks) - set(heads.tasks)
    if missing:
        raise UsageError(f"The preset {plan.preset} has no head for {', '.join(sorted(missing))}.")


def write_weights(checkpoint: Path, path: Path, images: Sequence[Sequence[LabelledImage]] = ()) -> Path:
    """The averaged weights of a training checkpoint in half precision with its plan, as `load_model` takes them.

    Where nuclei have an inner contour, the threshold of their outlines is the best one on the training `images`.
    """
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = network_with(NetworkConfig.from_dict(content["config"]), content["state"], checkpoint)
    head = network.config.nucleus_head
    chosen = choose_thresholds(network, images) if head is not None and head.inner_contour else None
    if chosen is not None:
        network.config = with_thresholds(network.config, chosen)
    write_checkpoint(path, network, plan=content["plan"], data=content["data"])
    return path
