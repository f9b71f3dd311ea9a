"""SegNet (Badrinarayanan, Kendall & Cipolla, IEEE TPAMI 39(12), 2017)."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from benchmarks.baselines.baseline import convolution

MULTIPLES = (1, 2, 4, 8, 8)
DEPTHS = (2, 2, 3, 3, 3)
"""Channels relative to the first level's, and convolutions, of VGG16's five levels."""


class SegNet(nn.Module):
    """VGG16's thirteen convolutions and their mirror image; the decoder puts values back where the encoder's maxima
    were (the paper's figure 2). `width` channels at the first level, the paper has 64. Input of any size from 32 on.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [width * multiple for multiple in MULTIPLES]
        self.width, self.deepest_width = widths[0], widths[-1]
        self.down = nn.ModuleList(
            _level([before, *[after] * depth])
            for before, after, depth in zip([3, *widths], widths, DEPTHS, strict=False)
        )
        ends = [widths[0], *widths[:-1]]
        self.up = nn.ModuleList(
            _level([*[width] * depth, end]) for width, depth, end in zip(widths, DEPTHS, ends, strict=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last map (N, width, H, W) and the deepest (N, 8 width, H/32, W/32), rounded down."""
        places = []
        for level in self.down:
            x = level(x)
            size = x.shape[2:]
            x, where = functional.max_pool2d(x, 2, return_indices=True)
            places.append((where, size))
        deepest = x
        for level in reversed(list(self.up)):
            where, size = places.pop()
            x = level(functional.max_unpool2d(x, where, [2, 2], output_size=size))
        return x, deepest


def _level(channels: list[int]) -> nn.Sequential:
    return nn.Sequential(*(convolution(a, b) for a, b in pairwise(channels)))
