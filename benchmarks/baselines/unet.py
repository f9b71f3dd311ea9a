"""U-Net (Ronneberger, Fischer & Brox, MICCAI 2015) with padded convolutions and batch norms."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.baselines.baseline import convolution

LEVELS = 5


class UNet(nn.Module):
    """Five levels of two 3x3 convolutions (the paper's figure 1), `width` channels at the first, twice as many at each
    below it; the paper has 64. Maps go up by 2x2 transposed convolutions and are joined with the encoder's. The input's
    sides must be multiples of 16. Paddings and norms are not in the paper, but in its usual implementations.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.width, self.deepest_width = widths[0], widths[-1]
        self.down = nn.ModuleList(_level(before, after) for before, after in zip([3, *widths], widths, strict=False))
        above = list(reversed(widths[:-1]))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(2 * channels, channels, 2, 2) for channels in above)
        self.up = nn.ModuleList(_level(2 * channels, channels) for channels in above)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last map (N, width, H, W) and the deepest (N, 16 width, H/16, W/16)."""
        maps = [self.down[0](x)]
        for level in list(self.down)[1:]:
            maps.append(level(functional.max_pool2d(maps[-1], 2)))
        x = deepest = maps.pop()
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            x = level(torch.cat([maps.pop(), enlarge(x)], 1))
        return x, deepest


def _level(channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(convolution(channels, out_channels), convolution(out_channels, out_channels))
