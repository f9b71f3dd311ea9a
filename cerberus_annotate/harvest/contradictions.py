"""Places that were harvested twice with labels that contradict each other."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.harvest.folder import Harvest, ImageRecord, PatchRecord
from cerberus_annotate.harvest.formats.patch_files import read_map
from cerberus_annotate.harvest.writing import COLUMN_OF

AGREEING = 0.9
"""Dice of two label maps from which they say the same; hand-drawn outlines never agree wholly."""


@dataclass(frozen=True)
class _Source:
    folder: Path
    image: ImageRecord
    patch: PatchRecord


def contradictions(harvests: Mapping[Path, Harvest]) -> tuple[str, ...]:
    """A sentence for each two images, of one harvest or of two, that label the same place of a slide differently.

    harvests: by folder. Slides are the same when their files have the same name. Compared are the pixels that count
    in both; their Dice is below 0.9 where the labels contradict each other. Raises UsageError where a file is gone.
    """
    by_slide: dict[str, list[list[_Source]]] = defaultdict(list)
    for folder, harvest in harvests.items():
        for image in harvest.images.values():
            by_slide[image.slide].append([_Source(folder, image, patch) for patch in image.patches])
    found: dict[tuple[str, ...], str] = {}
    for images in by_slide.values():
        for one, other in _overlapping(images):
            for task, dice in _agreement(one, other):
                key = (str(one.folder), one.image.id, str(other.folder), other.image.id, task)
                if dice < AGREEING and key not in found:
                    found[key] = (
                        f"The slide {one.image.slide} is labelled in two ways ({task}, Dice {dice:.2f} at x "
                        f"{max(one.patch.x, other.patch.x):.0f}, y {max(one.patch.y, other.patch.y):.0f}): as "
                        f"{_where(one)} and as {_where(other)}. Both are kept, on the side of the split that each "
                        "harvest gave them; take the Reviewed mark off the one that is wrong and harvest again."
                    )
    return tuple(found.values())


def _where(source: _Source) -> str:
    return f"image '{source.image.name}' ({source.image.id}) of {source.folder}"


def _overlapping(images: list[list[_Source]]) -> Iterator[tuple[_Source, _Source]]:
    """Patches of two images at one place."""
    for some, others in combinations(images, 2):
        yield from ((one, other) for one in some for other in others if overlap(one.patch, other.patch))


def overlap(one: PatchRecord, other: PatchRecord) -> bool:
    """Whether two patches of a slide share a pixel."""
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def _agreement(one: _Source, other: _Source) -> Iterator[tuple[str, float]]:
    """Dice of each task that both teach at the same pixels; nothing where they have other pixel sizes."""
    scale = one.patch.width / _width(one)
    if abs(other.patch.width / _width(other) / scale - 1) > 0.01:
        return
    for task in COLUMN_OF:
        maps = [_counted(source, task) for source in (one, other)]
        if maps[0] is None or maps[1] is None:
            continue
        x0, y0 = (round(max(a, b) / scale) for a, b in ((one.patch.x, other.patch.x), (one.patch.y, other.patch.y)))
        views = []
        for source, (instances, ignored) in zip((one, other), (maps[0], maps[1]), strict=True):
            left, top = x0 - round(source.patch.x / scale), y0 - round(source.patch.y / scale)
            views.append((instances[top:, left:] > 0, ignored[top:, left:]))
        height, width = (min(view[0].shape[axis] for view in views) for axis in (0, 1))
        (a, ignored_a), (b, ignored_b) = ((m[:height, :width], i[:height, :width]) for m, i in views)
        counted = ~ignored_a & ~ignored_b
        total = int((a & counted).sum() + (b & counted).sum())
        if total:
            yield task, 2 * int((a & b & counted).sum()) / total


def _width(source: _Source) -> int:
    first = next(iter(source.patch.rows.values()))
    return int(read_map(source.folder, first["image"]).shape[1])


def _counted(source: _Source, task: str) -> tuple[NDArray, NDArray[np.bool_]] | None:
    for tasks, paths in source.patch.rows.items():
        if task in tasks.split(","):
            instances = read_map(source.folder, paths[COLUMN_OF[task]])
            ignored = (
                read_map(source.folder, paths["ignore"]) > 0 if "ignore" in paths else np.zeros(instances.shape, bool)
            )
            return instances, ignored
    return None
