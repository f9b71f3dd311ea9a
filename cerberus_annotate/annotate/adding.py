"""Slides into a project, as QuPath would add them."""

import io
from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.qupath import Project, ServerBuilder, server_for_slide
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


@dataclass(frozen=True)
class NewSlide:
    """A slide as a project will know it.  mpp: (x, y) µm/px or None. thumbnail: JPEG."""

    server: ServerBuilder
    name: str
    width: int
    height: int
    mpp: tuple[float, float] | None
    format: str
    thumbnail: bytes


def describe_slide(path: Path, mpp: tuple[float, float] | None = None) -> NewSlide:
    """Reads what a project must know of a slide or plain image.

    mpp: (x, y) µm/px for a file that does not say it; what the file says counts more.
    Raises SlideError when it cannot be opened.
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
        return NewSlide(server, slide.path.name, slide.width, slide.height, slide.mpp, slide.format, _thumbnail(slide))


def add_slide(project: Project, slide: NewSlide) -> Added:
    """Adds a slide with server metadata, thumbnail and image type H&E; one that is there already stays as it is.

    Raises ProjectError when the project cannot be written.
    """
    known = {image.id for image in project.images}
    image = project.add_image(slide.server, slide.name, thumbnail=slide.thumbnail)
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
