"""One crop in several views: what the network says of each, laid back over the crop."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cerberus_annotate.network.cerberus import Cerberus

CONTEXT = 24
"""px of the grid around a region that the network sees besides. Less than a run's margin: an order needs no more."""

STEP = 16
"""Sides in px of the grid are multiples of it (the encoder halves four times)."""

SCALE = 0.8
"""How much smaller the view is that shows whether the answer hangs on the objects' size."""

TEMPERATURE = 2.0
"""Logits are divided by it (Guo et al., ICML 2017). On the six `stage1_test` images of DSB 2018, which no figure of the
bundled model is of, the negative log likelihood of nucleus or not is 0.423 at 1, 0.249 at 2 and 0.229 at 3: a network
is too sure of slides unlike those it knows. 2 is taken, because slides that are like them need less. A project has no
labels to fit another before it is reviewed."""


@dataclass(frozen=True)
class Views:
    """probability: output → (views, N, C, h, w), float, over the kept rectangle. features: (N, channels)."""

    probability: dict[str, Tensor]
    features: Tensor


def look_at(network: Cerberus, crops: Tensor, outputs: Sequence[str], inside: tuple[int, int]) -> Views:
    """What the network sees in crops, upright, flipped both ways, and at 0.8 times the size.

    Changed copies of the input as a measure of uncertainty: Ayhan and Berens, MIDL 2018.

    crops: (N, 3, H, W) RGB, 0 to 255, of the network's number type: the kept rectangle with `CONTEXT` px of the grid on
    each side. inside: rows and columns of the grid, from the kept rectangle's corner, that are the region. Features are
    the means of the encoder's deepest map over the region.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in outputs}
    deepest: list[Tensor] = []
    hook = network.backbone.register_forward_hook(lambda _module, _input, maps: deepest.append(maps[-1]))
    try:
        with torch.inference_mode():
            for logits in _all_views(network, crops, outputs):
                for name, values in logits.items():
                    found[name].append((values.float() / TEMPERATURE).softmax(1))
    finally:
        hook.remove()
    return Views({name: torch.stack(views) for name, views in found.items()}, _pooled(deepest[0].float(), inside))


def _all_views(network: Cerberus, crops: Tensor, outputs: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    for dims in ((), (3,), (2,)):
        logits = network(crops.flip(dims) if dims else crops, CONTEXT, outputs)
        yield {name: values.flip(dims) if dims else values for name, values in logits.items()}
    stride = network.config.stem_stride
    grid = [side // stride for side in crops.shape[2:]]
    smaller = [round(SCALE * side / STEP) * STEP * stride for side in grid]
    small = functional.interpolate(crops.float(), smaller, mode="bilinear", antialias=True, align_corners=False)
    for_network = small.to(crops.dtype).contiguous(memory_format=torch.channels_last)
    logits = network(for_network, 0, outputs)
    yield {name: _enlarged(values.float(), grid, smaller[0] // stride) for name, values in logits.items()}


def _enlarged(logits: Tensor, grid: Sequence[int], rows: int) -> Tensor:
    """Logits of the smaller view on the pixels of the others, without the context."""
    finer = logits.shape[2] // rows
    size = [side * finer for side in grid]
    whole = functional.interpolate(logits, size, mode="bilinear", align_corners=False)
    edge = CONTEXT * finer
    return whole[:, :, edge : size[0] - edge, edge : size[1] - edge]


def _pooled(deepest: Tensor, inside: tuple[int, int]) -> Tensor:
    """Means over the part of the deepest map (1/16 of the grid) that shows the region, (N, channels)."""
    first = CONTEXT // STEP
    rows, columns = (-(-(CONTEXT + side) // STEP) for side in inside)
    return deepest[:, :, first:rows, first:columns].mean((2, 3))
