"""How to open a slide once more, in another process or on another machine."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SlideRecipe:
    """What `open_recipe` needs; may be pickled.

    path: absolute path of the file (for DICOM: the file that stands for its folder); the same on every machine.
    crop_bounds, series: as `open_slide` was told.
    width, height: the slide's size in level-0 px, so that another file of the same name is noticed.
    """

    path: Path
    crop_bounds: bool
    series: int
    width: int
    height: int
