"""What makes another network take Cerberus' place in training and inference: its inputs, heads and outputs."""

from collections.abc import Collection, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from cerberus_annotate.network.cerberus import PatchHead
from cerberus_annotate.network.config import NetworkConfig, output_classes


class Body(Protocol):
    """A network without its heads. width, deepest_width: channels of the two maps that it gives."""

    width: int
    deepest_width: int

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """From (N, 3, H, W), 0 to 1, the last map (N, width, H, W) and the deepest (N, deepest_width, h, w)."""
        ...


class Baseline(nn.Module):
    """A body with one 1x1 convolution for each pixel head of `config`, and Cerberus' head for whole images.

    Unlike in Cerberus all pixel heads share one decoder, the body's own. Inputs and outputs as of `Cerberus.forward`.
    """

    def __init__(self, config: NetworkConfig, body: Body) -> None:
        super().__init__()
        assert isinstance(body, nn.Module)
        self.config = config
        self.body = body
        self.heads = nn.ModuleDict(
            {
                decoder.outputs[head.kind]: nn.Conv2d(body.width, len(head.classes), 1)
                for decoder in config.decoders
                for head in decoder.heads
            }
        )
        patch = config.patch_head
        self.patch_head = None if patch is None else PatchHead(body.deepest_width, patch)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self,
        x: Tensor,
        margin: int = 0,
        outputs: Collection[str] | None = None,
        cell_margin: int | None = None,
        rows: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Logits of the wanted `outputs`, without `margin` px at every edge; `cell_margin` is for heads not in here."""
        wanted = set(output_classes(self.config) if outputs is None else outputs)
        chosen = rows or {}
        last, deepest = self.body(x / 255)
        height, width = last.shape[2:]
        found: dict[str, Tensor] = {}
        for decoder in self.config.decoders:
            for name in wanted.intersection(decoder.outputs.values()):
                kept = last[:, :, margin : height - margin, margin : width - margin]
                found[name] = self.heads[name](_some(kept, chosen.get(decoder.name)))
        patch = self.config.patch_head
        if patch is not None and self.patch_head is not None and patch.name in wanted:
            means = _some(deepest, chosen.get(patch.name)).mean((2, 3), keepdim=True)
            found[patch.name] = self.patch_head.classify(means)
        return found


def convolution(channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (or halves it), its norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def load_weights(network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """The network with a training checkpoint's averaged weights, in eval mode, with no gradients."""
    network.load_state_dict(dict(state))
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]


def _some(x: Tensor, rows: Tensor | None) -> Tensor:
    return x if rows is None else x[rows]
