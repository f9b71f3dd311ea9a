"""A folded network over a large tile, a strip of rows at a time.

A strip goes through several convolutions while the cache of the processor holds it; of the large maps, at full and half
size, only what is needed again is ever whole in memory. Strips overlap by the rows that the convolutions reach, so the
values are those of `Cerberus.forward`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cerberus_annotate.network.cerberus import (
    Cerberus,
    HeadOutput,
    ResidualBlock,
    Span,
    coarse_span,
    cropped,
    decoder_spans,
    doubled,
    grown,
)
from cerberus_annotate.network.config import DecoderConfig
from cerberus_annotate.network.folding import BYTE_WEIGHT, exact_bias
from cerberus_annotate.network.fused import convolve, convolve_by
from cerberus_annotate.network.strips import SCRATCH, Rows, Workers

Finish = Callable[[str, Tensor], Tensor]
"""Output name and logits (1, C, h, w) to what is kept of them, rows in the dimension before the last."""


def is_folded(network: nn.Module) -> bool:
    """Whether `strip_by_strip` can compute it: no norms are left between its convolutions."""
    # other networks stand in for a Cerberus where they are compared with it
    if not isinstance(network, Cerberus):
        return False
    return isinstance(network.backbone.bn1, nn.Identity) and BYTE_WEIGHT in dict(network.backbone.named_buffers())


def strip_by_strip(
    network: Cerberus,
    image: Tensor,
    margin: int,
    outputs: Collection[str],
    finish: Finish,
    cell_margin: int | None = None,
) -> dict[str, Tensor]:
    """What `finish` makes of the logits of `outputs`, put together from its strips.

    network: folded, in eval mode, on the CPU.  image: uint8 (H, W, 3), H and W multiples of 16 times the stem's stride.
    margin and cell_margin: as in `Cerberus.forward`.
    """
    wanted = [d for d in network.config.decoders if not set(outputs).isdisjoint(d.outputs.values())]
    height, width = (side // network.config.stem_stride for side in image.shape[:2])
    kept = Span(margin, height - margin, margin, width - margin)
    full = grown(kept, 2, height, width) if any(d.stages == 4 for d in wanted) else Span(0, 0, 0, 0)
    with Workers() as workers:
        maps = _encode(network, image, full, workers)
        bottom = convolve_by(network.conv_map, maps[4].x, relu=False)
        found: dict[str, Tensor] = {}
        for decoder in wanted:
            found |= _decode(network, decoder, maps, bottom, kept, outputs, finish, workers)
    patch = network.config.patch_head
    if patch is not None and patch.name in outputs:
        found[patch.name] = finish(patch.name, network.classify_patches(maps[4].x, cell_margin or margin))
    return found


@dataclass(frozen=True)
class _Placed:
    """Part of a map and where it lies in it."""

    x: Tensor
    span: Span

    def part(self, span: Span) -> Tensor:
        top, left = self.span.top, self.span.left
        return cropped(self.x, Span(span.top - top, span.bottom - top, span.left - left, span.right - left))


def _whole(x: Tensor) -> _Placed:
    return _Placed(x, Span(0, x.shape[2], 0, x.shape[3]))


def _encode(network: Cerberus, image: Tensor, full: Span, workers: Workers) -> list[_Placed]:
    """The encoder's five maps; of the one at full size only the part `full`."""
    backbone, widths = network.backbone, network.config.widths
    stem, layer1 = _Stem(network), backbone.get_submodule("layer1")
    height, width = (side // network.config.stem_stride for side in image.shape[:2])
    first = SCRATCH.map("full size", stem.weight, widths[0], *_sides(full))
    half = SCRATCH.map("layer1", stem.weight, widths[1], height // 2, width // 2)

    def to_half_size(top: int, bottom: int) -> None:
        start, end = _reached(layer1, top, bottom, height // 2)
        above = min(start, 1)
        whole = Rows(stem(image, 2 * (start - above), 2 * end), 2 * (start - above), height)
        upper, lower = max(full.top, 2 * top), min(full.bottom, 2 * bottom)
        if lower > upper:
            first[:, :, upper - full.top : lower - full.top] = whole.cut(upper, lower)[..., full.left : full.right]
        pooled = Rows(_halved_by_maximum(whole.x)[:, :, above:], start, height // 2)
        half[:, :, top:bottom] = _blocks(layer1, pooled).cut(top, bottom)

    workers.each(0, height // 2, to_half_size)
    maps = [_Placed(first, full), _whole(half)]
    for index in range(2, 5):
        maps.append(_whole(_halved(network, f"layer{index}", maps[-1].x, workers)))
    return maps


def _halved(network: Cerberus, name: str, x: Tensor, workers: Workers) -> Tensor:
    """An encoder layer's whole map from that of the one before."""
    layer = network.backbone.get_submodule(name)
    height, width = x.shape[2] // 2, x.shape[3] // 2
    found = SCRATCH.map(name, x, _convolutions(layer)[-1].out_channels, height, width)

    def compute(top: int, bottom: int) -> None:
        start, end = _reached(layer, top, bottom, height)
        above = min(start, 1)
        rows = Rows(x[:, :, 2 * (start - above) : 2 * end], 2 * (start - above), x.shape[2])
        found[:, :, top:bottom] = _blocks(layer, rows).cut(top, bottom)

    workers.each(0, height, compute)
    return found


def _residual_blocks(layer: nn.Module) -> list[ResidualBlock]:
    return [block for block in layer.children() if isinstance(block, ResidualBlock)]


def _reached(layer: nn.Module, top: int, bottom: int, height: int) -> tuple[int, int]:
    """The rows that the convolutions of a layer, each but a first one that halves, reach at its size."""
    blocks = _residual_blocks(layer)
    reach = 2 * len(blocks) - (blocks[0].conv1.stride[0] == 2)
    return max(0, top - reach), min(height, bottom + reach)


def _blocks(layer: nn.Module, rows: Rows) -> Rows:
    for block in _residual_blocks(layer):
        inside = _three_by_three(block.conv1, rows)
        shortcut = rows
        if block.downsample is not None:
            down = convolve_by(block.downsample.get_submodule("0"), rows.x, relu=False)
            shortcut = Rows(down, rows.top // block.conv1.stride[0], inside.height)
        rows = _three_by_three(block.conv2, inside, shortcut)
    return rows


class _Stem:
    """The first convolution, on bytes: the division by 255 is part of its weights.

    A stride of 2 across is taken by looking at two neighbouring pixels as one of six channels, which the processor's
    dot products like better than three.
    """

    def __init__(self, network: Cerberus) -> None:
        conv = network.backbone.conv1
        weight = network.backbone.get_buffer(BYTE_WEIGHT)
        out, channels, kernel, _ = weight.shape
        self.stride = conv.stride[0]
        self.kernel, self.before = kernel, int(conv.padding[0])
        self.after = kernel - self.stride - self.before
        self.together = self.stride if kernel % self.stride == 0 else 1
        paired = weight.reshape(out, channels, kernel, kernel // self.together, self.together).permute(0, 4, 1, 2, 3)
        self.weight = paired.reshape(out, self.together * channels, kernel, -1)
        self.bias = exact_bias(conv)

    def __call__(self, image: Tensor, top: int, bottom: int) -> Tensor:
        """Rows `top` to `bottom` of the stem's map of a uint8 (H, W, 3) image."""
        height, width, channels = image.shape
        first, last = top * self.stride - self.before, (bottom - 1) * self.stride - self.before + self.kernel
        start, end = max(0, first), min(height, last)
        pixels = self.weight.new_zeros(last - first, self.before + width + self.after, channels)
        pixels[start - first : end - first, self.before : self.before + width] = image[start:end]
        x = pixels.view(1, last - first, -1, self.together * channels).permute(0, 3, 1, 2)
        return convolve(x, self.weight, self.bias, stride=(self.stride, self.stride // self.together))


def _halved_by_maximum(x: Tensor) -> Tensor:
    """As `max_pool2d(x, 3, 2, 1)` of a map of even sides, row by row, then column by column: a third faster."""
    rows = x[0].permute(1, 2, 0)
    height, width, channels = rows.shape
    lower = torch.maximum(rows[0::2], rows[1::2])
    lower[1:] = torch.maximum(lower[1:], rows[1:-1:2])
    pairs = lower.view(height // 2, width // 2, 2, channels)
    found = torch.maximum(pairs[:, :, 0], pairs[:, :, 1])
    found[:, 1:] = torch.maximum(found[:, 1:], pairs[:, :-1, 1])
    return found.permute(2, 0, 1)[None]


def _three_by_three(conv: nn.Conv2d, rows: Rows, shortcut: Rows | None = None) -> Rows:
    """A 3x3 convolution, shortcut and ReLU. Where `rows` ends inside the map, the row there is not given.

    With a stride of 2 `rows` begins with an even row, of which, inside the map, nothing is given, and ends with an odd.
    """
    stride = conv.stride[0]
    inside_above, inside_below = int(rows.top > 0), int(rows.bottom < rows.height)
    above = int(stride == 2 or not (inside_above and inside_below))
    top, bottom = rows.top // stride, rows.bottom // stride
    if not above:
        top, bottom = top + 1, bottom - 1
    other = None if shortcut is None else shortcut.cut(top, bottom)
    x = convolve_by(conv, rows.x, padding=(above, 1), shortcut=other)
    if above:
        # the rows that met padding instead of their neighbours; going down by two, the last one meets none
        below = inside_below if stride == 1 else 0
        x = x[:, :, inside_above : x.shape[2] - below]
        top += inside_above
    return Rows(x, top, rows.height // stride)


def _decode(
    network: Cerberus,
    decoder: DecoderConfig,
    maps: list[_Placed],
    bottom: Tensor,
    kept: Span,
    outputs: Collection[str],
    finish: Finish,
    workers: Workers,
) -> dict[str, Tensor]:
    """What is kept of a decoder's wanted outputs."""
    skips = [maps[3 - stage] for stage in range(decoder.stages)]
    sizes = [(bottom.shape[2] << stage, bottom.shape[3] << stage) for stage in range(1, decoder.stages + 1)]
    spans = decoder_spans(kept, decoder.stages, sizes)
    stages = list(network.decoder_head[decoder.name].children())
    before = _whole(bottom)
    for index, (stage, skip, size, span) in enumerate(zip(stages[:-1], skips, sizes, spans, strict=False)):
        found = SCRATCH.map(f"stage {index}", bottom, _convolutions(stage)[-1].out_channels, *_sides(span))
        _stage_in_strips(stage, before, skip, size, span, workers, found)
        before = _Placed(found, span)
    last = spans[-1]
    at_full_size = decoder.stages == 4
    heads = {
        name: network.output_head[decoder.name].get_submodule(kind)
        for kind, name in decoder.outputs.items()
        if name in outputs
    }

    def look(top: int, bottom: int) -> dict[str, Tensor]:
        x, left = _stage(stages[-1], before, skips[-1], sizes[-1], Span(top, bottom, last.left, last.right))
        logits = {name: _logits(head, x, left, left + last.right - last.left) for name, head in heads.items()}
        return {name: finish(name, x) for name, x in logits.items()} if at_full_size else logits

    strips = workers.each(last.top, last.bottom, look)
    joined = {name: torch.cat([strip[name] for strip in strips], -2) for name in heads}
    if at_full_size:
        return joined
    return {
        name: _finish_enlarged(name, _Placed(logits, last), kept, sizes[-1], finish, workers)
        for name, logits in joined.items()
    }


def _sides(span: Span) -> tuple[int, int]:
    return span.bottom - span.top, span.right - span.left


def _stage_in_strips(
    stage: nn.Module,
    before: _Placed,
    skip: _Placed,
    size: tuple[int, int],
    span: Span,
    workers: Workers,
    found: Tensor,
) -> None:
    """Writes the part `span` of a decoder stage's map to `found`."""

    def compute(top: int, bottom: int) -> None:
        part, left = _stage(stage, before, skip, size, Span(top, bottom, span.left, span.right))
        found[:, :, top - span.top : bottom - span.top] = part[..., left : left + found.shape[3]]

    workers.each(span.top, span.bottom, compute)


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


def _stage(stage: nn.Module, before: _Placed, skip: _Placed, size: tuple[int, int], span: Span) -> tuple[Tensor, int]:
    """The rows of the part `span` of a decoder stage's map, and in which of their columns the part begins.

    size: rows and columns of the whole map. The columns beside it are not cut off here: that would be a copy.
    """
    summed = grown(span, 2, *size)
    coarse = coarse_span(summed, size[0] // 2, size[1] // 2)
    x = skip.part(summed) + doubled(before.part(coarse), coarse, summed)
    rows = Rows(x, summed.top, size[0])
    for conv in _convolutions(stage):
        rows = _three_by_three(conv, rows)
    return rows.cut(span.top, span.bottom), span.left - summed.left


def _logits(head: nn.Module, x: Tensor, left: int, right: int) -> Tensor:
    """A pixel head's logits of some columns of a strip of its decoder's map."""
    inner, output = _convolutions(head)
    finer = next(module.finer for module in head.modules() if isinstance(module, HeadOutput))
    return _dealt(convolve_by(output, convolve_by(inner, x), relu=False)[..., left:right], finer)


def _dealt(x: Tensor, finer: int) -> Tensor:
    """As `pixel_shuffle`, moving the two values of a row of four together: six times faster."""
    if finer != 2:
        return functional.pixel_shuffle(x, finer)
    pair = torch.int32 if x.element_size() == 2 else torch.int64
    _, channels, height, width = x.shape
    pairs = x[0].permute(1, 2, 0).contiguous().view(pair).view(height, width, channels // 4, 2)
    return pairs.permute(2, 0, 3, 1).contiguous().view(x.dtype).view(1, channels // 4, 2 * height, 2 * width)


def _finish_enlarged(
    name: str, logits: _Placed, kept: Span, size: tuple[int, int], finish: Finish, workers: Workers
) -> Tensor:
    """What is kept of logits at half size; size: rows and columns of their whole map."""

    def compute(top: int, bottom: int) -> Tensor:
        target = Span(top, bottom, kept.left, kept.right)
        coarse = coarse_span(target, *size)
        return finish(name, doubled(logits.part(coarse), coarse, target))

    return torch.cat(workers.each(kept.top, kept.bottom, compute), -2)
