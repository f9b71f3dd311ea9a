"""The ledger of one image: every object that a run of ours wrote into it, as it was written.

It is what the project is compared with to learn what the pathologist changed. It lies at
`cerberus/images/<entryID>.npz` in the project's folder: columns in a zip, no pickle. Outlines are kept as whole
hundredths of a pixel, the grid on which QuPath 0.6 and 0.7 read them.
"""

import io
import json
import uuid as uuid_module
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import Polygon

from cerberus_annotate.files import put_in_place, sync_folder, write_whole

FORMAT = 1
GRID = 100  # steps a pixel
PENDING = ".pending"
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    IndexError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    shapely.errors.ShapelyError,
)


class LedgerError(ValueError):
    """A ledger file that is damaged or of another format; its objects then count as the pathologist's own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as it was written.

    uuid: our id, at the same time the object's UUID where the data file keeps UUIDs.
    commit: number of the commit that wrote it; `ended`: number of the commit that took it away again, 0 for none.
    deleted: it was gone from the project when a later commit looked, so the pathologist deleted it.
    polygon: level-0 px of the image as QuPath shows it. kind: of the path object. measurements: all that were
    written but the confidence.
    """

    uuid: uuid_module.UUID
    task: str
    path_class: str
    polygon: Polygon
    confidence: float
    commit: int
    ended: int = 0
    deleted: bool = False
    name: str | None = None
    locked: bool = False
    parent: uuid_module.UUID | None = None
    kind: str = "annotation"
    measurements: Mapping[str, float] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """`live`, `superseded` (by a later run or by `runs remove`) or `deleted` (by the pathologist)."""
        if self.ended:
            return "superseded"
        return "deleted" if self.deleted else "live"


@dataclass(frozen=True)
class Commit:
    """One change of an image's data file by us.  action: `annotate`, `remove` or `rewrite`.

    marked: its number stands in the data file that it wrote, see `feedback/overwritten.py`.
    """

    number: int
    run: str
    action: str
    time: str
    added: int
    removed: int
    marked: bool = False


@dataclass(frozen=True)
class Ledger:
    """All entries of one image and the commits that they came from, oldest first.

    lost: entries that QuPath saved over, as the lost commits had left them: what they wrote, and (`ended`) what they
    took out. They are no longer among `entries`.
    """

    entries: tuple[Entry, ...] = ()
    commits: tuple[Commit, ...] = ()
    lost: tuple[Entry, ...] = ()

    def run_of(self, entry: Entry) -> str:
        """Id of the run that wrote `entry`."""
        return self.commits[entry.commit - 1].run

    def next_number(self) -> int:
        """Number that the next commit gets; numbers start at 1."""
        return len(self.commits) + 1


def ledger_path(folder: Path, image_id: str) -> Path:
    """Where the ledger of an image lies; `folder` is the project's `cerberus` folder."""
    return folder / "images" / f"{image_id}.npz"


def read_ledger(path: Path) -> Ledger:
    """The ledger at `path`; an empty one when there is none.  Raises LedgerError when it cannot be used."""
    if not path.exists():
        return Ledger()
    try:
        return decode_ledger(path.read_bytes())
    except _DAMAGE as error:
        raise LedgerError(f"{path} is damaged or of another version ({error}).") from error


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Writes the ledger as a whole.  Raises ProjectError when the disk refuses."""
    write_whole(path, encode_ledger(ledger), "The ledger of an image")


def write_pending(path: Path, ledger: Ledger) -> None:
    """Puts the ledger beside `path`, to be taken over once the data file is written."""
    write_ledger(pending_path(path), ledger)


def take_pending(path: Path) -> None:
    """Makes the pending ledger the ledger."""
    put_in_place(pending_path(path), path)
    sync_folder(path.parent)


def pending_path(path: Path) -> Path:
    """Where the ledger of an unfinished commit lies."""
    return path.with_name(path.name + PENDING)


def resolve_pending(path: Path, ids_in_project: set[str]) -> Ledger:
    """The ledger at `path` after a possible crash in the middle of a commit.

    ids_in_project: our ids (metadata `cerberus.id`) of all objects in the image's data file. The data file was
    written when it holds an object of the pending commit or, for a commit that only removed, none of those that it
    removed.  Raises LedgerError as `read_ledger`; a damaged pending ledger is discarded.
    """
    waiting = pending_path(path)
    if not waiting.exists():
        return read_ledger(path)
    try:
        ledger = read_ledger(waiting)
    except LedgerError:
        waiting.unlink()
        return read_ledger(path)
    if was_written(ledger, ids_in_project):
        take_pending(path)
        return ledger
    waiting.unlink()
    return read_ledger(path)


def was_written(ledger: Ledger, ids_in_project: set[str]) -> bool:
    """Whether the data file shows the last commit of a pending ledger; see `resolve_pending`."""
    number = len(ledger.commits)
    added = {str(entry.uuid) for entry in ledger.entries if entry.commit == number}
    removed = {str(entry.uuid) for entry in ledger.entries if entry.ended == number}
    return bool(added & ids_in_project) if added else not removed & ids_in_project


def commit_changes(
    ledger: Ledger,
    run: str,
    action: str,
    time: str,
    added: Sequence[Entry],
    removed: set[uuid_module.UUID],
    deleted: set[uuid_module.UUID],
    present: set[uuid_module.UUID],
) -> Ledger:
    """The ledger after one more commit.

    added: its objects (their `commit` is set here). removed: ids that the commit takes out of the project.
    deleted: ids that the pathologist had deleted. present: ids that are in the project before the commit; a deleted
    one among them was brought back by the pathologist and lives again.
    """
    number = ledger.next_number()
    entries = []
    for entry in ledger.entries:
        if entry.uuid in removed:
            entry = replace(entry, ended=number, deleted=False)
        elif entry.uuid in deleted and not entry.deleted:
            entry = replace(entry, deleted=True)
        elif entry.uuid in present and (entry.deleted or entry.ended):
            entry = replace(entry, deleted=False, ended=0)
        entries.append(entry)
    entries.extend(replace(entry, commit=number) for entry in added)
    commit = Commit(number, run, action, time, len(added), len(removed))
    return Ledger(tuple(entries), (*ledger.commits, commit), ledger.lost)


def encode_ledger(ledger: Ledger) -> bytes:
    """The ledger as the bytes of its file."""
    entries = (*ledger.entries, *ledger.lost)
    columns: dict[str, np.ndarray] = {}
    texts: dict[str, list[str | None]] = {}
    for column in ("task", "path_class", "name", "kind"):
        columns[column], texts[column] = _encode_texts([getattr(entry, column) for entry in entries])
    parents = [None if entry.parent is None else str(entry.parent) for entry in entries]
    columns["parent"], texts["parent"] = _encode_texts(parents)
    columns["uuid"] = np.frombuffer(b"".join(entry.uuid.bytes for entry in entries), np.uint8)
    columns["confidence"] = np.array([entry.confidence for entry in entries], np.float32)
    columns["commit"] = np.array([entry.commit for entry in entries], np.int32)
    columns["ended"] = np.array([entry.ended for entry in entries], np.int32)
    columns["flags"] = np.array([entry.locked + 2 * entry.deleted for entry in entries], np.uint8)
    columns |= _encode_polygons([entry.polygon for entry in entries])
    measured = list(dict.fromkeys(name for entry in entries for name in entry.measurements))
    columns["measured"] = np.array(
        [[entry.measurements.get(name, np.nan) for name in measured] for entry in entries], np.float32
    )
    header = {
        "format": FORMAT,
        "commits": [
            [commit.number, commit.run, commit.action, commit.time, commit.added, commit.removed, commit.marked]
            for commit in ledger.commits
        ],
        "texts": texts,
        "measured": measured,
        "lost": len(ledger.lost),
    }
    columns["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = io.BytesIO()
    # numpy's own savez_compressed has no level; level 1 is three times faster and hardly larger here
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, array in columns.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def decode_ledger(data: bytes) -> Ledger:
    """The ledger in `data`; ValueError, KeyError or zipfile.BadZipFile when it is none of ours."""
    # read whole members: only then is their checksum looked at
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        columns = {
            name.removesuffix(".npy"): np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
        }
    header = json.loads(columns["header"].tobytes())
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']}, this version reads {FORMAT}")
    commits = tuple(Commit(*values) for values in header["commits"])
    texts = header["texts"]
    identifiers = columns["uuid"].tobytes()
    uuids = [uuid_module.UUID(bytes=identifiers[at : at + 16]) for at in range(0, len(identifiers), 16)]
    parents = {text: None if text is None else uuid_module.UUID(text) for text in texts["parent"]}
    flags = columns["flags"].tolist()
    kinds = _decode_texts(columns["kind"], texts["kind"]) if "kind" in columns else ["annotation"] * len(uuids)
    if any(not 1 <= number <= len(commits) for number in np.unique(columns["commit"]).tolist()):
        raise ValueError("an entry names a commit that is not there")
    rows = zip(
        uuids,
        _decode_texts(columns["task"], texts["task"]),
        _decode_texts(columns["path_class"], texts["path_class"]),
        _decode_polygons(columns),
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
    entries = tuple(Entry(*row) for row in rows)  # in the order of its fields
    split = len(entries) - header.get("lost", 0)
    return Ledger(entries[:split], commits, entries[split:])


def _encode_texts(values: Sequence[str | None]) -> tuple[np.ndarray, list[str | None]]:
    """Codes (int32) and the list of different texts that they point into."""
    code_of: dict[str | None, int] = {}
    codes = np.fromiter((code_of.setdefault(value, len(code_of)) for value in values), np.int32, len(values))
    return codes, list(code_of)


def _decode_texts(codes: np.ndarray, texts: Sequence[str | None]) -> list:
    return [texts[code] for code in codes.tolist()]


def _decode_measurements(columns: dict[str, np.ndarray], names: Sequence[str]) -> list[dict[str, float]]:
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


def _decode_polygons(columns: dict[str, np.ndarray]) -> np.ndarray:
    vertices, rings = columns["vertices"].astype(np.int64), columns["rings"].astype(np.int64)
    if not len(rings):
        return np.zeros(0, object)
    ring_offsets = np.concatenate([[0], np.cumsum(vertices)])
    first = ring_offsets[:-1]
    total = np.cumsum(columns["steps"].astype(np.int64), axis=0)
    grid = total + np.repeat(columns["starts"] - total[first], vertices, axis=0)
    polygon_offsets = np.concatenate([[0], np.cumsum(rings)])
    kind = shapely.GeometryType.POLYGON
    return shapely.from_ragged_array(kind, grid / GRID, (ring_offsets, polygon_offsets))
