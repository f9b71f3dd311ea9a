"""One way to open whatever a project names: OpenSlide first, then tifffile, then Pillow."""

from os import PathLike
from pathlib import Path

from cerberus_annotate.errors import SlideError
from cerberus_annotate.slide.recipe import SlideRecipe
from cerberus_annotate.slide.slide import Slide


def open_slide(path: str | PathLike[str], *, crop_bounds: bool = True, series: int = 0) -> Slide:
    """Open an image file, or a folder of DICOM files.

    crop_bounds: show only the scanned bounds that the file names, as QuPath does unless told `--no-crop`.
    series: index of the image in an OME-TIFF with several.
    Raises SlideError, with what to do, where the file is missing, damaged or of a kind that is not read.
    """
    file = _existing_file(Path(path))
    slide = _open_file(file, crop_bounds, series)
    slide.recipe = SlideRecipe(file.absolute(), crop_bounds, series, slide.width, slide.height)
    return slide


def open_recipe(recipe: SlideRecipe) -> Slide:
    """Open a slide again as it was opened where the recipe is from.

    Raises SlideError as `open_slide` does, and where the path names a slide of another size here.
    """
    slide = open_slide(recipe.path, crop_bounds=recipe.crop_bounds, series=recipe.series)
    if (slide.width, slide.height) == (recipe.width, recipe.height):
        return slide
    slide.close()
    raise SlideError(
        f"{recipe.path}: is {slide.width} x {slide.height} px here and {recipe.width} x {recipe.height} px where the "
        "run began. Every machine must see the same slides under the same path."
    )


def _open_file(file: Path, crop_bounds: bool, series: int) -> Slide:
    from cerberus_annotate.slide.openslide_reader import open_with_openslide
    from cerberus_annotate.slide.plain_image import open_with_pillow
    from cerberus_annotate.slide.tiff_reader import is_tiff, open_with_tifffile, openslide_misreads

    refused: SlideError | None = None
    if series == 0 and not openslide_misreads(file):
        try:
            slide: Slide | None = open_with_openslide(file, crop_bounds=crop_bounds)
            if slide is not None:
                return slide
        except SlideError as error:
            refused = error
    if is_tiff(file):
        try:
            slide = open_with_tifffile(file, series=series)
        except SlideError as error:
            raise refused or error from error
        if slide is not None:
            return slide
    if series:
        raise SlideError(f"{file}: has no series {series}; only OME-TIFF files hold several. Use series 0.")
    if refused is not None:
        raise refused
    return open_with_pillow(file)


def _existing_file(path: Path) -> Path:
    """The file to open: the path itself, or one DICOM file of the folder."""
    try:
        if path.is_dir():
            return _dicom_of(path)
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise SlideError(
            f"{path}: no such file. Check the path; if the slides were moved, say where they are now."
        ) from None
    except OSError as error:
        raise SlideError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
    if empty:
        raise SlideError(f"{path}: the file is empty. Copy it again from its source.")
    return path


def _dicom_of(folder: Path) -> Path:
    """The first DICOM file in a folder; OpenSlide finds the other levels beside it."""
    import openslide

    for file in sorted(folder.iterdir()):
        if file.is_file() and openslide.OpenSlide.detect_format(file) == "dicom":
            return file
    raise SlideError(
        f"{folder}: is a folder without DICOM slide files. Name the slide's file itself (for MIRAX the .mrxs "
        "beside the folder)."
    )
