"""QuPath's object hierarchy as a flat list of PathObjects."""

import math
import uuid as uuid_module
from collections.abc import Iterable, Iterator
from typing import Any

from cerberus_annotate.qupath.colours import from_argb
from cerberus_annotate.qupath.paquo.shapes import read_shapes
from cerberus_annotate.qupath.path_object import Kind, PathClass, PathObject

KINDS: dict[str, Kind] = {
    "PathAnnotationObject": "annotation",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tma_core",
}
_HALF = (1 << 64) - 1
#: One object, so that two readings of an object without probability are equal.
_NAN = float("nan")


def walk(hierarchy: Any) -> Iterator[Any]:
    """QuPath's objects without the root: children after their parent, before its siblings."""
    stack = list(reversed(list(hierarchy.getRootObject().getChildObjectsAsArray())))
    while stack:
        item = stack.pop()
        yield item
        if item.hasChildObjects():
            stack.extend(reversed(list(item.getChildObjectsAsArray())))


def uuid_of(item: Any) -> uuid_module.UUID:
    """The UUID of a QuPath object."""
    java = item.getID()
    high, low = int(java.getMostSignificantBits()), int(java.getLeastSignificantBits())
    return uuid_module.UUID(int=(high & _HALF) << 64 | low & _HALF)


class ClassReader:
    """Turns QuPath's PathClasses into ours; each is looked at once.

    QuPath keeps one colour a class for the whole process, so that a project opened before may have given it: the
    colours of this project's list (`listed`) come first.
    """

    def __init__(self, listed: Iterable[PathClass]) -> None:
        self._listed = {path_class.names: path_class for path_class in listed}
        self._known: dict[str, PathClass | None] = {}

    def read(self, java: Any) -> PathClass | None:
        """None for no class and for QuPath's null class."""
        if java is None:
            return None
        text = str(java.toString())
        if text not in self._known:
            self._known[text] = self._read(java)
        return self._known[text]

    def _read(self, java: Any) -> PathClass | None:
        chain: list[str] = []
        step = java
        while step is not None:
            if step.getName() is not None:
                chain.append(str(step.getName()))
            step = step.getParentClass()
        if not chain:
            return None
        colour = java.getColor()
        names = tuple(reversed(chain))
        return self._listed.get(names) or PathClass(names, None if colour is None else from_argb(int(colour)))


def read_objects(items: list[Any], classes: ClassReader) -> list[PathObject]:
    """The PathObject of each of QuPath's objects."""
    rois = [item.getROI() for item in items]
    nuclei = [item.getNucleusROI() if kind_of(item) == "cell" else None for item in items]
    present = [roi for roi in (*rois, *nuclei) if roi is not None]
    shapes = iter(zip(*read_shapes(present), strict=True))
    of_rois = [(None, "") if roi is None else next(shapes) for roi in rois]
    of_nuclei = [None if roi is None else next(shapes)[0] for roi in nuclei]
    return [
        _path_object(item, roi, shape, nucleus, classes)
        for item, roi, shape, nucleus in zip(items, rois, of_rois, of_nuclei, strict=True)
    ]


def kind_of(item: Any) -> Kind:
    return KINDS[type(item).__name__.rpartition(".")[2]]


def _path_object(item: Any, roi: Any, shape: tuple[Any, str], nucleus: Any, classes: ClassReader) -> PathObject:
    name, colour, parent = item.getName(), item.getColor(), item.getParent()
    probability = float(item.getClassProbability())
    return PathObject(
        roi=shape[0],
        kind=kind_of(item),
        roi_kind=shape[1],
        plane=(-1, 0, 0) if roi is None else (int(roi.getC()), int(roi.getZ()), int(roi.getT())),
        nucleus=nucleus,
        path_class=classes.read(item.getPathClass()),
        class_probability=_NAN if math.isnan(probability) else probability,
        name=None if name is None else str(name),
        locked=bool(item.isLocked()),
        colour=None if colour is None else from_argb(int(colour)),
        measurements=_measurements(item),
        metadata={str(entry.getKey()): str(entry.getValue()) for entry in item.getMetadata().entrySet()},
        parent=None if parent.isRootObject() else uuid_of(parent),
        uuid=uuid_of(item),
    )


def _measurements(item: Any) -> dict[str, float]:
    if not item.hasMeasurements():
        return {}
    listed = item.getMeasurementList()
    return dict(zip(map(str, listed.getMeasurementNames()), map(float, listed.values()), strict=False))
