"""A picture of what was found: outlines in the colours of their classes on the slide."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import box

from cerberus_annotate.qupath import PathObject
from cerberus_annotate.slide import Region, Slide

WINDOW = 3000  # level-0 px; of a larger slide the part with most objects is shown
SMALLEST_SIDE = 1200  # px of the picture


def write_overlay(slide: Slide, objects: Sequence[PathObject], path: Path) -> None:
    """Draws the outlines of `objects` (level-0 px) on the slide and writes a PNG."""
    from PIL import Image, ImageDraw

    region = _window(slide, objects)
    zoom = max(1, -(-SMALLEST_SIDE // max(region.width, region.height)))
    picture = Image.fromarray(slide.read(region, 0)).resize(
        (region.width * zoom, region.height * zoom), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(picture)
    frame = box(region.x, region.y, region.x + region.width, region.y + region.height)
    # large ones first, so that nuclei stay visible on gland outlines
    for obj in sorted(objects, key=lambda found: 0.0 if found.roi is None else -found.roi.area):
        if obj.roi is None or not obj.roi.intersects(frame):
            continue
        colour = (0, 0, 0) if obj.path_class is None else obj.path_class.colour or (0, 0, 0)
        for part in shapely.get_parts(obj.roi):
            for ring in (part.exterior, *part.interiors) if part.geom_type == "Polygon" else ():
                points = (np.asarray(ring.coords) - (region.x, region.y)) * zoom
                draw.line([(x, y) for x, y in points.tolist()], fill=colour, width=2, joint="curve")
    picture.save(path)


def _window(slide: Slide, objects: Sequence[PathObject]) -> Region:
    """The whole slide where it is small, else the window with most objects."""
    width, height = min(slide.width, WINDOW), min(slide.height, WINDOW)
    outlines = [obj.roi for obj in objects if obj.roi is not None]
    x = y = 0
    if outlines and (width, height) != (slide.width, slide.height):
        centres = shapely.get_coordinates(shapely.centroid(np.array(outlines, object))) // WINDOW
        cells, counts = np.unique(centres, axis=0, return_counts=True)
        x, y = (cells[counts.argmax()] * WINDOW).astype(int).tolist()
    return Region(min(x, slide.width - width), min(y, slide.height - height), width, height)
