"""One patch: its picture and label maps drawn, encoded and written."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.harvest.folder import PICTURES, PatchRecord, write_file
from cerberus_annotate.harvest.label_maps import counted_pixels, draw_instances, draw_mask
from cerberus_annotate.harvest.patches import Patch
from cerberus_annotate.slide.sampling import read_scaled
from cerberus_annotate.slide.slide import Slide

COLUMN_OF = {"nuclei": "nuclei", "gland": "glands", "lumen": "lumina"}
TYPE_COLUMN_OF = {"nuclei": "nucleus_types", "gland": "gland_types"}
DIGEST = 8
"""Characters of a digest that stand in a file's name."""


@dataclass(frozen=True)
class DrawnObjects:
    """All objects of a task in an image, in px of the patches' grid. types: index of each one's type, uint8 (n,)."""

    outlines: np.ndarray
    tree: shapely.STRtree
    types: NDArray[np.uint8]


@dataclass(frozen=True)
class PatchMaps:
    """What is drawn of a patch. maps: column → array (H, W). ignore: task → bool (H, W), what teaches it nothing."""

    maps: Mapping[str, NDArray]
    ignore: Mapping[str, NDArray[np.bool_]]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that have a pixel that counts."""
        return tuple(task for task, ignored in self.ignore.items() if not ignored.all())


def draw_patch(
    patch: Patch, tasks: Sequence[str], drawn: Mapping[str, DrawnObjects], unclear: Sequence[shapely.Geometry]
) -> PatchMaps:
    """The label maps of a patch. unclear: outlines, in px of the grid, whose pixels teach nothing."""
    shape = (patch.height, patch.width)
    here = shapely.box(patch.x, patch.y, patch.x + patch.width, patch.y + patch.height)
    hidden = np.zeros(shape, bool)
    for outline in unclear:
        if shapely.intersects(outline, here):
            hidden |= draw_mask(_moved(outline, patch), shape)
    maps: dict[str, NDArray] = {}
    ignore = {}
    for task in tasks:
        objects = drawn[task]
        near = np.sort(objects.tree.query(here, predicate="intersects"))
        instances = draw_instances([_moved(outline, patch) for outline in objects.outlines[near]], shape)
        maps[COLUMN_OF[task]] = instances
        if task in TYPE_COLUMN_OF:
            maps[TYPE_COLUMN_OF[task]] = np.concatenate([[0], objects.types[near]]).astype(np.uint8)[instances]
        # an outline on something unclear is an answer to it
        ignore[task] = ~counted_pixels(patch, task, instances, near) | (hidden & (instances == 0))
    return PatchMaps(maps, ignore)


def patch_digest(patch: Patch, maps: PatchMaps, pixels: str) -> str:
    """SHA-256 of all that a patch will hold. pixels: what tells the slide's own content from another."""
    digest = hashlib.sha256(f"{pixels} {patch.x} {patch.y} {patch.width} {patch.height}".encode())
    for arrays in (maps.maps, maps.ignore):
        for name, array in arrays.items():
            digest.update(name.encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def write_patch(
    folder: Path,
    name: str,
    patch: Patch,
    maps: PatchMaps,
    digest: str,
    slide: Slide,
    scale: tuple[float, float],
    mpp: float,
) -> PatchRecord:
    """Reads the pixels and writes all files of a patch. scale: level-0 px of a pixel of the grid.

    Raises SlideError, and UsageError when the disk refuses.
    """
    checksums: dict[str, str] = {}

    def written(column: str, array: NDArray, suffix: str = "") -> str:
        path = f"{column}/{name}-{digest[:DIGEST]}{suffix}.png"
        checksums[path] = write_file(folder, path, encode_png(array))
        return path

    tasks = maps.tasks
    used = {COLUMN_OF[task] for task in tasks} | {TYPE_COLUMN_OF[task] for task in tasks if task in TYPE_COLUMN_OF}
    rgb = read_scaled(slide, patch.x, patch.y, patch.width, patch.height, scale)
    picture = written(PICTURES, rgb[..., ::-1])
    paths = {column: written(column, array) for column, array in maps.maps.items() if column in used}
    alike: dict[bytes, list[str]] = defaultdict(list)
    for task in tasks:
        alike[hashlib.sha256(maps.ignore[task].tobytes()).digest()].append(task)
    rows = {}
    for number, together in enumerate(alike.values()):
        ignored = maps.ignore[together[0]]
        columns = {"image": picture}
        for task in together:
            columns[COLUMN_OF[task]] = paths[COLUMN_OF[task]]
            if task in TYPE_COLUMN_OF:
                columns[TYPE_COLUMN_OF[task]] = paths[TYPE_COLUMN_OF[task]]
        if ignored.any():
            columns["ignore"] = written("ignore", ignored.astype(np.uint8) * 255, f"-{number}" if number else "")
        rows[",".join(together)] = columns
    return PatchRecord(
        name=name,
        x=round(patch.x * scale[0], 2),
        y=round(patch.y * scale[1], 2),
        width=round(patch.width * scale[0], 2),
        height=round(patch.height * scale[1], 2),
        mpp=mpp,
        digest=digest,
        rows=rows,
        checksums=checksums,
    )


def encode_png(array: NDArray) -> bytes:
    """PNG of uint8 or uint16, (H, W) or (H, W, 3) in the order blue, green, red."""
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(array), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError(f"no PNG of {array.shape} {array.dtype}")
    return encoded.tobytes()


def _moved(outline: shapely.Geometry, patch: Patch) -> shapely.Geometry:
    return shapely.transform(outline, lambda xy: xy - (patch.x, patch.y))
