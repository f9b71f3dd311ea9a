"""Seconds from probability maps to objects, on one core: nuclei, glands and lumina of a parity map, and nuclei, glands
and lumina of a 4096 x 4096 tile put together from copies of it.

    python benchmarks/extraction.py SHARED/parity/post_a.npz
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.objects.instances import (
    AreaSettings,
    area_foreground,
    gland_instances,
    gland_settings,
    lumen_instances,
    lumen_settings,
    nucleus_instances,
)
from cerberus_annotate.objects.joining import AreaJoiner, area_objects, resolve_overlaps
from cerberus_annotate.objects.level0 import at_level0
from cerberus_annotate.objects.nuclei import nuclei_in_tile
from cerberus_annotate.objects.polygons import trace_polygons
from cerberus_annotate.objects.simplify import simplify_polygons

Map = NDArray[np.float32]


def timed(what: str, work: Callable[[], Any]) -> Any:
    start = time.process_time()
    result = work()
    print(f"    {what:<52}{time.process_time() - start:8.2f} s")
    return result


def areas(inside: Map, contour: Map, settings: AreaSettings, task: str) -> int:
    joiner = AreaJoiner(settings, inside.shape[::-1], [(0, 0)])
    found = joiner.add_tile((0, 0), 0, 0, area_foreground(inside, contour, settings), inside)
    return len(area_objects(resolve_overlaps(found), task))


def run(raw: dict[str, Map], types: NDArray[np.uint8], copies: int) -> None:
    def head(name: str) -> tuple[Map, Map]:
        both = np.tile(raw[name], (copies, copies, 1))
        return np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1])

    nuclei, gland, lumen = head("Nuclei"), head("Gland"), head("Lumen")
    side = nuclei[0].shape[0]
    print(f"  {side} x {side}")
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", type=Path, help="post_a.npz of the parity fixtures")
    stored = np.load(parser.parse_args().maps)
    raw = {
        name: stored[f"raw/{name}-INST"].astype(np.float32) / np.float32(255) for name in ("Nuclei", "Gland", "Lumen")
    }
    cv2.setNumThreads(1)
    print("CPU seconds, one thread")
    for copies in (1, 4):
        run(raw, stored["raw/Nuclei-TYPE"], copies)


if __name__ == "__main__":
    main()
