"""One patch: its picture and label maps drawn, encoded and written."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    patch: Patch, tasks: Sequence[str], drawn: Mapping[str, DrawnObjects], unclear: shapely.STRtree
) -> PatchMaps:
    """The label maps of a patch. unclear: of outlines, in px of the grid, whose pixels teach nothing."""
    shape = (patch.height, patch.width)
    here = shapely.box(patch.x, patch.y, patch.x + patch.width, patch.y + patch.height)
    hidden = draw_mask(_moved(unclear.geometries[unclear.query(here)], patch), shape)
    maps: dict[str, NDArray] = {}
    ignore = {}
    for task in tasks:
        objects = drawn[task]
        near = np.sort(objects.tree.query(here, predicate="intersects"))
        instances = draw_instances(_moved(objects.outlines[near], patch), shape)
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
    tasks = maps.tasks
    used = {COLUMN_OF[task] for task in tasks} | {TYPE_COLUMN_OF[task] for task in tasks if task in TYPE_COLUMN_OF}
    ending = f"{name}-{digest[:DIGEST]}"
    rgb = read_scaled(slide, patch.x, patch.y, patch.width, patch.height, scale)
    picture = f"{PICTURES}/{ending}.png"
    arrays: dict[str, NDArray] = {picture: rgb}
    for column in used:
        arrays[f"{column}/{ending}.png"] = maps.maps[column]
    alike: dict[bytes, list[str]] = defaultdict(list)
    for task in tasks:
        alike[hashlib.sha256(maps.ignore[task].tobytes()).digest()].append(task)
    rows = {}
    for number, together in enumerate(alike.values()):
        ignored = maps.ignore[together[0]]
        columns = {"image": picture}
        for task in together:
            columns[COLUMN_OF[task]] = f"{COLUMN_OF[task]}/{ending}.png"
            if task in TYPE_COLUMN_OF:
                columns[TYPE_COLUMN_OF[task]] = f"{TYPE_COLUMN_OF[task]}/{ending}.png"
        if ignored.any():
            columns["ignore"] = f"ignore/{ending}{f'-{number}' if number else ''}.png"
            arrays[columns["ignore"]] = ignored.astype(np.uint8) * 255
        rows[",".join(together)] = columns
    with ThreadPoolExecutor(2) as pool:  # the picture takes as long as all maps together
        written = pool.map(lambda path: write_file(folder, path, encode_png(arrays[path])), arrays)
        checksums = dict(zip(arrays, written, strict=True))
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
    """PNG of uint8 or uint16, a map (H, W) or a picture (H, W, 3).

    One filter and run lengths: three times faster than a PNG's usual settings, and on tissue hardly larger.
    """
    import imagecodecs

    png = imagecodecs.PNG
    return bytes(
        imagecodecs.png_encode(np.ascontiguousarray(array), level=1, strategy=png.STRATEGY.RLE, filter=png.FILTER.UP)
    )


def _moved(outlines: Any, patch: Patch) -> Any:
    """One outline or an array of them in px of the patch."""
    return shapely.transform(outlines, lambda xy: xy - (patch.x, patch.y))
