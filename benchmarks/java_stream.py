"""How fast Java object streams are read, written and checked: `python benchmarks/java_stream.py 200000`.

The stream is made here: that many polygon annotations in the form of QuPath 0.6 (8 to 14 vertices, two measurements,
about 266 bytes each), children of one root object. Times are processor time.
"""

import io
import resource
import struct
import sys
import time
import uuid

import numpy as np

from cerberus_annotate.qupath.java import Stream, check_stream, read_stream, write_stream
from cerberus_annotate.qupath.java.values import (
    Block,
    ClassData,
    ClassDesc,
    Field,
    JavaArray,
    JavaObject,
    JavaString,
)

QUPATH = "qupath.lib."
EXTERNAL = 0x0C
SERIAL = 0x02
NAN_BLOCK = struct.pack(">d", float("nan"))


def object_field(name: str, signature: str) -> Field:
    return Field(signature[0], name, JavaString(signature))


def annotations(count: int) -> Stream:
    """A root object with `count` polygon annotations."""
    random = np.random.default_rng(0)
    path_object = ClassDesc(QUPATH + "objects.PathObject", 1, EXTERNAL)
    roi_object = ClassDesc(QUPATH + "objects.PathROIObject", 1, EXTERNAL, parent=path_object)
    annotation = ClassDesc(QUPATH + "objects.PathAnnotationObject", 1, EXTERNAL, parent=roi_object)
    root = ClassDesc(QUPATH + "objects.PathRootObject", 1, EXTERNAL, parent=path_object)
    metadata_map = ClassDesc(QUPATH + "objects.MetadataMap", 1, EXTERNAL)
    objects = ClassDesc("[Ljava.lang.Object;", -8012369246846506644, SERIAL)
    floats = ClassDesc("[F", 836686056779680834, SERIAL)
    number = ClassDesc("java.lang.Number", -8742448824652078965, SERIAL)
    integer = ClassDesc("java.lang.Integer", 1360826667806852920, SERIAL, (Field("I", "value"),), parent=number)
    boolean = ClassDesc("java.lang.Boolean", -3665804199014368530, SERIAL, (Field("Z", "value"),))
    names_list = ClassDesc("java.util.ArrayList", 8683452581122892189, 0x03, (Field("I", "size"),))
    abstract_list = ClassDesc(
        QUPATH + "measurements.NumericMeasurementList$AbstractNumericMeasurementList",
        1,
        SERIAL,
        (
            Field("Z", "isClosed"),
            object_field("map", "Ljava/util/Map;"),
            object_field("names", "Ljava/util/List;"),
        ),
    )
    float_list = ClassDesc(
        QUPATH + "measurements.NumericMeasurementList$FloatList",
        1,
        SERIAL,
        (object_field("values", "[F"),),
        parent=abstract_list,
    )
    polygon = ClassDesc(
        QUPATH + "roi.PolygonROI$SerializationProxy",
        1,
        SERIAL,
        (
            Field("I", "c"),
            Field("I", "t"),
            Field("I", "z"),
            object_field("name", "Ljava/lang/String;"),
            object_field("stats", "Lqupath/lib/roi/ClosedShapeStatistics;"),
            object_field("x", "[F"),
            object_field("y", "[F"),
        ),
    )
    one = JavaObject(integer, [ClassData(), ClassData([1])])
    unlocked = JavaObject(boolean, [ClassData([False])])
    object_id = JavaString("Object ID")
    names = JavaObject(
        names_list,
        [ClassData([2], [Block(struct.pack(">i", 2)), JavaString("Area"), JavaString("Confidence")])],
    )

    def metadata() -> JavaObject:
        text = JavaString(str(uuid.UUID(bytes=random.bytes(16))))
        parts = [one, JavaArray(objects, [object_id]), JavaArray(objects, [text])]
        return JavaObject(metadata_map, [ClassData([], parts)])

    def child() -> JavaObject:
        vertices = random.integers(8, 15)
        x, y = (random.uniform(0, 50_000) + random.uniform(-9, 9, (2, vertices))).astype(np.float32)
        measured = JavaObject(
            float_list,
            [ClassData([True, None, names]), ClassData([JavaArray(floats, random.random(2, np.float32))])],
        )
        roi = JavaObject(polygon, [ClassData([-1, 0, 0, None, None, JavaArray(floats, x), JavaArray(floats, y)])])
        return JavaObject(
            annotation,
            [
                ClassData(
                    [],
                    [
                        None,
                        None,
                        metadata(),
                        measured,
                        Block(struct.pack(">i", 0)),
                        unlocked,
                        None,
                        roi,
                        Block(NAN_BLOCK),
                    ],
                )
            ],
        )

    children = [child() for _ in range(count)]
    parts = [None, None, metadata(), None, Block(struct.pack(">i", count)), *children]
    return Stream([JavaObject(root, [ClassData([], parts)]), JavaString("EOF")])


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    data = write_stream(annotations(count))
    print(f"{count:,} annotations, {len(data) / 1e6:.1f} MB")

    def report(name: str, start: float) -> None:
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{name:6} {seconds:6.2f} s  {len(data) / seconds / 1e6:6.1f} MB/s  {count / seconds:9,.0f} objects/s"
            f"  (peak memory of the process so far {peak:,.0f} MiB)"
        )

    start = time.process_time()
    stream = read_stream(data)
    report("read", start)
    start = time.process_time()
    again = write_stream(stream)
    report("write", start)
    if again != data:
        raise SystemExit("The stream was not written back byte for byte.")
    start = time.process_time()
    check_stream(io.BytesIO(data))
    report("check", start)


if __name__ == "__main__":
    main()
