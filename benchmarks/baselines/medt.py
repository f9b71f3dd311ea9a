"""Medical Transformer: gated axial attention, a global and a local branch (Valanarasu, Oza, Hacihaliloglu & Patel,
MICCAI 2021, arXiv 2102.10662), from the paper."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.baselines.baseline import convolution

PATCHES = 4
"""The local branch sees PATCHES x PATCHES parts of the image, one by one (section 3.3)."""

GLOBAL_WIDTHS, GLOBAL_STRIDES = (32, 64), (1, 2)
LOCAL_WIDTHS, LOCAL_STRIDES = (32, 64, 128, 256, 256), (1, 2, 2, 2, 1)
"""Two blocks in the global branch, five in the local one (section 3.3); the strides are ours."""

HEADS = 4
"""The authors use 8; half as many take half the memory traffic, which is what the block costs on a CPU."""

FIRST_GATE = 0.1
"""Where the gates of the positions start; that of the values starts at 1."""


class GatedAxialAttention(nn.Module):
    """Multi-head attention along the last axis of (N, C, H, W), each line by itself (equation 3).

    length: of that axis. Queries and keys have half as many channels as values. Every pair of places at the same
    distance shares its encodings r_q, r_k, r_v; gates, one number each, say how far they count.
    """

    distance: Tensor

    def __init__(self, channels: int, length: int, heads: int = HEADS) -> None:
        super().__init__()
        self.heads, self.of_head = heads, channels // heads
        half = self.of_head // 2
        self.project = nn.Conv1d(channels, 2 * channels, 1, bias=False)
        self.norm_projected = nn.BatchNorm1d(2 * channels)
        self.norm = nn.BatchNorm1d(channels)
        self.encodings = nn.Parameter(torch.randn(2 * self.of_head, 2 * length - 1) * self.of_head**-0.5)
        self.gate_query, self.gate_key, self.gate_position = (nn.Parameter(torch.tensor(FIRST_GATE)) for _ in range(3))
        self.gate_value = nn.Parameter(torch.tensor(1.0))
        places = torch.arange(length)
        self.register_buffer("distance", places[:, None] - places[None] + length - 1, persistent=False)
        self.parts = (half, half, self.of_head)

    def forward(self, x: Tensor) -> Tensor:
        """A map of the same shape."""
        count, channels, height, width = x.shape
        lines = x.permute(0, 2, 1, 3).reshape(count * height, channels, width)
        projected = self.norm_projected(self.project(lines)).view(-1, self.heads, 2 * self.of_head, width)
        query, key, value = projected.split(self.parts, 2)
        of_query, of_key, of_value = self.encodings[:, self.distance].split(self.parts)
        logits = (
            torch.einsum("nhci,nhcj->nhij", query, key)
            + torch.einsum("nhci,cij->nhij", query, self.gate_query * of_query)
            + torch.einsum("nhcj,cij->nhij", key, self.gate_key * of_key)
        )
        weights = logits.softmax(-1)
        seen = torch.einsum("nhij,nhcj->nhci", weights, self.gate_value * value)
        seen = seen + torch.einsum("nhij,cij->nhci", weights, self.gate_position * of_value)
        seen = self.norm(seen.reshape(-1, channels, width))
        return seen.view(count, height, channels, width).permute(0, 2, 1, 3)


class AxialBlock(nn.Module):
    """1x1 convolution, attention along columns and then rows, 1x1 convolution, and the shortcut (figure 2b)."""

    def __init__(self, channels: int, out_channels: int, side: int, stride: int) -> None:
        super().__init__()
        inner = out_channels // 2
        self.narrow = convolution(channels, inner, 1, stride)
        self.columns = GatedAxialAttention(inner, side)
        self.rows = GatedAxialAttention(inner, side)
        self.widen = nn.Sequential(nn.Conv2d(inner, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.narrow(x)
        inner = self.columns(inner.transpose(2, 3)).transpose(2, 3)
        inner = self.rows(inner)
        return functional.relu(self.widen(functional.relu(inner)) + self.shortcut(x))


class Branch(nn.Module):
    """Three convolutions, the first of which halves the size, axial blocks, and as many decoder blocks (figure 2a)."""

    def __init__(self, width: int, widths: tuple[int, ...], strides: tuple[int, ...], side: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, width, 7, 2), convolution(width, width), convolution(width, width))
        side, before = side // 2, width
        self.blocks, self.decoders = nn.ModuleList(), nn.ModuleList()
        for channels, stride in zip(widths, strides, strict=True):
            side //= stride
            self.blocks.append(AxialBlock(before, channels, side, stride))
            self.decoders.append(nn.Conv2d(channels, before, 3, padding=1))
            before = channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The map (N, width, H, W) and the deepest map."""
        size = x.shape[2:]
        maps = [self.stem(x)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        x = deepest = maps.pop()
        for decoder in reversed(list(self.decoders)):
            skip = maps.pop()
            x = functional.relu(_resized(decoder(x), skip.shape[2:])) + skip
        return _resized(x, size), deepest


class MedT(nn.Module):
    """Both branches, added and joined by a convolution.

    side: of the squares that it takes, a multiple of 64; positions are learnt for it, so a larger image is seen through
    windows that overlap by a quarter, and their maps are averaged.
    """

    def __init__(self, side: int = 128, width: int = 16) -> None:
        super().__init__()
        self.side, self.width = side, width
        self.deepest_width = GLOBAL_WIDTHS[-1] + LOCAL_WIDTHS[-1]
        self.whole = Branch(width, GLOBAL_WIDTHS, GLOBAL_STRIDES, side)
        self.local = Branch(width, LOCAL_WIDTHS, LOCAL_STRIDES, side // PATCHES)
        self.join = convolution(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last map (N, width, H, W), and the means of both branches' deepest ones, (N, deepest_width, 1, 1)."""
        count, _, height, width = x.shape
        if (height, width) == (self.side, self.side):
            return self._seen(x)
        tops, lefts = _starts(height, self.side), _starts(width, self.side)
        x = functional.pad(x, (0, max(0, self.side - width), 0, max(0, self.side - height)))
        total = x.new_zeros(count, self.width, *x.shape[2:])
        times = x.new_zeros(1, 1, *x.shape[2:])
        deepest = []
        for top in tops:
            for left in lefts:
                rows, columns = slice(top, top + self.side), slice(left, left + self.side)
                found, deep = self._seen(x[:, :, rows, columns])
                total[:, :, rows, columns] += found
                times[:, :, rows, columns] += 1
                deepest.append(deep)
        return (total / times)[:, :, :height, :width], torch.stack(deepest).mean(0)

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        whole, deepest = self.whole(x)
        local, deepest_of_parts = self.local(_parts(x))
        of_parts = deepest_of_parts.mean((2, 3)).view(len(x), PATCHES**2, -1).mean(1)
        deep = torch.cat([deepest.mean((2, 3)), of_parts], 1)[:, :, None, None]
        return self.join(whole + _together(local)), deep


def _starts(length: int, side: int) -> list[int]:
    """Where windows begin that overlap by a quarter or more; the last one ends where the image does."""
    last = max(0, length - side)
    return [*range(0, last, side * 3 // 4), last]


def _parts(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N PATCHES², C, H / PATCHES, W / PATCHES), row by row."""
    count, channels, height, width = x.shape
    x = x.reshape(count, channels, PATCHES, height // PATCHES, PATCHES, width // PATCHES)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, height // PATCHES, width // PATCHES)


def _together(parts: Tensor) -> Tensor:
    """The inverse of `_parts`."""
    _, channels, height, width = parts.shape
    x = parts.reshape(-1, PATCHES, PATCHES, channels, height, width).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(-1, channels, PATCHES * height, PATCHES * width)


def _resized(x: Tensor, size: torch.Size) -> Tensor:
    return x if x.shape[2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)
