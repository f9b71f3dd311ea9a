"""Colours and default classes as QuPath has them."""

import hashlib

from cerberus_annotate.qupath.path_object import PathClass

Colour = tuple[int, int, int]

#: The class list that QuPath puts into a new project.
DEFAULT_CLASSES = (
    PathClass(("Tumor",), (200, 0, 0)),
    PathClass(("Stroma",), (150, 200, 150)),
    PathClass(("Immune cells",), (160, 90, 160)),
    PathClass(("Necrosis",), (50, 50, 50)),
    PathClass(("Other",), (255, 200, 0)),
    PathClass(("Region*",), (0, 0, 180)),
    PathClass(("Ignore*",), (180, 180, 180)),
    PathClass(("Positive",), (250, 62, 62)),
    PathClass(("Negative",), (112, 112, 225)),
)

_DEFAULT_COLOURS = {path_class.names: path_class.colour for path_class in DEFAULT_CLASSES}


def to_argb(colour: Colour) -> int:
    """Java's signed 32-bit number of an opaque (red, green, blue)."""
    red, green, blue = (int(part) for part in colour)
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError(f"{colour} is no colour: red, green and blue go from 0 to 255")
    return ((0xFF << 24 | red << 16 | green << 8 | blue) ^ (1 << 31)) - (1 << 31)


def from_argb(number: int) -> Colour:
    """(red, green, blue) of a packed colour; alpha is dropped, as QuPath does."""
    return (number >> 16) & 255, (number >> 8) & 255, number & 255


def default_colour(names: tuple[str, ...]) -> Colour:
    """QuPath's colour of its own classes; for others one that is the same on every machine and run."""
    known = _DEFAULT_COLOURS.get(names)
    if known is not None:
        return known
    digest = hashlib.sha256(": ".join(names).encode("utf-8", "surrogatepass")).digest()
    return digest[0] % 200 + 28, digest[1] % 200 + 28, digest[2] % 200 + 28
