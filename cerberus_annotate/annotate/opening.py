"""An image of the project made ready: may it be pre-labelled, where is its slide, how large is a pixel."""

import fnmatch
from collections.abc import Sequence

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.errors import ImageRefusedError, SlideError, UsageError
from cerberus_annotate.qupath import Image, Project, SlideLocation, slide_location
from cerberus_annotate.qupath.server import OPENSLIDE
from cerberus_annotate.slide.slide import Slide

TYPE_NAMES = {
    "BRIGHTFIELD_H_E": "Brightfield (H&E)",
    "BRIGHTFIELD_H_DAB": "Brightfield (H-DAB)",
    "BRIGHTFIELD_OTHER": "Brightfield (other)",
    "FLUORESCENCE": "Fluorescence",
    "OTHER": "Other",
    "UNSET": "not set",
}


def choose_images(project: Project, patterns: Sequence[str]) -> list[Image]:
    """The project's images whose name fits one of `patterns` (all without patterns).  Raises UsageError for none.

    A pattern that is letter by letter the name of an image means images of that name only.
    """
    images = list(project.images)
    if not images:
        raise UsageError(f"The project {project.path} has no images. Add slides with `cerberus-annotate create`.")
    own_names = {image.name for image in images}

    def fits(name: str, pattern: str) -> bool:
        return name == pattern if pattern in own_names else fnmatch.fnmatchcase(name, pattern)

    chosen = [image for image in images if not patterns or any(fits(image.name, pattern) for pattern in patterns)]
    if not chosen:
        names = ", ".join(image.name for image in images[:10]) + (", …" if len(images) > 10 else "")
        raise UsageError(f"No image of the project has a name like {' or '.join(patterns)}. Its images: {names}.")
    return chosen


def check_type(name: str, image_type: str, any_stain: bool) -> None:
    """Raises ImageRefusedError when the image is not H&E and that is not explicitly accepted."""
    if any_stain or image_type == "BRIGHTFIELD_H_E":
        return
    raise ImageRefusedError(
        f"Image '{name}' has the image type '{TYPE_NAMES.get(image_type, image_type)}' in QuPath, and the models know "
        "H&E only. If it is H&E, set its type in QuPath (Image tab) and save; else use --any-stain to label it all "
        "the same."
    )


def open_image(project: Project, image: Image, options: Options) -> Slide:
    """The open slide of an image.

    Raises SlideError when it is missing, unreadable, or not of the size that the project says (its coordinates
    would then be wrong).
    """
    from cerberus_annotate.slide import open_slide

    location = slide_location(image.server, project, slides_dirs=options.slides_dirs, image_name=image.name)
    slide = open_slide(location.path, crop_bounds=location.crop_bounds, series=location.series)
    said = image.width, image.height
    if None in said and location.provider != OPENSLIDE and _has_bounds(location, slide):
        slide.close()
        raise SlideError(
            f"The project does not say how large image '{image.name}' is, and only a part of its slide "
            f"{location.path} was scanned: where its coordinates begin is not known. Open it once in QuPath and save."
        )
    if None not in said and said != (slide.width, slide.height):
        slide.close()
        raise SlideError(
            f"Image '{image.name}' is {said[0]} x {said[1]} px in the project, but its slide {location.path} has "
            f"{slide.width} x {slide.height} px: coordinates would be wrong. Is it another file of the same name?"
        )
    return slide


def _has_bounds(location: SlideLocation, slide: Slide) -> bool:
    """Does the file name scanned bounds that are smaller than the `slide` opened without them?"""
    from cerberus_annotate.slide import open_slide

    with open_slide(location.path, crop_bounds=True, series=location.series) as cropped:
        return (cropped.width, cropped.height) != (slide.width, slide.height)


def pixel_size(image: Image, slide: Slide, given: tuple[float, float] | None) -> tuple[tuple[float, float], str]:
    """(x, y) in µm/px and where it is from: the project's calibration, else the file's, else `given`.

    Raises ImageRefusedError when nobody says it.
    """
    if image.pixel_size is not None:
        return image.pixel_size, "project"
    if slide.mpp is not None:
        return slide.mpp, "file"
    if given is not None:
        return given, "--mpp"
    raise ImageRefusedError(
        f"Neither the project nor the file says how large a pixel of image '{image.name}' is. Set it in QuPath "
        "(Image tab, double click on pixel width) or give it with --mpp, in µm (0.25 is usual for 40x, 0.5 for 20x)."
    )
