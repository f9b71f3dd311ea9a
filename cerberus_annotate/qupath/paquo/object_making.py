"""QuPath's own objects, made and changed through its own functions."""

from collections.abc import Mapping
from typing import Any

from cerberus_annotate.qupath.colours import Colour, default_colour, to_argb
from cerberus_annotate.qupath.paquo.data_file import java_uuid
from cerberus_annotate.qupath.paquo.virtual_machine import java_class
from cerberus_annotate.qupath.path_object import PathClass, PathObject

Listed = Mapping[tuple[str, ...], PathClass]


def make_object(item: PathObject, roi: Any, nucleus: Any, listed: Listed) -> Any:
    """A new object, not in any hierarchy.  `listed`: the project's classes, whose colours come first."""
    make = java_class("qupath.lib.objects.PathObjects")
    if item.kind == "cell":
        java = make.createCellObject(roi, nucleus)
    elif item.kind == "tile":
        java = make.createTileObject(roi)
    elif item.kind == "detection":
        java = make.createDetectionObject(roi)
    else:
        java = make.createAnnotationObject(roi)
    java.setID(java_uuid(item.uuid.int))
    if item.name is not None:
        set_name(java, item.name)
    if item.metadata:
        set_metadata(java, item.metadata)
    if item.measurements:
        set_measurements(java, item.measurements)
    set_class(java, item, listed)
    if item.colour is not None:
        set_colour(java, item.colour)
    java.setLocked(item.locked)
    return java


def set_name(java: Any, name: str | None) -> None:
    java.setName(name)


def set_metadata(java: Any, metadata: Mapping[str, str]) -> None:
    held = java.getMetadata()
    held.clear()
    for key, text in metadata.items():
        held.put(key, text)


def set_measurements(java: Any, measurements: Mapping[str, float]) -> None:
    """QuPath holds those of detections as float32."""
    held = java.getMeasurementList()
    held.clear()
    for name, value in measurements.items():
        held.put(name, float(value))
    held.close()


def set_class(java: Any, item: PathObject, listed: Listed) -> None:
    """Class and its probability. QuPath takes an object's own colour away with it, so colours come afterwards."""
    path_class = None if item.path_class is None else java_path_class(item.path_class, listed)
    java.setPathClass(path_class, float(item.class_probability))


def java_path_class(path_class: PathClass, listed: Listed) -> Any:
    """QuPath's one object of a class; a new one gets the project's colour, else its own, else the usual one."""
    make = java_class("qupath.lib.objects.classes.PathClass")
    java = None
    for depth in range(1, len(path_class.names) + 1):
        chain = path_class.names[:depth]
        own = path_class.colour if chain == path_class.names else None
        colour = (listed[chain].colour if chain in listed else None) or own or default_colour(chain)
        boxed = java_class("java.lang.Integer").valueOf(to_argb(colour))
        java = make.getInstance(java, chain[-1], boxed)
    return java


def set_colour(java: Any, colour: Colour | None) -> None:
    """The object's own colour."""
    java.setColor(None if colour is None else java_class("java.lang.Integer").valueOf(to_argb(colour)))


def set_nucleus(java: Any, nucleus: Any) -> None:
    """QuPath has no function for it."""
    field = java_class("qupath.lib.objects.PathCellObject").class_.getDeclaredField("nucleus")
    field.setAccessible(True)
    field.set(java, nucleus)
