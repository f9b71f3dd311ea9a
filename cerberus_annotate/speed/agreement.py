"""What a fast way of computing costs in accuracy: the same objects as the plain network in fp32?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cerberus_annotate.feedback.matching import match_outlines
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.predict.inference import REFERENCE_KEPT, Maps, tile_maps
from cerberus_annotate.predict.slide_work import SlideWork
from cerberus_annotate.predict.stream import assemble, network_in
from cerberus_annotate.predict.tile_objects import extract_tile
from cerberus_annotate.slide import Slide, tile_grid

SIDE = 5 * REFERENCE_KEPT
"""px of the grid of the tiles that are compared: the plain network in fp32 needs a gigabyte for one."""
TILES = 4


@dataclass(frozen=True)
class Agreement:
    """fast, plain: objects of either way.  matched: pairs with an IoU of at least 0.5, one to one."""

    fast: int
    plain: int
    matched: int

    @property
    def share(self) -> float:
        """Matched of the larger number, 0 to 1."""
        return self.matched / max(self.fast, self.plain, 1)


def agreement(slide: Slide, work: SlideWork, model: Model) -> dict[str, Agreement]:
    """By task, on a few small tiles from the middle of the work's: its own precision against fp32, layer by layer."""
    small = _small_tiles(work)
    network = network_in(model, work.dtype)
    fast, plain = [], []
    for tile in small.tiles:
        pixels = small.read(slide, tile)
        shared = small.shared(tile)
        maps = tile_maps(network, [pixels], small.geometry, small.outputs, small.dtype)[0]
        fast.append(extract_tile(small.extraction, tile, shared, maps))
        plain.append(extract_tile(small.extraction, tile, shared, plain_maps(model, pixels, small)))
    ours, theirs = (list(assemble(small, iter(results), model.classes)) for results in (fast, plain))
    return {task: match(of_task(ours, task), of_task(theirs, task)) for task in work.extraction.tasks}


def plain_maps(model: Model, pixels: NDArray[np.uint8], work: SlideWork) -> Maps:
    """As `tile_maps`, by torch's own layers in fp32."""
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(model.device).float()
    maps = {}
    with torch.inference_mode():
        logits = model.network(image, work.geometry.margin, work.outputs, cell_margin=work.geometry.reach)
        for name, value in logits.items():
            highest = value.argmax(1)[0].to(torch.uint8)
            probability = value.softmax(1)[0].mul(255).round().to(torch.uint8)
            if name.endswith("-TYPE"):
                found = highest
            elif name.endswith("-INST"):
                found = probability[1:]
            else:
                found = torch.stack([highest, probability.amax(0)])
            maps[name] = found.cpu().numpy()
    return maps


def match(fast: Sequence[PredictedObject], plain: Sequence[PredictedObject]) -> Agreement:
    """How many objects of the one are objects of the other."""
    partner, settled = np.full(len(fast), -1, np.intp), np.zeros(len(fast), bool)
    one_task = np.zeros(max(len(fast), len(plain)), np.intp)
    found = match_outlines(
        _outlines(fast), _outlines(plain), partner, settled, one_task[: len(fast)], one_task[: len(plain)]
    )
    return Agreement(len(fast), len(plain), len(found.pairs))


def _outlines(objects: Sequence[PredictedObject]) -> NDArray[Any]:
    outlines = np.empty(len(objects), object)
    outlines[:] = [each.polygon for each in objects]
    return outlines


def of_task(objects: Sequence[PredictedObject], task: str) -> list[PredictedObject]:
    return [each for each in objects if each.task == task]


def _small_tiles(work: SlideWork) -> SlideWork:
    """The work on the few small tiles nearest to the middle of the work's tiles."""
    left, top = min(tile.x for tile in work.tiles), min(tile.y for tile in work.tiles)
    right, bottom = max(t.x + t.width for t in work.tiles), max(t.y + t.height for t in work.tiles)
    geometry = replace(work.geometry, side=SIDE)
    tiles = tile_grid(right, bottom, SIDE, geometry.reach, None, (left, top))
    middle = ((left + right) / 2, (top + bottom) / 2)
    tiles.sort(key=lambda t: np.hypot(t.x + t.width / 2 - middle[0], t.y + t.height / 2 - middle[1]))
    extraction = replace(work.extraction, side=SIDE)
    chosen = tuple(tiles[:TILES])
    return replace(
        work, tiles=chosen, indices=frozenset(map(extraction.index, chosen)), geometry=geometry, extraction=extraction
    )
