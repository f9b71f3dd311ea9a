"""Trains the bundled model: `python -m cerberus_annotate.learn.train DATA OUT`.

Multi-task with partial labels: every batch mixes gland and nucleus crops, and a head learns only from the crops that
are labelled for it. The learning rate is constant, then falls to zero over the last quarter, so a run can be
stretched by resuming its checkpoint with more steps. The same seed and step give the same batch, so a resumed run
sees what an uninterrupted one would have seen.
"""

import argparse
import copy
import csv
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator, default_rng
from torch import Tensor

from cerberus_annotate.learn import losses, targets
from cerberus_annotate.learn.augment import random_colours, random_crop
from cerberus_annotate.learn.datasets import TRAINING_SPLITS, LabelledImage, at_mpp, read_manifest
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import NetworkConfig, lean_config

NUCLEUS_SHARES = {"consep": 0.5, "monuseg": 0.35, "dsb2018-brightfield": 0.15}
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.02
EMA_DECAY = 0.998
TASK_WEIGHTS = {"nuclei": 1.0, "gland": 1.2, "types": 0.4}
CHECKPOINT_SECONDS = 150

Batch = dict[str, Tensor]


def read_training_images(data: Path, mpp: float) -> dict[str, list[LabelledImage]]:
    """The training splits of the four data sets below `data`, resampled to `mpp`, by data set."""
    return {
        name: [at_mpp(image, mpp) for image in read_manifest(data / name, splits)]
        for name, splits in TRAINING_SPLITS.items()
    }


def make_batch(images: dict[str, list[LabelledImage]], side: int, size: int, rng: Generator) -> Batch:
    """`size` crops, half of them with glands, half with nuclei.

    `rgb` (N, 3, side, side) float 0-255; `gland`, `nuclei` int64 class maps and their weights; `types` int64; the
    gland crops come first.
    """
    half = size // 2
    names = ["glas"] * half
    names += list(rng.choice(list(NUCLEUS_SHARES), size - half, p=list(NUCLEUS_SHARES.values())))
    crops = [random_crop(images[n][rng.integers(len(images[n]))], side, rng) for n in names]
    rgb = np.stack([random_colours(crop.rgb, rng) for crop in crops])
    glands = [crop.glands for crop in crops if crop.glands is not None]
    nuclei = [crop.nuclei for crop in crops if crop.nuclei is not None]
    types = [
        crop.nucleus_types if crop.nucleus_types is not None else np.zeros_like(crop.nuclei, np.uint8)
        for crop in crops
        if crop.nuclei is not None
    ]

    def stack(arrays: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays))

    return {
        "rgb": torch.from_numpy(rgb).permute(0, 3, 1, 2).float(),
        "gland": stack([targets.inside_and_contour(g, targets.GLAND_RING) for g in glands]).long(),
        "gland_weight": stack([targets.gap_weights(g, 21) for g in glands]),
        "nuclei": stack([targets.inside_and_contour(n, targets.NUCLEUS_RING) for n in nuclei]).long(),
        "nuclei_weight": stack([targets.gap_weights(n, 7) for n in nuclei]),
        "types": stack(types).long(),
    }


def batch_loss(network: Cerberus, batch: Batch) -> dict[str, Tensor]:
    """The weighted losses of the three heads for one batch."""
    rgb = batch["rgb"].contiguous(memory_format=torch.channels_last)
    with torch.autocast(rgb.device.type, torch.bfloat16):
        out = network(rgb)
    first = len(batch["gland"])
    return {
        "gland": TASK_WEIGHTS["gland"]
        * losses.instance_loss(out["Gland-INST"][:first], batch["gland"], batch["gland_weight"]),
        "nuclei": TASK_WEIGHTS["nuclei"]
        * losses.instance_loss(out["Nuclei-INST"][first:], batch["nuclei"], batch["nuclei_weight"]),
        "types": TASK_WEIGHTS["types"]
        * losses.type_loss(out["Nuclei-TYPE"][first:], batch["types"], losses.nucleus_type_weights(rgb.device)),
    }


def learning_rate(step: int, steps: int) -> float:
    """Warm-up over 100 steps, constant, then linear to zero over the last quarter."""
    warm = min(1.0, (step + 1) / 100)
    decay = min(1.0, (steps - step) / (0.25 * steps))
    return LEARNING_RATE * warm * decay


def update_average(average: Cerberus, network: Cerberus, step: int) -> None:
    """Moves the exponential moving average of the weights one step."""
    decay = min(EMA_DECAY, (step + 1) / (step + 10))
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Writes beside `path`, then renames, so that an interruption leaves the previous checkpoint."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def train(
    data: Path, out: Path, config: NetworkConfig, steps: int, side: int, size: int, seed: int, device: str
) -> Path:
    """Trains to `steps`, resuming `out/last.pt` where it is; gives that path. Writes `out/losses.csv`."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = Cerberus(config).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    checkpoint, first = out / "last.pt", 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["state"])
        optimiser.load_state_dict(saved["optimiser"])
        first = saved["step"]
    images = read_training_images(data, config.mpp)
    started = saved_at = time.monotonic()

    def batch_of(step: int) -> Batch:
        return make_batch(images, side, size, default_rng([seed, step]))

    with (
        ThreadPoolExecutor(1) as loader,
        (out / "losses.csv").open("a", newline="", encoding="utf-8") as log,
    ):
        writer = csv.writer(log)
        ahead = loader.submit(batch_of, first)
        sums: dict[str, float] = {}
        for step in range(first, steps):
            batch = {key: value.to(device) for key, value in ahead.result().items()}
            ahead = loader.submit(batch_of, step + 1)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, steps)
            parts = batch_loss(network, batch)
            total = torch.stack(list(parts.values())).sum()
            if not torch.isfinite(total):
                raise SystemExit(f"The loss of step {step} is not finite; the last checkpoint is {checkpoint}.")
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            update_average(average, network, step)
            for key, value in parts.items():
                sums[key] = sums.get(key, 0.0) + float(value.detach())
            if (step + 1) % 50 == 0:
                means = {key: round(value / 50, 4) for key, value in sums.items()}
                writer.writerow([step + 1, round(time.monotonic() - started, 1), *means.values()])
                log.flush()
                print(step + 1, f"{time.monotonic() - started:.0f} s", means, flush=True)
                sums = {}
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS or step + 1 == steps:
                saved_at = time.monotonic()
                save_checkpoint(
                    checkpoint,
                    {
                        "config": config.as_dict(),
                        "state": average.state_dict(),
                        "network": network.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "step": step + 1,
                        "plan": {"steps": steps, "side": side, "size": size, "seed": seed},
                    },
                )
    return checkpoint


def main() -> None:
    """Command line of the trainer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with consep/, monuseg/, dsb2018-brightfield/ and glas/")
    parser.add_argument("out", type=Path, help="folder for checkpoint and log; an unfinished run there goes on")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--side", type=int, default=288, help="side of a crop in px at the network's mpp")
    parser.add_argument("--size", type=int, default=6, help="crops in a batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    train(given.data, given.out, lean_config(), given.steps, given.side, given.size, given.seed, given.device)


if __name__ == "__main__":
    main()
