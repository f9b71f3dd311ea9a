"""When to stop: the loss of the averaged network on fixed crops of held-out regions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.finetuning.distillation import half_precision, pixels_of
from cerberus_annotate.learn.training.batches import Batch, batch_of
from cerberus_annotate.learn.training.crops import Grid, cut
from cerberus_annotate.learn.training.heads import Heads
from cerberus_annotate.learn.training.objective import batch_losses, decoder_rows, outputs_wanted
from cerberus_annotate.learn.training.plan import Plan

CROPS = 16
"""Crops that are looked at in all."""

LEARNT = 0.3
"""How far from the parent to what was learnt the weights lie that are kept."""

CLEARLY = 0.9
"""Of the loss of those: what all that was learnt must fall below to be taken, where there are new classes."""


class EarlyStopping:
    """Keeps the weights with the lowest loss, the parent's included, and stops the run where none was lower for
    `patience` looks. Without crops it keeps the last weights. A `Watch`.

    Looked at are weights between the parent's and the averaged ones (WiSE-FT, Wortsman et al. 2022). What a few regions
    teach is mostly in the first steps away from the parent; further on the network forgets other data faster than it
    learns (benchmarks/simulated_pathologist.py measures both). With new classes, which the parent does not have, the
    averaged weights are taken where their loss is lower by a tenth.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        heads: Heads,
        plan: Plan,
        parent: Mapping[str, Tensor],
        every: int,
        patience: int,
    ) -> None:
        self.every = every
        self.best_step, self.best_loss = 0, math.inf
        self.best: dict[str, Tensor] = {}
        self.looks: list[tuple[int, float]] = []
        self._batches, self._heads, self._plan, self._parent = batches, heads, plan, parent
        self._patience = patience

    @property
    def stopped(self) -> bool:
        """Whether the loss has not fallen for so long."""
        return bool(self._batches) and self.looks[-1:] != [] and self._since_best() >= self._patience

    def check(self, step: int, average: nn.Module) -> None:
        """Looks at the averaged network after `step` steps."""
        whole = dict(average.state_dict())
        state, loss = between(self._parent, whole), -float(step)
        if self._batches:
            loss = self._loss(average, state)
            if grown_heads(self._parent, whole) and (of_whole := self._loss(average, whole)) < CLEARLY * loss:
                state, loss = whole, of_whole
        self.looks.append((step, loss))
        if loss < self.best_loss:
            self.best_step, self.best_loss = step, loss
            self.best = {name: value.detach().cpu().clone() for name, value in state.items()}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        looks = [list(look) for look in self.looks]
        return {"best_step": self.best_step, "best_loss": self.best_loss, "best": self.best, "looks": looks}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.best_step, self.best_loss = int(state["best_step"]), float(state["best_loss"])
        self.best = {name: value.cpu() for name, value in state["best"].items()}
        self.looks = [(int(step), float(loss)) for step, loss in state["looks"]]

    def _since_best(self) -> int:
        return sum(step > self.best_step for step, _ in self.looks)

    def _loss(self, network: nn.Module, state: dict[str, Tensor]) -> float:
        """Of a network with the weights `state`: sum over tasks of the mean over batches."""
        device = next(network.parameters()).device
        found: dict[str, list[float]] = {}
        for kept in self._batches:
            batch = kept.to(device)
            pixels = pixels_of(batch, self._plan.precision)
            rows = decoder_rows(batch, self._heads)
            with torch.inference_mode(), half_precision(device, self._plan.precision):
                asked = {"outputs": outputs_wanted(batch, self._heads), "rows": rows}
                logits = functional_call(network, state, (pixels,), asked)
                losses = batch_losses(logits, rows, batch, self._heads, self._plan.losses, self._plan.reference_loss)
            for task, loss in losses.items():
                found.setdefault(task, []).append(float(loss))
        return sum(sum(losses) / len(losses) for losses in found.values())


def between(parent: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights `LEARNT` of the way from the parent's to the network's; of heads that grew, the network's own."""
    grown = grown_heads(parent, network)

    def mixed(name: str, own: Tensor) -> Tensor:
        if name.split(".x.")[0] in grown or not own.dtype.is_floating_point:
            return own.clone()
        return torch.lerp(parent[name].to(own.device), own, LEARNT)

    return {name: mixed(name, own.detach()) for name, own in network.items()}


def grown_heads(parent: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> set[str]:
    """Heads that have more classes than the parent's."""
    return {name.split(".x.")[0] for name, own in network.items() if own.shape != parent[name].shape}


def fixed_batches(images: Sequence[LabelledImage], heads: Heads, grid: Grid, size: int) -> list[Batch]:
    """Up to `CROPS` crops spread evenly over the images, as they are, in batches of `size` at most."""
    places = [(image, centre) for image in images for centre in _centres(image, grid)]
    chosen = sorted({int(i) for i in np.linspace(0, len(places) - 1, min(CROPS, len(places)))})
    crops, names = [], []
    for image, centre in (places[i] for i in chosen):
        crops.append(cut(image, grid, np.eye(2) * (grid.mpp / _mpp(image, grid)), centre))
        names.append(f"{image.dataset}/{image.name}")
    batches = [
        batch_of(crops[start : start + size], heads, tuple(names[start : start + size]))
        for start in range(0, len(crops), size)
    ]
    return [batch for batch in batches if batch.rows]


def _centres(image: LabelledImage, grid: Grid) -> list[NDArray[np.float64]]:
    """Middles of the crops that cover an image and show a pixel that counts, as x, y in its px."""
    reach = grid.side * grid.mpp / _mpp(image, grid)
    height, width = image.rgb.shape[:2]
    rows, columns = (max(1, round(side / reach)) for side in (height, width))
    centres = []
    for row in range(rows):
        for column in range(columns):
            x, y = (column + 0.5) * width / columns, (row + 0.5) * height / rows
            top, left = (max(0, round(middle - reach / 2)) for middle in (y, x))
            shown = np.s_[top : round(y + reach / 2), left : round(x + reach / 2)]
            if image.ignore is None or not image.ignore[shown].all():
                centres.append(np.array([x, y]))
    return centres


def _mpp(image: LabelledImage, grid: Grid) -> float:
    return image.mpp or grid.mpp / grid.input_finer
