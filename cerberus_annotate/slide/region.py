"""A rectangle of an image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """Rectangle in level-0 pixels of the image as QuPath shows it (after bounds cropping); ends exclusive."""

    x: int
    y: int
    width: int
    height: int
