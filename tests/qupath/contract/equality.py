"""When two engines mean the same object."""

import math

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.qupath import PathObject

#: px; ellipses are polygons close to them, and a rectangle's far corner is x + (x2 - x) to QuPath.
TOLERANCE = 1e-6
#: px; QuPath rounds geometries to 0.01 px and then to float32 at every reading.
ROUNDING = 0.011


def same_number(one: float, other: float) -> bool:
    """Equal, both no number, or equal as float32, which is all that QuPath keeps of a detection's measurements."""
    with np.errstate(over="ignore"):
        return one == other or (math.isnan(one) and math.isnan(other)) or np.float32(one) == np.float32(other)


def assert_same_shape(one: BaseGeometry | None, other: BaseGeometry | None, kind: str) -> None:
    assert (one is None) == (other is None)
    if one is None or other is None:
        return
    assert one.geom_type == other.geom_type
    # 0.1 and 0.2 wrote areas as float rings; QuPath makes geometries of them, whose start and order are its own.
    if kind == "Area":
        assert one.symmetric_difference(other).area < 1e-3 * one.area
    else:
        assert shapely.equals_exact(one, other, ROUNDING if kind == "Geometry" else TOLERANCE)


def assert_same_object(one: PathObject, other: PathObject) -> None:
    for part in ("uuid", "parent", "kind", "roi_kind", "name", "locked", "colour", "plane", "path_class", "metadata"):
        assert getattr(one, part) == getattr(other, part), part
    assert (one.path_class and one.path_class.colour) == (other.path_class and other.path_class.colour)
    assert same_number(one.class_probability, other.class_probability)
    assert list(one.measurements) == list(other.measurements)
    for name, value in one.measurements.items():
        assert same_number(value, other.measurements[name]), name
    assert_same_shape(one.roi, other.roi, one.roi_kind)
    # The kind of a nucleus' ROI is not told.
    assert_same_shape(one.nucleus, other.nucleus, "Geometry")


def assert_same_objects(one: list[PathObject], other: list[PathObject]) -> None:
    """The same objects in the same order."""
    assert [item.uuid for item in one] == [item.uuid for item in other]
    for first, second in zip(one, other, strict=True):
        assert_same_object(first, second)
