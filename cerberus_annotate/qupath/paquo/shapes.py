"""ROIs of QuPath as shapely geometries, and the way back."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.qupath.java.values import JavaObject
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native.object_parts import field_values
from cerberus_annotate.qupath.native.roi_reading import Plane, ellipses
from cerberus_annotate.qupath.paquo.virtual_machine import java_class

_EMPTY = {"Polygon": shapely.Polygon(), "Polyline": shapely.LineString(), "Points": shapely.MultiPoint()}
_LEAST = {"Polygon": 3, "Polyline": 2, "Points": 1}


def read_shapes(rois: Sequence[Any]) -> tuple[list[BaseGeometry], list[str]]:
    """The geometry (level-0 px) and QuPath's name of the kind of each Java ROI, vertices exactly as QuPath has them."""
    kinds = [type(roi).__name__.rpartition(".")[2].removesuffix("ROI") for roi in rois]
    geometries: list[Any] = [None] * len(rois)
    rings, owners = [], []
    writer = java_class("org.locationtech.jts.io.WKBWriter")()
    for place, (roi, kind) in enumerate(zip(rois, kinds, strict=True)):
        if kind in _LEAST:
            points = _points(roi)
            if kind == "Polygon" and len(points) >= 3:
                rings.append(points)
                owners.append(place)
            else:
                geometries[place] = _sequence(kind, points)
        elif kind == "Rectangle":
            (x, y), (x2, y2) = _corners(roi)
            geometries[place] = shapely.box(x, y, x2, y2)
        elif kind == "Ellipse":
            geometries[place] = ellipses(_corners(roi).reshape(1, 4))[0]
        elif kind == "Line":
            ends = [float(roi.getX1()), float(roi.getY1())], [float(roi.getX2()), float(roi.getY2())]
            geometries[place] = shapely.LineString(ends)
        else:
            geometries[place] = shapely.from_wkb(bytes(writer.write(roi.getGeometry())))
    if rings:
        indices = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
        built = shapely.polygons(shapely.linearrings(np.concatenate(rings), indices=indices))
        for place, polygon in zip(owners, built, strict=True):
            geometries[place] = polygon
    return geometries, kinds


@functools.cache
def _coordinates() -> tuple[Any, Any]:
    """Java functions Point2 → x and → y: whole lists of points are read in a few calls instead of two a vertex."""
    handles = java_class("java.lang.invoke.MethodHandles").publicLookup()
    returns = java_class("java.lang.invoke.MethodType").methodType(java_class("java.lang.Double").TYPE)
    proxies = java_class("java.lang.invoke.MethodHandleProxies")
    function, point = java_class("java.util.function.ToDoubleFunction"), java_class("qupath.lib.geom.Point2")
    x, y = (
        proxies.asInterfaceInstance(function.class_, handles.findVirtual(point.class_, name, returns))
        for name in ("getX", "getY")
    )
    return x, y


def _points(roi: Any) -> np.ndarray:
    """float64 (n, 2) of a ROI's finite vertices."""
    listed = roi.getAllPoints()
    columns = [np.array(listed.stream().mapToDouble(get).toArray(), dtype=np.float64) for get in _coordinates()]
    points = np.column_stack(columns)
    return points[np.isfinite(points).all(axis=1)]


def _corners(roi: Any) -> np.ndarray:
    """float64 [[x, y], [x2, y2]] of a ROI's bounds."""
    x, y = float(roi.getBoundsX()), float(roi.getBoundsY())
    return np.array([[x, y], [x + float(roi.getBoundsWidth()), y + float(roi.getBoundsHeight())]])


def _sequence(kind: str, points: np.ndarray) -> BaseGeometry:
    if not len(points):
        return _EMPTY[kind]
    # Too few vertices for a shape: the last is repeated, so that the place and the bounds stay.
    points = np.concatenate([points, np.repeat(points[-1:], max(0, _LEAST[kind] - len(points)), axis=0)])
    build = {"Polygon": shapely.Polygon, "Polyline": shapely.LineString, "Points": shapely.MultiPoint}[kind]
    return build(points)


def java_plane(plane: Plane) -> Any:
    """QuPath's ImagePlane of (c, z, t)."""
    c, z, t = plane
    return java_class("qupath.lib.regions.ImagePlane").getPlaneWithChannel(c, z, t)


def make_roi(node: JavaObject) -> Any:
    """QuPath's ROI of a shape that `native.roi_writing` has checked and mended, made by QuPath's own functions."""
    fields, kind = field_values(node), node.desc.name
    plane = java_plane((fields["c"], fields["z"], fields["t"]))
    rois = java_class("qupath.lib.roi.ROIs")
    if kind in (names.RECTANGLE, names.ELLIPSE):
        make = rois.createRectangleROI if kind == names.RECTANGLE else rois.createEllipseROI
        x, y = fields["x"], fields["y"]
        return make(x, y, fields["x2"] - x, fields["y2"] - y, plane)
    if kind == names.LINE:
        return rois.createLineROI(fields["x"], fields["y"], fields["x2"], fields["y2"], plane)
    if kind == names.GEOMETRY:
        geometry = java_class("org.locationtech.jts.io.WKBReader")().read(bytes(fields["wkb"].values))
        return java_class("qupath.lib.roi.GeometryTools").geometryToROI(geometry, plane)
    make = {
        names.POLYGON: rois.createPolygonROI,
        names.POLYLINE: rois.createPolylineROI,
        names.POINTS: rois.createPointsROI,
    }[kind]
    return make(_java_doubles(fields["x"]), _java_doubles(fields["y"]), plane)


def _java_doubles(array: Any) -> Any:
    import jpype

    return jpype.JArray(jpype.JDouble)(np.frombuffer(array.encoded(), dtype=">f4").astype(np.float64))
