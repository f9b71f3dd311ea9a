"""The objects of a slide on disk, so that memory does not grow with their number."""

import shutil
import tempfile
import uuid as uuid_module
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.objects.polygons import Polygons
from cerberus_annotate.objects.predicted import LeftOut, PredictedObject

CHUNK = 20_000
"""Nuclei that are in memory at a time."""

_NOBODY = uuid_module.UUID(int=0)


class ObjectStore:
    """An `ObjectSource` that writes nuclei to files of `CHUNK` each; other objects stay in memory, they are few.

    The files lie in a temporary folder, which goes with the store. Raises CerberusError where its disk refuses.
    """

    def __init__(self) -> None:
        self.left_out: list[LeftOut] = []
        self._counts: Counter[str] = Counter()
        self._areas: list[PredictedObject] = []
        self._waiting: list[PredictedObject] = []
        self._folder: Path | None = None
        self._files: list[Path] = []

    @property
    def counts(self) -> Mapping[str, int]:
        return self._counts

    def add(self, objects: Sequence[PredictedObject]) -> None:
        """Takes more objects."""
        self._counts.update(each.task for each in objects)
        self._areas += [each for each in objects if each.task != "nuclei"]
        self._waiting += [each for each in objects if each.task == "nuclei"]
        while len(self._waiting) >= CHUNK:
            self._write(self._waiting[:CHUNK])
            del self._waiting[:CHUNK]

    def chunks(self) -> Iterator[list[PredictedObject]]:
        areas = [each for each in self._areas if each.task in ("gland", "lumen")]
        yield from filter(None, [areas])
        for task in dict.fromkeys(each.task for each in self._areas if each.task not in ("gland", "lumen")):
            yield [each for each in self._areas if each.task == task]
        for file in self._files:
            yield _read(file)
        yield from filter(None, [list(self._waiting)])

    def close(self) -> None:
        """Removes the files; they go with the store too."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __iter__(self) -> Iterator[PredictedObject]:
        for chunk in self.chunks():
            yield from chunk

    def _write(self, objects: Sequence[PredictedObject]) -> None:
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="cerberus-annotate-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            file = self._folder / f"{len(self._files)}.npz"
            np.savez(file, allow_pickle=False, **_columns(objects))
        except OSError as error:
            raise CerberusError(
                f"The nuclei found so far do not fit into the folder of temporary files ({tempfile.gettempdir()}): "
                f"{error.strerror or error}. Free disk space there, or name another folder in the environment variable "
                "TMPDIR."
            ) from error
        self._files.append(file)


def _columns(objects: Sequence[PredictedObject]) -> dict[str, NDArray[Any]]:
    """Objects as arrays; `_objects` is the inverse."""
    polygons = np.array([each.polygon for each in objects], object)
    _, coordinates, (rings, parts) = shapely.to_ragged_array(polygons)
    measured = sorted({name for each in objects for name in each.measurements})
    return {
        "coordinates": coordinates,
        "rings": rings,
        "parts": parts,
        "task": np.array([each.task for each in objects]),
        "path_class": np.array([each.path_class for each in objects]),
        "confidence": np.array([each.confidence for each in objects], np.float64),
        "uuid": _identifiers([each.uuid for each in objects]),
        "parent": _identifiers([each.parent or _NOBODY for each in objects]),
        "measured": np.array(measured, "U"),
        "measurements": np.array(
            [[each.measurements.get(name, np.nan) for name in measured] for each in objects], np.float64
        ).reshape(len(objects), len(measured)),
    }


def _objects(columns: Mapping[str, NDArray[Any]]) -> list[PredictedObject]:
    offsets = (columns["rings"], columns["parts"])
    polygons: Polygons = shapely.from_ragged_array(shapely.GeometryType.POLYGON, columns["coordinates"], offsets)
    names = columns["measured"].tolist()
    rows = zip(
        columns["task"].tolist(),
        columns["path_class"].tolist(),
        polygons.tolist(),
        columns["confidence"].tolist(),
        _uuids(columns["uuid"]),
        _uuids(columns["parent"]),
        columns["measurements"].tolist(),
        strict=True,
    )
    return [
        PredictedObject(
            task,
            path_class,
            polygon,
            confidence,
            own,
            None if parent == _NOBODY else parent,
            {name: value for name, value in zip(names, values, strict=True) if value == value},
        )
        for task, path_class, polygon, confidence, own, parent, values in rows
    ]


def _read(file: Path) -> list[PredictedObject]:
    with np.load(file, allow_pickle=False) as columns:
        return _objects({name: columns[name] for name in columns.files})


def _identifiers(uuids: Sequence[uuid_module.UUID]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(each.bytes for each in uuids), np.uint8).reshape(-1, 16)


def _uuids(identifiers: NDArray[np.uint8]) -> list[uuid_module.UUID]:
    data = identifiers.tobytes()
    return [uuid_module.UUID(bytes=data[at : at + 16]) for at in range(0, len(data), 16)]
