"""The Cerberus network: one encoder, a decoder per task (Graham et al. 2023, section 3.1).

Parameter names are those of the public checkpoints, so that they load with `strict=True`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from cerberus_annotate.network.config import (
    DecoderConfig,
    NetworkConfig,
    PatchHeadConfig,
    official_config,
    output_classes,
)

PATCH_CELL = 9
CELL = 16 * PATCH_CELL
"""Sides of the tissue head's window: 9 on the 1/16 map, 144 px at full size."""

WHOLE_IMAGE = "Image-Class"
"""The patch head that looks at the whole image instead of cells."""


class Span(NamedTuple):
    """A half-open range of rows and one of columns of a map."""

    top: int
    bottom: int
    left: int
    right: int


def cropped(x: Tensor, span: Span) -> Tensor:
    """The part `span` of a map, a view."""
    return x[:, :, span.top : span.bottom, span.left : span.right]


def grown(span: Span, pixels: int, height: int, width: int) -> Span:
    """`span` with `pixels` more on each side, as far as a (height, width) map reaches."""
    return Span(
        max(0, span.top - pixels),
        min(height, span.bottom + pixels),
        max(0, span.left - pixels),
        min(width, span.right + pixels),
    )


def coarse_span(span: Span, height: int, width: int) -> Span:
    """What bilinear doubling needs of a (height, width) map to be right on `span` of the doubled one."""
    return Span(
        max(0, (span.top - 1) // 2),
        min(height, (span.bottom + 2) // 2),
        max(0, (span.left - 1) // 2),
        min(width, (span.right + 2) // 2),
    )


def doubled(x: Tensor, span: Span, target: Span) -> Tensor:
    """`x`, the part `span` of a map, doubled and cut to `target` of the doubled map."""
    up = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    top, left = target.top - 2 * span.top, target.left - 2 * span.left
    return up[:, :, top : top + target.bottom - target.top, left : left + target.right - target.left]


def decoder_spans(kept: Span, stages: int, sizes: Sequence[Sequence[int]]) -> list[Span]:
    """What each stage of a decoder must give, coarsest first, so that `kept` of the full-size map comes out right.

    sizes: rows and columns of the stages' whole maps.
    """
    spans = [kept if stages == 4 else coarse_span(kept, *sizes[-1])]
    for size, finer in zip(reversed(sizes[:-1]), reversed(sizes[1:]), strict=True):
        spans.insert(0, coarse_span(grown(spans[0], 2, *finer), *size))
    return spans


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (ResNet's basic block)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(x)) + shortcut, inplace=True)


class Encoder(nn.Module):
    """Residual encoder whose stem keeps the full size; gives maps at 1, 1/2, 1/4, 1/8 and 1/16."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        stem, *layers = config.widths
        stride = config.stem_stride
        # an odd kernel keeps the size; an even one with stride 2 halves it around the middle of four pixels
        self.conv1 = nn.Conv2d(3, stem, config.stem_kernel, stride, (config.stem_kernel - stride + 1) // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        before = stem
        for index, (width, count) in enumerate(zip(layers, config.blocks, strict=True), start=1):
            stride = 1 if index == 1 else 2
            blocks = [ResidualBlock(before, width, stride)]
            blocks += [ResidualBlock(width, width, 1) for _ in range(count - 1)]
            self.add_module(f"layer{index}", nn.Sequential(*blocks))
            before = width
        if config.unused_classifier:
            self.fc = nn.Linear(before, config.unused_classifier)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [functional.relu(self.bn1(self.conv1(x)), inplace=True)]
        x = self.maxpool(maps[0])
        for index in range(1, 5):
            x = self.get_submodule(f"layer{index}")(x)
            maps.append(x)
        return maps


class NormFirst(nn.Module):
    """A convolution, its norm and ReLU; the norm is registered first, as in the public checkpoints."""

    def __init__(self, in_channels: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class Stage(nn.Module):
    """Two convolutions of a decoder at one size."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(NormFirst(channels, channels, 3), NormFirst(channels, out_channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class HeadNorm(nn.Module):
    """The first, normalised 1x1 convolution of a pixel head."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(NormFirst(in_channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class HeadOutput(nn.Module):
    """The last 1x1 convolution of a pixel head; with `finer` it gives finer² logits a class and deals them out."""

    def __init__(self, channels: int, classes: int, finer: int) -> None:
        super().__init__()
        self.finer = finer
        self.conv = nn.Conv2d(channels, classes * finer**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.conv(x), self.finer)


class Head(nn.Module):
    """A pixel head: decoder map to logits."""

    def __init__(self, in_channels: int, channels: int, classes: int, finer: int = 1) -> None:
        super().__init__()
        self.x = nn.Sequential(HeadNorm(in_channels, channels), HeadOutput(channels, classes, finer))

    def forward(self, x: Tensor) -> Tensor:
        return self.x(x)


class PatchHead(nn.Module):
    """The tissue head: the mean of a 9x9 window of the 1/16 map, or of the whole map, classified."""

    def __init__(self, in_channels: int, config: PatchHeadConfig) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, config.width, 1)
        self.bn2 = nn.BatchNorm2d(config.width)
        self.conv2 = nn.Conv2d(config.width, len(config.classes), 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, deepest: Tensor, start: tuple[int, int], cells: tuple[int, int]) -> Tensor:
        """Logits (N, classes, *cells) of the windows that start at `start` of the deepest map."""
        (top, left), (rows, columns) = start, cells
        x = deepest[:, :, top : top + rows * PATCH_CELL, left : left + columns * PATCH_CELL]
        return self.classify(functional.avg_pool2d(x, PATCH_CELL))

    def classify(self, x: Tensor) -> Tensor:
        """Logits (N, classes, h, w) of means (N, C, h, w)."""
        x = self.dropout(functional.relu(self.bn1(x)))
        return self.conv2(functional.relu(self.bn2(self.conv1(x))))


class Cerberus(nn.Module):
    """The network of a configuration.

    Input: (N, 3, H, W) RGB, 0 to 255, float, H and W multiples of 16 times the stem's stride. Output: logits by output
    name, (N, C, h, w) for pixel heads, where h and w are those of the grid, or finer by the head's factor, and
    (N, C, 1, 1) for the tissue head.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        skips = list(reversed(config.widths[:4]))
        self.backbone = Encoder(config)
        self.conv_map = nn.Conv2d(config.widths[4], skips[0], 1, bias=False)
        self.decoder_head = nn.ModuleDict()
        self.output_head = nn.ModuleDict()
        for decoder in config.decoders:
            outs = [*skips[1:], skips[-1]][: decoder.stages]
            self.decoder_head[decoder.name] = nn.ModuleList(
                Stage(channels, out) for channels, out in zip(skips, outs, strict=False)
            )
            self.output_head[decoder.name] = nn.ModuleDict(
                {h.kind: Head(outs[-1], config.head_width, len(h.classes), h.finer) for h in decoder.heads}
            )
        if config.patch_head is not None:
            self.decoder_head[config.patch_head.name] = PatchHead(config.widths[4], config.patch_head)
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
        """Logits of the wanted `outputs` (all when None).

        With `margin` (px of the grid) only what lies that far from every edge is computed and given: decoders work on
        that part plus the few pixels that their convolutions reach, which changes nothing in its values. The tissue
        head then gives one logit vector per 144 px cell of the part that lies `cell_margin` (by default `margin`)
        from every edge; its windows start 8 px above and left of the cells, as in the reference. `rows` names, by
        decoder or patch head, which of the N images it works on, all where it is not named.
        """
        wanted = set(output_classes(self.config) if outputs is None else outputs)
        maps = self.backbone(x / 255)
        height, width = maps[0].shape[2:]
        kept = Span(margin, height - margin, margin, width - margin)
        bottom = self.conv_map(maps[4])
        chosen = rows or {}
        found: dict[str, Tensor] = {}
        first_sums: dict[Span, Tensor] = {}
        for decoder in self.config.decoders:
            if wanted.isdisjoint(decoder.outputs.values()):
                continue
            if decoder.name in chosen:
                some = chosen[decoder.name]
                decoded, span = self._decode(decoder, [m[some] for m in maps], bottom[some], kept, {})
            else:
                decoded, span = self._decode(decoder, maps, bottom, kept, first_sums)
            for kind, name in decoder.outputs.items():
                if name in wanted:
                    logits = self.output_head[decoder.name].get_submodule(kind)(decoded)
                    found[name] = logits if decoder.stages == 4 else doubled(logits, span, kept)
        patch = self.config.patch_head
        if patch is not None and patch.name in wanted:
            deepest = maps[4][chosen[patch.name]] if patch.name in chosen else maps[4]
            found[patch.name] = self.classify_patches(deepest, cell_margin or margin)
        return found

    def classify_patches(self, deepest: Tensor, margin: int) -> Tensor:
        """Logits of the patch head: (N, C, 1, 1), or those of the cells that lie `margin` from every edge."""
        assert self.config.patch_head is not None
        head = self.decoder_head[self.config.patch_head.name]
        if self.config.patch_head.name == WHOLE_IMAGE:
            return head.classify(deepest.mean((2, 3), keepdim=True))  # type: ignore[operator]
        return self._classify_cells(head, deepest, margin)

    def _decode(
        self,
        decoder: DecoderConfig,
        maps: list[Tensor],
        bottom: Tensor,
        kept: Span,
        first_sums: dict[Span, Tensor],
    ) -> tuple[Tensor, Span]:
        """The decoder's last map, cut to what `kept` needs, and where that cut lies in the whole map."""
        skips = [maps[3 - stage] for stage in range(decoder.stages)]
        sizes = [s.shape[2:] for s in skips]
        valid = decoder_spans(kept, decoder.stages, sizes)
        summed = [grown(span, 2, *size) for span, size in zip(valid, sizes, strict=True)]
        before = coarse_span(summed[0], *bottom.shape[2:])
        x = cropped(bottom, before)
        for index, stage in enumerate(self.decoder_head[decoder.name].children()):
            if index == 0:
                if summed[0] not in first_sums:
                    first_sums[summed[0]] = doubled(x, before, summed[0]) + cropped(skips[0], summed[0])
                x = first_sums[summed[0]]
            else:
                x = doubled(x, before, summed[index]) + cropped(skips[index], summed[index])
            x = stage(x)
            before = valid[index]
            x = cropped(
                x,
                Span(
                    before.top - summed[index].top,
                    before.bottom - summed[index].top,
                    before.left - summed[index].left,
                    before.right - summed[index].left,
                ),
            )
        return x, valid[-1]

    @staticmethod
    def _classify_cells(head: nn.Module, deepest: Tensor, margin: int) -> Tensor:
        height, width = deepest.shape[2:]
        if margin == 0:
            start = (0, 0) if PATCH_CELL in (height, width) else ((height - PATCH_CELL) // 2, (width - PATCH_CELL) // 2)
            return head(deepest, start, (1, 1))
        first = (margin - 8) // 16
        cells = (-(-(16 * height - 2 * margin) // CELL), -(-(16 * width - 2 * margin) // CELL))
        return head(deepest, (first, first), cells)


def official() -> Cerberus:
    """The published network, unfolded, with initial weights; `load_state_dict(strict=True)` takes its checkpoints."""
    return Cerberus(official_config())
