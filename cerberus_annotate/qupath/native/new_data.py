"""The data of an image that was never saved, as QuPath writes it; and summary.json."""

import struct
import time
import uuid as uuid_module
from collections import Counter
from collections.abc import Mapping
from typing import Any

from cerberus_annotate.qupath.java import Stream
from cerberus_annotate.qupath.java.values import Block, ClassData, JavaEnum, JavaObject, JavaString
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native import json_text
from cerberus_annotate.qupath.native.data_file import DEFAULT_STAINS, release_of
from cerberus_annotate.qupath.native.node_building import Nodes
from cerberus_annotate.qupath.native.object_reading import Classes
from cerberus_annotate.qupath.path_object import PathClass


def new_stream(version: str, server: Mapping[str, Any], uri: str, image_type: str) -> Stream:
    """The stream of a data file without objects, in the form of QuPath `version`.

    image_type: name of the constant; the brightfield ones get QuPath's default stains.
    """
    release = release_of(version)
    nodes = Nodes(Classes(()), release)
    string, described = nodes.string, nodes.descriptors
    if release < (0, 3):
        header, description = "Data file version 2", f"Image path: {uri}"
    else:
        header = "Data file version 3"
        description = json_text.dump({"dataVersion": 3, "qupathVersion": version, "server": dict(server)}, indent=None)
    empty = string("")
    locale = JavaObject(
        described["java.util.Locale"],
        [ClassData([-1, string("US"), empty, string("en"), empty, empty])],
    )
    stains = None
    if image_type in DEFAULT_STAINS:
        run = [Block(struct.pack(">i", 1)), JavaString(DEFAULT_STAINS[image_type])]
        stains = JavaObject(described[names.STAINS], [ClassData([], run)])
    workflow = JavaObject(described[names.WORKFLOW], [ClassData([], [Block(struct.pack(">ii", 1, 0))])])
    identity = nodes.metadata({}, str(uuid_module.uuid4()) if release >= (0, 4) else None)
    run = [None, None, *([] if identity is None else [identity]), None, Block(struct.pack(">i", 0))]
    root = JavaObject(described[names.ROOT], [ClassData([], run)])
    properties = JavaObject(described["java.util.HashMap"], [ClassData([0.75, 0], [Block(struct.pack(">ii", 16, 0))])])
    encoded = header.encode()
    return Stream(
        [
            Block(struct.pack(">H", len(encoded)) + encoded),
            JavaString(description),
            locale,
            JavaEnum(described[names.IMAGE_TYPE], string(image_type)),
            stains,
            workflow,
            JavaObject(described[names.HIERARCHY], [ClassData([root, None])]),
            properties,
            string("EOF"),
        ]
    )


_TYPE_NAMES = {
    "annotation": "Annotations",
    "tile": "Tiles",
    "detection": "Detections",
    "cell": "Cells",
    "tma_core": "TMA cores",
}


def hierarchy_summary(objects: Mapping[tuple[str, PathClass | None], int]) -> dict[str, Any]:
    """The `hierarchy` part of summary.json from the number of objects by (kind, class); the root counts as one."""
    kinds: Counter[str] = Counter()
    annotations: Counter[str] = Counter()
    detections: Counter[str] = Counter()
    for (kind, path_class), count in objects.items():
        kinds[kind] += count
        label = "Unclassified" if path_class is None else str(path_class)
        if kind == "annotation":
            annotations[label] += count
        elif kind != "tma_core":
            detections[label] += count
    types = {"Root objects": 1}
    types.update({label: kinds[kind] for kind, label in _TYPE_NAMES.items() if kinds[kind]})
    return {
        "nObjects": sum(types.values()),
        "objectTypeCounts": types,
        "annotationClassificationCounts": dict(annotations),
        "detectionClassificationCounts": dict(detections),
    }


def summary(
    image_type: str, metadata: Mapping[str, Any] | None, hierarchy: dict[str, Any], timestamp: int | None = None
) -> str:
    """The text of summary.json.  metadata: the server's; timestamp: ms of data.qpdata."""
    content: dict[str, Any] = {"timestamp": int(time.time() * 1000) if timestamp is None else timestamp}
    content["imageType"] = image_type
    if metadata is not None and "width" in metadata and "height" in metadata:
        content["server"] = {
            "width": metadata["width"],
            "height": metadata["height"],
            "sizeC": len(metadata.get("channels") or ()) or 3,
            "sizeZ": metadata.get("sizeZ", 1),
            "sizeT": metadata.get("sizeT", 1),
        }
    content["hierarchy"] = hierarchy
    return json_text.dump(content, indent=None)
