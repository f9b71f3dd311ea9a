"""What QuPath calls a PathClass and a PathObject, as plain data."""

import uuid as uuid_module
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shapely.geometry.base import BaseGeometry

from cerberus_annotate.errors import ProjectError

Kind = Literal["annotation", "detection", "cell", "tile", "tma_core"]


class InvalidObjectError(ProjectError, ValueError):
    """An object that QuPath must not get: its shape, class, UUID or metadata are not in order."""


@dataclass(frozen=True)
class PathClass:
    """A classification: its names from the base to the last derived one, and the last one's colour.

    `colour` is (red, green, blue) or None. Two classes are equal when their names are.
    """

    names: tuple[str, ...]
    colour: tuple[int, int, int] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, text: str, colour: tuple[int, int, int] | None = None) -> "PathClass":
        """The class that QuPath prints as `text`, such as `Tumor: Positive`.

        Raises ValueError when a part is blank or holds a line break, which QuPath's own API refuses as well.
        """
        names = tuple(part.strip() for part in text.split(":"))
        if any(not name or "\n" in name or "\r" in name for name in names):
            raise ValueError(f"'{text}' cannot be a class name: no part between ':' may be blank or hold a line break")
        return cls(names, colour)

    @property
    def base(self) -> str:
        """The first name: `Tumor` of `Tumor: Positive`."""
        return self.names[0]

    def __str__(self) -> str:
        return ": ".join(self.names)


@dataclass(frozen=True)
class PathObject:
    """One object of QuPath's hierarchy.

    roi: shapely geometry in level-0 pixels of the image as QuPath shows it, or None.
    roi_kind: QuPath's own name: Rectangle, Ellipse, Line, Polygon, Polyline, Points, Geometry, Area; "" without
        ROI. An ellipse that is not replaced stays an ellipse in the file; its `roi` is a polygon close to it.
    plane: (c, z, t); c is -1 for all channels.
    nucleus: shapely geometry of a cell's nucleus, else None.
    class_probability: NaN when none.  colour: (red, green, blue) of the object itself, or None.
    parent: uuid of the parent object, None at the root.
    """

    roi: BaseGeometry | None
    kind: Kind = "annotation"
    roi_kind: str = ""
    plane: tuple[int, int, int] = (-1, 0, 0)
    nucleus: BaseGeometry | None = None
    path_class: PathClass | None = None
    class_probability: float = float("nan")
    name: str | None = None
    locked: bool = False
    colour: tuple[int, int, int] | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    parent: uuid_module.UUID | None = None
    uuid: uuid_module.UUID = field(default_factory=uuid_module.uuid4)
