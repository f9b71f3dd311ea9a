"""What of a slide could not be read: for the record of its image, and as an area in which nothing is decided."""

from collections.abc import Sequence

import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.objects.predicted import LeftOut

TOLD = 5
"""Parts that are told one by one."""


def unread_area(left_out: Sequence[LeftOut]) -> BaseGeometry | None:
    """The union of the parts in level-0 px, None for none."""
    if not left_out:
        return None
    corners = [(part.x, part.y, part.x + part.width, part.y + part.height) for part in left_out]
    return shapely.union_all(shapely.box(*zip(*corners, strict=True)))


def unread_notes(name: str, left_out: Sequence[LeftOut]) -> list[str]:
    """Sentences on the parts of an image."""
    notes = [
        f"Image '{name}': the part at {part.x}, {part.y} of {part.width} x {part.height} px could not be read "
        f"({part.reason.rstrip('.')}) and has no predictions."
        for part in left_out[:TOLD]
    ]
    if len(left_out) > TOLD:
        notes.append(f"Image '{name}': {len(left_out) - TOLD:,} more parts could not be read and have no predictions.")
    return notes
