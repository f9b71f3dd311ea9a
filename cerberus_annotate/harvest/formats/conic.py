"""Arrays as CoNIC has them (arXiv 2111.14485): 256 px windows at 0.5 µm/px with a map of instances and one of types."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.errors import UsageError
from cerberus_annotate.harvest.folder import Harvest, PatchRecord
from cerberus_annotate.harvest.formats.patch_files import read_map

SIDE = 256
MPP = 0.5
TYPES = ("", "neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")
"""CoNIC's classes by number; a nucleus of any other type has the number 0 in the map of types."""


@dataclass(frozen=True)
class _Window:
    patch: PatchRecord
    split: str
    slide: str
    x: int
    y: int


def write_conic(folder: Path, harvest: Harvest) -> Path:
    """Writes `conic/images.npy` (N, 256, 256, 3) uint8, `labels.npy` (N, 256, 256, 2) uint16, `patch_info.csv`, and
    `ignore.npy` (N, 256, 256) bool, which CoNIC does not have: True where nobody looked, or beyond the patch.

    Windows lie side by side in the patches; those without a pixel that counts for nuclei are left out.
    """
    target = folder / "conic"
    windows = list(_windows(folder, harvest))
    table = np.zeros(256, np.uint16)
    for index, name in enumerate(harvest.labels["nuclei"]):
        table[index] = TYPES.index(name) if index and name in TYPES else 0
    try:
        target.mkdir(exist_ok=True)
        shapes = {"images": ((3,), np.uint8), "labels": ((2,), np.uint16), "ignore": ((), np.bool_)}
        arrays = {
            name: np.lib.format.open_memmap(
                target / f"{name}.npy", mode="w+", dtype=kind, shape=(len(windows), SIDE, SIDE, *more)
            )
            for name, (more, kind) in shapes.items()
        }
        last: PatchRecord | None = None
        wholes: tuple[NDArray[Any], ...] = ()
        for number, window in enumerate(windows):
            if last is not window.patch:
                last, wholes = window.patch, _resampled(folder, window.patch, table)
            here = np.s_[window.y : window.y + SIDE, window.x : window.x + SIDE]
            for name, whole, beyond in zip(shapes, wholes, (255, 0, True), strict=True):
                piece: NDArray[Any] = whole[here]
                arrays[name][number] = beyond
                arrays[name][number, : piece.shape[0], : piece.shape[1]] = piece
        for array in arrays.values():
            array.flush()
        with (target / "patch_info.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["patch_info", "split", "slide"])
            rows.writerows([f"{one.patch.name}-{one.y:04d}{one.x:04d}", one.split, one.slide] for one in windows)
    except OSError as error:
        raise UsageError(f"{target} could not be written: {error.strerror or error}.") from error
    return target


def _windows(folder: Path, harvest: Harvest) -> Iterator[_Window]:
    for record in harvest.images.values():
        for patch in record.patches:
            ignored = _ignored(folder, patch)
            if ignored is None:
                continue
            height, width = ignored.shape
            for y in range(0, height, SIDE):
                for x in range(0, width, SIDE):
                    if not ignored[y : y + SIDE, x : x + SIDE].all():
                        yield _Window(patch, harvest.splits[record.group], record.slide, x, y)


def _ignored(folder: Path, patch: PatchRecord) -> NDArray[np.bool_] | None:
    """What does not count for nuclei, at 0.5 µm/px; None where the patch does not teach them."""
    row = _row(patch)
    if row is None:
        return None
    path = row.get("ignore")
    pixels = read_map(folder, path) if path else np.zeros(read_map(folder, row["nuclei"]).shape, np.uint8)
    return cv2.resize(pixels, _size(pixels, patch), interpolation=cv2.INTER_NEAREST_EXACT) > 0


def _row(patch: PatchRecord) -> dict[str, str] | None:
    return next((dict(row) for row in patch.rows.values() if "nuclei" in row), None)


def _size(pixels: NDArray, patch: PatchRecord) -> tuple[int, int]:
    """(width, height) at 0.5 µm/px."""
    return (
        max(1, round(pixels.shape[1] * patch.mpp / MPP)),
        max(1, round(pixels.shape[0] * patch.mpp / MPP)),
    )


def _resampled(
    folder: Path, patch: PatchRecord, table: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.bool_]]:
    """Picture, instances with types, and what does not count, at 0.5 µm/px."""
    row, ignored = _row(patch), _ignored(folder, patch)
    assert row is not None
    assert ignored is not None
    rgb = np.ascontiguousarray(read_map(folder, row["image"]), np.uint8)
    size = _size(rgb, patch)
    shrinks = patch.mpp < MPP
    picture = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    maps = [read_map(folder, row["nuclei"]).astype(np.uint16), table[read_map(folder, row["nucleus_types"])]]
    labels = [cv2.resize(one, size, interpolation=cv2.INTER_NEAREST_EXACT) for one in maps]
    return picture.astype(np.uint8), np.stack(labels, axis=-1).astype(np.uint16), ignored
