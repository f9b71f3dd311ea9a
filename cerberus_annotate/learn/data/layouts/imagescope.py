"""Outlines as Aperio ImageScope writes them (XML), to an instance map."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from cerberus_annotate.errors import UsageError


@dataclass(frozen=True)
class Outline:
    """name: of the annotation that it belongs to, empty where it has none.  points: float64 (n, 2), x and y in px."""

    name: str
    points: NDArray[np.float64]


def read_outlines(path: Path) -> list[Outline]:
    """All regions of three points or more, in the file's order. Raises UsageError where it is no such file."""
    try:
        root = ElementTree.parse(path).getroot()
        return [
            Outline(_name(annotation), points)
            for annotation in root.iter("Annotation")
            for region in annotation.iter("Region")
            if len(points := _points(region)) >= 3
        ]
    except (ElementTree.ParseError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path}: is no ImageScope annotation file ({error}). Copy it again from its source."
        ) from error


def draw_instances(outlines: list[Outline], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Instance map (H, W), outline i as i + 1; where two overlap the first keeps the pixel.

    A pixel belongs to an outline that holds the pixel's index, on the border or inside, as in the published scripts.
    """
    instances = np.zeros(shape, np.int32)
    for number, outline in enumerate(outlines, start=1):
        rows, columns = polygon(outline.points[:, 1], outline.points[:, 0], shape)
        free = instances[rows, columns] == 0
        instances[rows[free], columns[free]] = number
    return instances


def _name(annotation: ElementTree.Element) -> str:
    """The attribute that MoNuSAC's annotators wrote the class in, else the name of the layer."""
    attribute = annotation.find("Attributes/Attribute")
    written = attribute.get("Name") if attribute is not None else None
    return written or annotation.get("Name") or ""


def _points(region: ElementTree.Element) -> NDArray[np.float64]:
    vertices = [(float(v.get("X", "nan")), float(v.get("Y", "nan"))) for v in region.iter("Vertex")]
    points = np.array(vertices, np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("a vertex without X or Y")
    return points
