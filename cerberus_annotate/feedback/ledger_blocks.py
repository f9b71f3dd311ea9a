"""Entries of a ledger as columns: numbers, codes of texts, and outlines as steps on a grid.

Outlines are kept as whole hundredths of a pixel, the grid on which QuPath 0.6 and 0.7 read them, and are given as the
float32 next to these: what was written has just such coordinates, and comes back as it was, to the last bit.
"""

import io
import json
import uuid as uuid_module
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon

from cerberus_annotate.feedback.entry import Entry

GRID = 100  # steps a pixel

_TEXTS = ("task", "path_class", "name", "kind")


def encode_block(entries: Sequence[Entry]) -> bytes:
    """The entries as an .npz without compression; its column `header` is JSON with the texts and the names of the
    measurements."""
    columns: dict[str, np.ndarray] = {}
    texts: dict[str, list[str | None]] = {}
    for column in _TEXTS:
        columns[column], texts[column] = _encode_texts([getattr(entry, column) for entry in entries])
    parents = [None if entry.parent is None else str(entry.parent) for entry in entries]
    columns["parent"], texts["parent"] = _encode_texts(parents)
    columns["uuid"] = np.frombuffer(b"".join(entry.uuid.bytes for entry in entries), np.uint8)
    # as wide as the data file keeps the numbers of annotations, so that what is made of an entry is what was written
    columns["confidence"] = np.array([entry.confidence for entry in entries], np.float64)
    columns["commit"] = np.array([entry.commit for entry in entries], np.int32)
    columns["ended"] = np.array([entry.ended for entry in entries], np.int32)
    columns["flags"] = np.array([entry.locked + 2 * entry.deleted for entry in entries], np.uint8)
    columns |= _encode_polygons([entry.polygon for entry in entries])
    measured = list(dict.fromkeys(name for entry in entries for name in entry.measurements))
    columns["measured"] = np.array(
        [[entry.measurements.get(name, np.nan) for name in measured] for entry in entries], np.float64
    )
    header = {"texts": texts, "measured": measured}
    columns["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def decode_block(data: bytes) -> list[Entry]:
    """The entries in what `encode_block` made; ValueError, KeyError or zipfile.BadZipFile for anything else."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        columns = {name: archive[name] for name in archive.files}
    return decode_columns(columns, json.loads(columns["header"].tobytes()))


def decode_columns(columns: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> list[Entry]:
    """The entries in columns; header: has their `texts` and, since measurements are kept, `measured`."""
    texts = header["texts"]
    identifiers = columns["uuid"].tobytes()
    uuids = [uuid_module.UUID(bytes=identifiers[at : at + 16]) for at in range(0, len(identifiers), 16)]
    parents = {text: None if text is None else uuid_module.UUID(text) for text in texts["parent"]}
    flags = columns["flags"].tolist()
    kinds = _decode_texts(columns["kind"], texts["kind"]) if "kind" in columns else ["annotation"] * len(uuids)
    rows = zip(
        uuids,
        _decode_texts(columns["task"], texts["task"]),
        _decode_texts(columns["path_class"], texts["path_class"]),
        _decode_polygons(columns).tolist(),
        columns["confidence"].tolist(),
        columns["commit"].tolist(),
        columns["ended"].tolist(),
        [bool(flag & 2) for flag in flags],
        _decode_texts(columns["name"], texts["name"]),
        [bool(flag & 1) for flag in flags],
        [parents[text] for text in _decode_texts(columns["parent"], texts["parent"])],
        kinds,
        _decode_measurements(columns, header.get("measured", ())),
        strict=True,
    )
    return [Entry(*row) for row in rows]  # in the order of its fields


def _encode_texts(values: Sequence[str | None]) -> tuple[np.ndarray, list[str | None]]:
    """Codes (int32) and the list of different texts that they point into."""
    code_of: dict[str | None, int] = {}
    codes = np.fromiter((code_of.setdefault(value, len(code_of)) for value in values), np.int32, len(values))
    return codes, list(code_of)


def _decode_texts(codes: np.ndarray, texts: Sequence[str | None]) -> list:
    return [texts[code] for code in codes.tolist()]


def _decode_measurements(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> list[dict[str, float]]:
    if not names:
        return [{} for _ in columns["flags"]]
    rows = columns["measured"].tolist()
    return [{name: value for name, value in zip(names, row, strict=True) if value == value} for row in rows]


def _encode_polygons(polygons: Sequence[Polygon]) -> dict[str, np.ndarray]:
    """First vertex of each ring, steps from vertex to vertex, vertices a ring and rings a polygon."""
    if not polygons:
        empty = np.zeros(0, np.int32)
        return {"starts": empty.reshape(0, 2), "steps": empty.reshape(0, 2), "vertices": empty, "rings": empty}
    _, coordinates, (ring_offsets, polygon_offsets) = shapely.to_ragged_array(list(polygons))
    grid = np.rint(coordinates * GRID).astype(np.int64)
    steps = np.diff(grid, axis=0, prepend=grid[:1])
    starts = grid[ring_offsets[:-1]]
    steps[ring_offsets[:-1]] = 0
    small = np.abs(steps).max(initial=0) < np.iinfo(np.int16).max
    return {
        "starts": starts.astype(np.int64),
        "steps": steps.astype(np.int16 if small else np.int64),
        "vertices": np.diff(ring_offsets).astype(np.int32),
        "rings": np.diff(polygon_offsets).astype(np.int32),
    }


def _decode_polygons(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    vertices, rings = columns["vertices"].astype(np.int64), columns["rings"].astype(np.int64)
    if not len(rings):
        return np.zeros(0, object)
    ring_offsets = np.concatenate([[0], np.cumsum(vertices)])
    first = ring_offsets[:-1]
    total = np.cumsum(columns["steps"].astype(np.int64), axis=0)
    grid = total + np.repeat(columns["starts"] - total[first], vertices, axis=0)
    polygon_offsets = np.concatenate([[0], np.cumsum(rings)])
    kind = shapely.GeometryType.POLYGON
    coordinates = (grid / GRID).astype(np.float32).astype(np.float64)
    return shapely.from_ragged_array(kind, coordinates, (ring_offsets, polygon_offsets))
