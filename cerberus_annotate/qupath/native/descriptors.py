"""The Java classes that a new part of a data file consists of, exactly as every QuPath writes them.

Source: descriptors of files written by QuPath 0.1.2 to 0.7.0.
"""

from cerberus_annotate.qupath.java.values import ClassDesc, Field, JavaString

OBJECTS = "qupath.lib.objects."
ROOT = OBJECTS + "PathRootObject"
ANNOTATION = OBJECTS + "PathAnnotationObject"
DETECTION = OBJECTS + "PathDetectionObject"
TILE = OBJECTS + "PathTileObject"
CELL = OBJECTS + "PathCellObject"
TMA_CORE = OBJECTS + "TMACoreObject"
METADATA_MAP = OBJECTS + "MetadataMap"
PATH_CLASS = OBJECTS + "classes.PathClass"
HIERARCHY = OBJECTS + "hierarchy.PathObjectHierarchy"
MEASUREMENTS = "qupath.lib.measurements."
NUMERIC_LIST = MEASUREMENTS + "NumericMeasurementList$AbstractNumericMeasurementList"
DOUBLE_LIST = MEASUREMENTS + "NumericMeasurementList$DoubleList"
FLOAT_LIST = MEASUREMENTS + "NumericMeasurementList$FloatList"
RECTANGLE = "qupath.lib.roi.RectangleROI$SerializationProxy"
ELLIPSE = "qupath.lib.roi.EllipseROI$SerializationProxy"
LINE = "qupath.lib.roi.LineROI$SerializationProxy"
POLYGON = "qupath.lib.roi.PolygonROI$SerializationProxy"
POLYLINE = "qupath.lib.roi.PolylineROI$SerializationProxy"
POINTS = "qupath.lib.roi.PointsROI$SerializationProxy"
GEOMETRY = "qupath.lib.roi.GeometryROI$WKBSerializationProxy"
AREA = "qupath.lib.roi.AreaROI$SerializationProxy"
STAINS = "qupath.lib.color.ColorDeconvolutionStains"
WORKFLOW = "qupath.lib.plugins.workflow.Workflow"
IMAGE_TYPE = "qupath.lib.images.ImageData$ImageType"

_STRING = "Ljava/lang/String;"
_TWO_CORNERS = f"I c, I t, D x, D x2, D y, D y2, I z, {_STRING} name"
_VERTICES = f"I c, I t, I z, {_STRING} name, [F x, [F y"

# name: (serialVersionUID, flags, fields as "type name", super class); primitives first, then the others, by name.
_CLASSES: dict[str, tuple[int, int, str, str | None]] = {
    HIERARCHY: (
        1,
        0x02,
        "Lqupath/lib/objects/PathObject; rootObject, Lqupath/lib/objects/hierarchy/TMAGrid; tmaGrid",
        None,
    ),
    OBJECTS + "PathObject": (1, 0x0C, "", None),
    OBJECTS + "PathROIObject": (1, 0x0C, "", OBJECTS + "PathObject"),
    ROOT: (1, 0x0C, "", OBJECTS + "PathObject"),
    ANNOTATION: (1, 0x0C, "", OBJECTS + "PathROIObject"),
    DETECTION: (1, 0x0C, "", OBJECTS + "PathROIObject"),
    TILE: (1, 0x0C, "", DETECTION),
    CELL: (1, 0x0C, "", DETECTION),
    METADATA_MAP: (1, 0x0C, "", None),
    PATH_CLASS: (
        1,
        0x02,
        f"Ljava/lang/Integer; colorRGB, {_STRING} name, Lqupath/lib/objects/classes/PathClass; parentClass",
        None,
    ),
    NUMERIC_LIST: (1, 0x02, "Z isClosed, Ljava/util/Map; map, Ljava/util/List; names", None),
    DOUBLE_LIST: (1, 0x02, "[D values", NUMERIC_LIST),
    RECTANGLE: (1, 0x02, _TWO_CORNERS, None),
    ELLIPSE: (1, 0x02, _TWO_CORNERS, None),
    LINE: (1, 0x02, _TWO_CORNERS, None),
    POLYGON: (
        1,
        0x02,
        f"I c, I t, I z, {_STRING} name, Lqupath/lib/roi/ClosedShapeStatistics; stats, [F x, [F y",
        None,
    ),
    POLYLINE: (1, 0x02, "I c, I t, I z, [F x, [F y", None),
    POINTS: (1, 0x02, _VERTICES, None),
    GEOMETRY: (1, 0x02, "I c, I t, I z, Lqupath/lib/roi/GeometryROI$GeometryStats; stats, [B wkb", None),
    STAINS: (1, 0x0C, "", None),
    WORKFLOW: (1, 0x0C, "", None),
    "java.lang.Enum": (0, 0x12, "", None),
    IMAGE_TYPE: (0, 0x12, "", "java.lang.Enum"),
    "java.util.Locale": (
        9149081749638150636,
        0x03,
        "I hashcode, "
        + ", ".join(f"{_STRING} {name}" for name in ("country", "extensions", "language", "script", "variant")),
        None,
    ),
    "java.lang.Number": (-8742448824652078965, 0x02, "", None),
    "java.lang.Integer": (1360826667806852920, 0x02, "I value", "java.lang.Number"),
    "java.lang.Boolean": (-3665804199014368530, 0x02, "Z value", None),
    "java.util.ArrayList": (8683452581122892189, 0x03, "I size", None),
    "java.util.HashMap": (362498820763181265, 0x03, "F loadFactor, I threshold", None),
    "java.util.CollSer": (6309168927139932177, 0x03, "I tag", None),
    "java.util.Collections$UnmodifiableCollection": (1820017752578914078, 0x02, "Ljava/util/Collection; c", None),
    "java.util.Collections$UnmodifiableList": (
        -283967356065247728,
        0x02,
        "Ljava/util/List; list",
        "java.util.Collections$UnmodifiableCollection",
    ),
    "[Ljava.lang.Object;": (-8012369246846506644, 0x02, "", None),
    "[B": (-5984413125824719648, 0x02, "", None),
    "[F": (836686056779680834, 0x02, "", None),
    "[D": (4514449696888150558, 0x02, "", None),
}


class Descriptors(dict[str, ClassDesc]):
    """Class descriptors by name, one of each: those that the file has already, else new ones."""

    def __init__(self) -> None:
        super().__init__()
        self._signatures: dict[str, JavaString] = {}

    def adopt(self, descriptor: ClassDesc) -> None:
        """Use a descriptor of the file for new parts too, when it says what we would say."""
        for known in _chain(descriptor):
            row = _CLASSES.get(known.name)
            if row is None or known.name in self or known.annotation:
                continue
            suid, flags, fields, parent = row
            said = ", ".join(f"{_type(field)} {field.name}" for field in known.fields)
            said_parent = None if known.parent is None else known.parent.name
            if (known.suid, known.flags, said, said_parent) == (suid, flags, fields, parent):
                self[known.name] = known

    def __missing__(self, name: str) -> ClassDesc:
        suid, flags, text, parent = _CLASSES[name]
        fields = tuple(self._field(*part.split(" ")) for part in text.split(", ")) if text else ()
        super_class = None if parent is None else self[parent]
        self[name] = ClassDesc(name, suid, flags, fields, [], super_class)
        return self[name]

    def _field(self, kind: str, name: str) -> Field:
        signature = None if len(kind) == 1 else self._signatures.setdefault(kind, JavaString(kind))
        return Field(kind[0], name, signature)


def _chain(descriptor: ClassDesc | None) -> list[ClassDesc]:
    chain: list[ClassDesc] = []
    while descriptor is not None and len(chain) < 32:
        chain.append(descriptor)
        descriptor = descriptor.parent
    return chain


def _type(field: Field) -> str:
    return field.code if field.signature is None else field.signature.text
