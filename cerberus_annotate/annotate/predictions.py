"""What a run predicted in one image, as it can be written: areas in memory, nuclei in pieces."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from shapely.geometry.base import BaseGeometry

from cerberus_annotate.annotate.classes import ClassTable
from cerberus_annotate.annotate.written import prepare_predictions
from cerberus_annotate.objects.predicted import ObjectSource, PredictedObject
from cerberus_annotate.qupath import PathClass

PIECE = 5_000
"""Predictions that are made ready at a time; each is held in three forms then."""


@dataclass(frozen=True)
class Predictions:
    """areas: all but nuclei. nuclei: in pieces, to be walked once. classes: class text → class with its colour, of all
    that was given so far.
    """

    areas: Sequence[PredictedObject]
    nuclei: Iterator[list[PredictedObject]]
    classes: Mapping[str, PathClass]


def predictions_of(
    source: ObjectSource,
    outlines: Sequence[PredictedObject],
    size: tuple[int, int],
    within: BaseGeometry | None,
    table: ClassTable,
    min_confidence: float,
) -> Predictions:
    """The objects of a source, each piece made as `prepare_predictions` does when it is asked for.

    outlines: of the tissue, which are written wherever they are.
    """
    classes: dict[str, PathClass] = {}

    def prepared(found: Sequence[PredictedObject], within: BaseGeometry | None, least: float) -> list[PredictedObject]:
        for text in sorted({each.path_class for each in found}):
            path_class = table.path_class(text)
            classes.setdefault(str(path_class), path_class)
        return prepare_predictions(found, size, within, table, least)

    pieces = (
        prepared(found[start : start + PIECE], within, min_confidence)
        for found in source.chunks()
        for start in range(0, len(found), PIECE)
    )
    areas: list[PredictedObject] = []
    first: list[list[PredictedObject]] = []
    for piece in pieces:
        nuclei = [each for each in piece if each.task == "nuclei"]
        areas += [each for each in piece if each.task != "nuclei"]
        if nuclei:
            first.append(nuclei)
            break
    areas += prepared(outlines, None, 0)
    return Predictions(areas, chain(first, pieces), classes)
