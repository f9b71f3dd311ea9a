"""Slides into a project, as QuPath would add them."""

import io
from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.qupath import Project, server_for_slide
from cerberus_annotate.slide import open_slide
from cerberus_annotate.slide.slide import Slide

THUMBNAIL_SIDE = 1000


@dataclass(frozen=True)
class Added:
    """One slide of a call.  is_new: it was not in the project before. mpp: (x, y) µm/px or None when nobody knows."""

    id: str
    name: str
    is_new: bool
    width: int
    height: int
    mpp: tuple[float, float] | None
    format: str


def add_slide(project: Project, path: Path, mpp: tuple[float, float] | None = None) -> Added:
    """Adds one slide or plain image with server metadata, thumbnail and image type H&E.

    mpp: (x, y) µm/px for a file that does not say it; what the file says counts more.
    Raises SlideError when it cannot be opened, ProjectError when the project cannot be written.
    """
    with open_slide(path) as slide:
        size = slide.mpp or mpp
        server = server_for_slide(
            slide.path,
            slide.path.name,
            slide.width,
            slide.height,
            slide.levels,
            size,
            slide.magnification,
            "openslide" if slide.format.startswith("openslide") else "bioformats",
        )
        known = {image.id for image in project.images}
        image = project.add_image(server, slide.path.name, thumbnail=_thumbnail(slide))
        return Added(
            image.id,
            image.name,
            image.id not in known,
            slide.width,
            slide.height,
            image.pixel_size or slide.mpp,
            slide.format,
        )


def _thumbnail(slide: Slide) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(slide.thumbnail(THUMBNAIL_SIDE)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
