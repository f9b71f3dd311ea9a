"""The network on this CPU: what it must multiply, what the processor gives, and how much of that it gets.

    python benchmarks/network_speed.py [--side 1008] [--rounds 3] [--threads 2] [--pictures FOLDER] [--only lean]

For the official configuration (initial weights) and the bundled model, nuclei and glands: the floor (multiply-adds per
px of the grid and 10¹² operations per mm², without overlap), the ceiling (a 2048² matrix product in the same number
type, timed in every round), and tiles of `side` kept px computed at once and in strips, in fp32 and bf16. `kept` counts
kept px alone, so the overlap of tiles is a loss. For the official network `reference` is the network as published in
the reference's geometry: norms not folded, 448 px patches, the central 144 px kept, fp32. Seconds are CPU seconds of
all threads divided by the threads, the best of the rounds, which alternate; other programs disturb them less than the
clock.

At last the bundled model's objects in pictures (PNG, JPEG or TIFF at 0.25 µm/px; the demo picture without a folder):
those in fp32 with the whole margin around every tile, against small tiles in strips with the halo inside the margin.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from PIL import Image

from cerberus_annotate.network import fold_norms, load_model, official
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects import PredictedObject
from cerberus_annotate.predict import inference, predict_image, tiling
from cerberus_annotate.predict.geometry import NUCLEUS_HALO
from cerberus_annotate.predict.inference import (
    REFERENCE_KEPT,
    REFERENCE_MARGIN,
    Geometry,
    choose_precision,
    tile_maps,
)
from cerberus_annotate.slide.demo_slide import demo_picture
from cerberus_annotate.speed.floor import multiply_adds

TASK_OUTPUTS = {
    "official": ["Nuclei-INST", "Nuclei-TYPE", "Gland-INST", "Gland-TYPE"],
    "lean": ["Nuclei-INST", "Nuclei-TYPE", "Gland-INST"],
}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
PRODUCT = 2048
SMALL_SIDE = 288


def main() -> None:
    """Prints floor, ceiling, rates and agreement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1008)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--only", choices=list(TASK_OUTPUTS))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(1)
    model = load_model("cerberus-small")
    for name in [given.only] if given.only else TASK_OUTPUTS:
        plain = official().eval() if name == "official" else model.network
        print_rates(name, plain, given.side, given.rounds)
    print_agreement(model, read_pictures(given.pictures))


def print_rates(name: str, plain: Cerberus, side: int, rounds: int) -> None:
    """The floor of a configuration and what each way of computing it gets."""
    config, outputs = plain.config, TASK_OUTPUTS[name]
    each = multiply_adds(config, outputs)
    print(f"{name}: {each:,.0f} multiply-adds a px, {2 * each * 4e6 * (0.5 / config.mpp) ** 2 / 1e12:.2f} TFLOP a mm²")
    folded = plain if name == "lean" else fold_norms(plain).to(memory_format=torch.channels_last)
    geometry = Geometry(side, NUCLEUS_HALO, config.margin - NUCLEUS_HALO)
    length = (side + 2 * geometry.reach) * config.stem_stride
    tile = np.random.default_rng(0).integers(0, 256, (length, length, 3), np.uint8)
    ways: dict[str, Callable[[], object]] = {}
    pixels = {f"{how} {kind}": side**2 for how in ("at once", "in strips") for kind in TYPES}
    for kind, dtype in TYPES.items():
        network = folded if dtype == torch.float32 else copy.deepcopy(folded).to(dtype)
        one = torch.rand(PRODUCT, PRODUCT).to(dtype)
        ways[f"product {kind}"] = lambda one=one: one @ one  # type: ignore[misc]
        for how in ("at once", "in strips"):

            def compute(network: Cerberus = network, dtype: torch.dtype = dtype, how: str = how) -> None:
                with strips_only_if(how == "in strips"):
                    tile_maps(network, [tile], geometry, outputs, dtype)

            ways[f"{how} {kind}"] = compute
    if name == "official":
        patch = torch.rand(1, 3, *[REFERENCE_KEPT + 2 * REFERENCE_MARGIN] * 2) * 255
        ways["reference fp32"] = lambda: plain(patch, outputs=outputs)
        pixels["reference fp32"] = REFERENCE_KEPT**2
    best = best_seconds(ways, rounds)
    for way, count in pixels.items():
        kind = way.split()[-1]
        rate, ceiling = count / best[way], PRODUCT**3 / best[f"product {kind}"]
        print(
            f"  {way:15s} {rate / 1e6:6.3f} Mpx/s kept, {4e6 / rate:6.2f} s a mm² of grid at 0.5 µm/px, "
            f"{rate * each / ceiling:4.0%} of {ceiling / 1e9:.0f} G multiply-adds/s"
        )
    for way in pixels:
        if name == "official" and way != "reference fp32":
            ratio = best["reference fp32"] / pixels["reference fp32"] * pixels[way] / best[way]
            print(f"  {way} / reference: {ratio:.1f} ×")


def best_seconds(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """CPU seconds divided by threads of the fastest call of each, after one that warms it up."""
    best = dict.fromkeys(ways, float("inf"))
    with torch.inference_mode():
        for number in range(rounds + 1):
            for way, compute in ways.items():
                started = time.process_time()
                compute()
                if number:
                    best[way] = min(best[way], (time.process_time() - started) / torch.get_num_threads())
    return best


@contextmanager
def strips_only_if(wanted: bool) -> Iterator[None]:
    """Tiles are computed in strips where wanted, else at once."""
    usual = inference.is_folded
    inference.is_folded = usual if wanted else lambda network: False
    try:
        yield
    finally:
        inference.is_folded = usual


def read_pictures(folder: Path | None) -> list[NDArray[np.uint8]]:
    """RGB pictures of a folder."""
    if folder is None:
        return [demo_picture()]
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff"))
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def print_agreement(model: Model, pictures: list[NDArray[np.uint8]]) -> None:
    """The share of objects that are matched one to one, by task and IoU."""
    precise = Geometry(SMALL_SIDE * 5, NUCLEUS_HALO, model.margin)
    small = Geometry(SMALL_SIDE, NUCLEUS_HALO, model.margin - NUCLEUS_HALO)
    sums: dict[tuple[str, str], NDArray[np.int64]] = {}
    for picture in pictures:
        with strips_only_if(False):
            expected = objects(model, picture, precise, "fp32")
        for kind in ["fp32"] + ["bf16"] * (choose_precision(model.device, "auto") == torch.bfloat16):
            found = objects(model, picture, small, kind)
            for task in ("nuclei", "gland"):
                counts = np.array(matched(of(expected, task), of(found, task)))
                sums[kind, task] = sums.get((kind, task), np.zeros(4, np.int64)) + counts
    for (kind, task), (one, other, half, most) in sums.items():
        larger = max(one, other, 1)
        print(
            f"{kind} in strips, {SMALL_SIDE} px tiles, {task}: {one} and {other}, one to one "
            f"{half / larger:.2%} at IoU 0.5, {most / larger:.2%} at 0.9"
        )


def objects(model: Model, picture: NDArray[np.uint8], geometry: Geometry, precision: str) -> list[PredictedObject]:
    """Nuclei and glands of a picture at 0.25 µm/px, in tiles of a geometry."""
    usual = tiling.choose_geometry
    tiling.choose_geometry = lambda *_, **__: geometry
    try:
        return list(predict_image(picture, 0.25, model, ["nuclei", "gland"], precision))
    finally:
        tiling.choose_geometry = usual


def of(found: list[PredictedObject], task: str) -> NDArray[np.object_]:
    """The outlines of a task's objects."""
    return np.array([each.polygon for each in found if each.task == task], object)


def matched(one: NDArray[np.object_], other: NDArray[np.object_]) -> tuple[int, int, int, int]:
    """Objects of either, pairs with an IoU beyond 0.5 and beyond 0.9; objects of one kind hardly overlap, so beyond
    0.5 each has one partner at most."""
    if not len(one) or not len(other):
        return len(one), len(other), 0, 0
    first, second = shapely.STRtree(other).query(one, predicate="intersects")
    common = shapely.area(shapely.intersection(one[first], other[second]))
    iou = common / (shapely.area(one[first]) + shapely.area(other[second]) - common)
    return len(one), len(other), int((iou > 0.5).sum()), int((iou > 0.9).sum())


if __name__ == "__main__":
    main()
