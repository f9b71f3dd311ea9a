"""The networks of a comparison, and the plan that they are all trained by."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.baselines.baseline import Baseline, Body, load_weights
from benchmarks.baselines.medt import MedT
from benchmarks.baselines.segnet import SegNet
from benchmarks.baselines.unet import UNet
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.loop import train
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.learn.training.sources import fingerprint
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import sha256_of
from cerberus_annotate.network.config import NetworkConfig
from cerberus_annotate.network.model import Model, load_model
from cerberus_annotate.network.registry import find_weights

MEDT_SIDE = 128
MEDT_MARGIN = 8
"""px of context around a tile; its windows overlap within the tile anyway."""


@dataclass(frozen=True)
class Setting:
    """What is the same for all networks of a comparison.

    mpp: µm/px of the pixels that they take.  image_mpp: what images of unknown pixel size are taken for.  crop: side of
    a training crop in those pixels.  whole: a crop shows a whole image, so that MedT sees it shrunk to its own side,
    where else it sees a part of that side.  lean_stem: Cerberus' stem halves its input, as in the bundled model.
    """

    data: str
    tasks: tuple[str, ...]
    train_splits: tuple[str, ...]
    mpp: float
    image_mpp: float | None
    crop: int
    whole: bool
    lean_stem: bool
    batch: int
    steps: int


@dataclass(frozen=True)
class Contender:
    """A network. body: None for Cerberus.  transfer: it begins with the encoder of a trained model."""

    title: str
    body: Callable[[], Body] | None
    transfer: bool = False


CONTENDERS = {
    "unet": Contender("U-Net, base width 16", lambda: UNet(16)),
    "segnet": Contender("SegNet, base width 16", lambda: SegNet(16)),
    "medt": Contender("MedT, 128 px", lambda: MedT(MEDT_SIDE)),
    "cerberus": Contender("Cerberus, from scratch", None),
    "cerberus-transfer": Contender("Cerberus, transfer", None, transfer=True),
}


@dataclass(frozen=True)
class Trained:
    """What training a contender took. multiply_adds: of one training crop's forward pass.  data: fingerprint of the
    images.  start: SHA-256 of the weights that it began with, empty for none."""

    steps: int
    parameters: int
    multiply_adds: int
    cpu_minutes: float
    data: str
    start: str


def plan_for(
    name: str, setting: Setting, steps: int, seed: int, start: str | None, classes: tuple[str, ...]
) -> tuple[Plan, NetworkConfig]:
    """The plan of a contender and the shape of its network, or of the one whose outputs it imitates."""
    contender = CONTENDERS[name]
    plan = Plan(
        name,
        (DataPlan(setting.data, setting.train_splits, mpp=setting.image_mpp),),
        tasks=setting.tasks,
        start=start if contender.transfer else None,
        steps=steps,
        side=setting.crop,
        batch=setting.batch,
        seed=seed,
        patch_classes=classes if "patch" in setting.tasks else (),
    )
    shape = network_for(plan)
    if contender.body is None and setting.lean_stem:
        return replace(plan, side=setting.crop // shape.stem_stride), replace(shape, mpp=setting.mpp * 2)
    shape = replace(shape, stem_stride=1, stem_kernel=7, mpp=setting.mpp)
    if name != "medt":
        return plan, shape
    mpp = setting.mpp * setting.crop / MEDT_SIDE if setting.whole else setting.mpp
    return replace(plan, side=MEDT_SIDE), replace(shape, mpp=mpp, margin=MEDT_MARGIN)


def network_of(name: str, shape: NetworkConfig) -> nn.Module:
    """A contender's network with initial weights."""
    body = CONTENDERS[name].body
    return Cerberus(shape) if body is None else Baseline(shape, body())


def train_contender(
    name: str,
    setting: Setting,
    images: Sequence[LabelledImage],
    classes: tuple[str, ...],
    folder: Path,
    steps: int,
    seed: int,
    start: str | None,
) -> Trained:
    """Trains into `folder`, or goes on there; what is finished is not trained again. Raises UsageError where the folder
    holds a run on other data, or from another start."""
    plan, shape = plan_for(name, setting, steps, seed, start, classes)
    start_sha = "" if plan.start is None else sha256_of(find_weights(plan.start))
    data = fingerprint([images])
    known = folder / "training.json"
    if known.exists():
        trained = Trained(**json.loads(known.read_text("utf-8")))
        if (trained.steps, trained.data, trained.start) == (steps, data, start_sha):
            return trained
    torch.manual_seed(seed)
    network = network_of(name, shape)
    ticks: list[float] = []
    began = time.process_time()

    def progress(step: int, total: int, losses: Mapping[str, float]) -> None:
        ticks.append(time.process_time())
        if step % 50 == 0:
            shown = ", ".join(f"{task} {loss:.3f}" for task, loss in losses.items())
            print(f"{name}: step {step} of {total}, {shown}", flush=True)

    mark = hashlib.sha256(f"{data} {start_sha}".encode()).hexdigest()
    train(plan, [images], folder, network=network, config=shape, fingerprint=mark, accelerator="cpu", progress=progress)
    a_step = (ticks[-1] - began) / len(ticks) if ticks else float("nan")
    size = plan.side * shape.stem_stride
    trained = Trained(
        steps,
        sum(value.numel() for value in network.parameters()),
        multiply_adds(network, size),
        a_step * steps / 60,
        data,
        start_sha,
    )
    known.write_text(json.dumps(asdict(trained), indent=1) + "\n", "utf-8")
    return trained


def load_contender(name: str, folder: Path) -> Model:
    """The trained network, as images are scored with it."""
    checkpoint = folder / "last.pt"
    if CONTENDERS[name].body is None:
        return load_model(checkpoint)
    content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = load_weights(network_of(name, NetworkConfig.from_dict(content["config"])), content["state"])
    # a Baseline has all that inference asks of a Cerberus
    return Model(network, name, sha256_of(checkpoint), "cpu")  # type: ignore[arg-type]


def multiply_adds(network: nn.Module, side: int) -> int:
    """Of convolutions and matrix products in one forward pass of one (side, side) image."""
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, side, side))
    return counter.get_total_flops() // 2
