"""Seconds from maps to objects, on one core: nuclei, glands and lumina of a parity map; the same of a 4096 x 4096 tile
put together from copies of it; and 10,000 nuclei on 4096 x 4096 px of 0.25 µm, as the bundled model sees them, beside a
loop over the nuclei in the reference's way, which compares the whole map with each nucleus' number, and the same loop
within bounding boxes. The loops give outlines through the middles of pixels, centroids and types, but no confidence,
and no polygons that are valid and have few vertices.

    python -m benchmarks.extraction SHARED/parity/post_a.npz
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cerberus_annotate.objects.freed_memory import keep_freed_memory
from cerberus_annotate.objects.instances import (
    AreaSettings,
    NucleusSettings,
    area_foreground,
    gland_instances,
    gland_settings,
    lumen_instances,
    lumen_settings,
    nucleus_instances,
    rimmed_nucleus_instances,
)
from cerberus_annotate.objects.joining import AreaJoiner, area_objects, resolve_overlaps
from cerberus_annotate.objects.level0 import at_level0
from cerberus_annotate.objects.nuclei import nuclei_in_tile
from cerberus_annotate.objects.polygons import trace_polygons
from cerberus_annotate.objects.simplify import simplify_polygons

Map = NDArray[Any]

SIDE = 4096
COPY = 1936
"""px that a parity map of 1024 px with 2,242 nuclei is enlarged to, so that 4096 px hold 10,000 of them."""

BUNDLED = NucleusSettings(finer=2, inner_contour=True, threshold=0.55, marker=0.55)
REPEATS = 3
FEW = 200
"""Nuclei for which the whole map is compared with their number; the time is that of all, were each as fast."""


def timed(what: str, work: Callable[[], Any]) -> Any:
    seconds, result = measured(work, 1)
    shown(what, seconds)
    return result


def measured(work: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, Any]:
    """CPU seconds, the fewest of several, and the result."""
    fewest = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        fewest = min(fewest, time.process_time() - start)
    return fewest, result


def shown(what: str, seconds: float) -> None:
    print(f"    {what:<66}{seconds:8.2f} s", flush=True)


def areas(inside: Map, contour: Map, settings: AreaSettings, task: str) -> int:
    joiner = AreaJoiner(settings, inside.shape[::-1], [(0, 0)])
    score = inside.astype(np.float32) / np.float32(255)
    found = joiner.add_tile((0, 0), 0, 0, area_foreground(inside, contour, settings), score)
    return len(area_objects(resolve_overlaps(found), task))


def run(raw: dict[str, Map], types: Map, copies: int) -> None:
    def head(name: str) -> tuple[Map, Map]:
        both = np.tile(raw[name], (copies, copies, 1))
        return np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1])

    nuclei, gland, lumen = head("Nuclei"), head("Gland"), head("Lumen")
    side = nuclei[0].shape[0]
    print(f"  the reference's instances, {side} x {side}")
    labels = timed("nuclei: label map", lambda: nucleus_instances(*nuclei))
    _, traced = timed("nuclei: outlines along pixel edges", lambda: trace_polygons(labels))
    simple = timed("nuclei: simplified", lambda: simplify_polygons(traced))
    timed("nuclei: level-0 coordinates", lambda: at_level0(simple, (2.0, 2.0)))
    table = timed(
        "nuclei: table and outlines, all steps", lambda: nuclei_in_tile(*nuclei, np.tile(types, (copies, copies)))
    )
    print(f"    {len(table)} nuclei")
    timed("glands: label map", lambda: gland_instances(*gland))
    glands = timed("glands: joined areas, all steps", lambda: areas(*gland, gland_settings(), "gland"))
    timed("lumina: label map", lambda: lumen_instances(*lumen))
    lumina = timed("lumina: joined areas, all steps", lambda: areas(*lumen, lumen_settings(), "lumen"))
    print(f"    {glands} glands, {lumina} lumina")


def described(labels: NDArray[Any], types: NDArray[Any], number: int) -> tuple[Any, ...] | None:
    """One nucleus of a label map as the reference describes it: outline, centroid, most frequent type, its share."""
    mask = (labels == number).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines or len(outlines[0]) < 3:
        return None
    moments = cv2.moments(mask)
    centroid = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    kinds, counts = np.unique(types[mask > 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    first = order[1] if kinds[order[0]] == 0 and len(order) > 1 else order[0]
    return outlines[0], centroid, kinds[first], counts[first] / mask.sum()


def described_in_map(labels: NDArray[Any], types: NDArray[Any], number: int) -> tuple[Any, ...] | None:
    """One nucleus, for whose box the whole map is compared with its number."""
    mask = labels == number
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return described(labels[box], types[box], number)


def described_in_boxes(labels: NDArray[Any], types: NDArray[Any]) -> list[tuple[Any, ...] | None]:
    """All nuclei one by one, each in its bounding box."""
    boxes = ndimage.find_objects(labels)
    return [described(labels[box], types[box], number) for number, box in enumerate(boxes, start=1) if box is not None]


def beside_the_loop(raw: Map, types: Map) -> None:
    """The bundled model's kind of maps: ours, and a loop over the nuclei from the same label map."""
    copies = -(-SIDE // COPY)
    enlarged: NDArray[Any] = np.tile(cv2.resize(raw, (COPY, COPY)), (copies, copies, 1))[:SIDE, :SIDE]
    inside, contour = (np.ascontiguousarray(enlarged[..., channel]) for channel in (0, 1))
    grid: NDArray[Any] = cv2.resize(types, (COPY // 2, COPY // 2), interpolation=cv2.INTER_NEAREST)
    coarse: NDArray[Any] = np.tile(grid, (copies, copies))[: SIDE // 2, : SIDE // 2]
    fine = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)

    def cut_out() -> NDArray[np.int32]:
        return rimmed_nucleus_instances(inside, contour, BUNDLED.threshold, BUNDLED.marker, BUNDLED.finer)

    ours, table = measured(lambda: nuclei_in_tile(inside, contour, coarse, settings=BUNDLED))
    cut, labels = measured(cut_out)
    in_boxes, _ = measured(lambda: described_in_boxes(labels, fine))
    numbers = np.unique(labels)[1:]
    few, _ = measured(lambda: [described_in_map(labels, fine, number) for number in numbers[:FEW].tolist()], 1)
    boxes, whole = cut + in_boxes, cut + few * len(numbers) / FEW
    print(f"  the bundled model's kind of nuclei, {SIDE} x {SIDE} at 0.25 µm/px, {len(table)} nuclei")
    shown("table and simplified outlines, all steps", ours)
    shown("of that the label map", cut)
    shown("label map, then a loop over the nuclei in their boxes", boxes)
    shown(f"label map, then the reference's loop ({FEW} nuclei, scaled)", whole)
    print(f"    the reference's loop takes {whole / ours:.0f} times as long, the one in boxes {boxes / ours:.1f} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", type=Path, help="post_a.npz of the parity fixtures")
    stored = np.load(parser.parse_args().maps)
    raw = {name: stored[f"raw/{name}-INST"] for name in ("Nuclei", "Gland", "Lumen")}
    cv2.setNumThreads(1)
    keep_freed_memory()
    print("CPU seconds, one thread")
    beside_the_loop(raw["Nuclei"], stored["raw/Nuclei-TYPE"])
    for copies in (1, 4):
        run(raw, stored["raw/Nuclei-TYPE"], copies)


if __name__ == "__main__":
    main()
