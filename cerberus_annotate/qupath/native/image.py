"""One image entry of a project and its data file."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cerberus_annotate.errors import DataFileError, ProjectError
from cerberus_annotate.files import replace_file
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath.java import Stream
from cerberus_annotate.qupath.native import new_data
from cerberus_annotate.qupath.native.commit import fingerprint
from cerberus_annotate.qupath.native.data_file import (
    Head,
    Stains,
    head_of,
    load_head,
    load_stream,
    objects_of,
    reading,
)
from cerberus_annotate.qupath.native.editing import TreeEdit
from cerberus_annotate.qupath.native.properties import read_properties
from cerberus_annotate.qupath.path_object import PathClass, PathObject
from cerberus_annotate.qupath.server import ServerBuilder

if TYPE_CHECKING:
    from cerberus_annotate.qupath.project import Image

Result = TypeVar("Result")


class ProjectOfImage(Protocol):
    """What an image needs to know of its project."""

    @property
    def folder(self) -> Path: ...

    @property
    def version(self) -> str: ...

    @property
    def classes(self) -> list[PathClass]: ...


class NativeImage:
    """One image entry of a project.  See `qupath.project.Image`.

    is_new: it was added by the very call that returned it.
    """

    def __init__(self, project: ProjectOfImage, entry: Mapping[str, Any], is_new: bool = False) -> None:
        self._project = project
        self._entry = entry
        self._head: tuple[tuple[Path, int, int], Head] | None = None
        self._properties: tuple[list[tuple[Path, int, int]], dict[str, str]] = ([], {})
        self.is_new = is_new
        self.id = str(entry["entryID"])
        self.server = ServerBuilder.from_json(entry.get("serverBuilder"))

    def __repr__(self) -> str:
        return f"<image {self.id} '{self.name}'>"

    @property
    def name(self) -> str:
        metadata = self.server.metadata or {}
        return str(self._entry.get("imageName") or metadata.get("name") or self.id)

    @property
    def description(self) -> str | None:
        text = self._entry.get("description")
        return None if text is None else str(text)

    @property
    def metadata(self) -> dict[str, str]:
        metadata = self._entry.get("metadata")
        return {str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}

    @property
    def tags(self) -> tuple[str, ...]:
        tags = self._entry.get("tags")
        return tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()

    @property
    def folder(self) -> Path:
        return self._project.folder / "data" / self.id

    @property
    def data_path(self) -> Path:
        return self.folder / "data.qpdata"

    @property
    def has_data(self) -> bool:
        return bool(self._data_files())

    @property
    def width(self) -> int | None:
        return self._pixels("width")

    @property
    def height(self) -> int | None:
        return self._pixels("height")

    def _pixels(self, key: str) -> int | None:
        value = (self.server.metadata or {}).get(key)
        return value if isinstance(value, int) else None

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """(x, y) in µm per px by the server's calibration; None when it is not in µm or no positive number."""
        calibration = (self.server.metadata or {}).get("pixelCalibration")
        sizes = []
        for key in ("pixelWidth", "pixelHeight"):
            length = calibration.get(key) if isinstance(calibration, dict) else None
            if not isinstance(length, dict) or length.get("unit") not in ("µm", "μm", "um"):
                return None
            value = length.get("value")
            if not isinstance(value, int | float) or not 0 < value < float("inf"):
                return None
            sizes.append(float(value))
        return sizes[0], sizes[1]

    @property
    def image_type(self) -> str:
        head = self._read_head()
        return "UNSET" if head is None else head.image_type

    @property
    def stains(self) -> Stains | None:
        head = self._read_head()
        return None if head is None else head.stains

    def read_objects(self) -> list[PathObject]:
        """All objects in the order of the stream, children after their parents, without the root.

        Raises DataFileError.
        """
        classes = self._project.classes
        return self._read(lambda stream: self._keep_properties(stream, objects_of(stream, self.id, classes))) or []

    @property
    def properties(self) -> dict[str, str]:
        """The data's properties that are texts; right after `read_objects` they cost no second look at the file.

        Raises DataFileError.
        """
        if self._states() != self._properties[0]:
            self._read(lambda stream: self._keep_properties(stream, None))
        return self._properties[1] if self._states() else {}

    def _keep_properties(self, stream: Stream, result: Result) -> Result:
        self._properties = (self._states(), read_properties(stream))
        return result

    def _states(self) -> list[tuple[Path, int, int]]:
        """Path, size and time of the files that `_read` would take."""
        states = ((path, path.stat()) for path in self._data_files())
        return [(path, state.st_size, state.st_mtime_ns) for path, state in states]

    def fingerprint(self) -> str:
        """`size:mtime:SHA-256` of the data file, "absent" without one.  Raises DataFileError."""
        try:
            return fingerprint(self.data_path)
        except OSError as error:
            raise DataFileError(
                f"The data file of image '{self.name}' ({self.data_path}) cannot be read: {error.strerror or error}."
            ) from error

    def open_edit(self) -> TreeEdit:
        """The data file's tree, open for changes; that of a new one when there is none.  Raises DataFileError."""
        classes = self._project.classes
        edit = self._read(lambda stream: TreeEdit(stream, self.id, classes))
        if edit is None:
            stream = new_data.new_stream(self._project.version, self.server.json, self.server.uri, "UNSET")
            edit = TreeEdit(stream, self.id, classes)
        return edit

    def _data_files(self) -> list[Path]:
        """The data file, and what QuPath reads in its place when it is damaged; those that exist."""
        backup = self.data_path.with_name("data.qpdata.bkp")
        return [path for path in (self.data_path, backup) if path.is_file()]

    def _read(self, use: Callable[[Stream], Result]) -> Result | None:
        """`use` of the first data file that can be read, None when there is none."""
        with no_collection():
            return self._first_readable(lambda path: self._read_file(path, use))

    def _first_readable(self, read: Callable[[Path], Result]) -> Result | None:
        """`read` of the data file, else of what QuPath kept beside it; None when there is none."""
        first: DataFileError | None = None
        for path in self._data_files():
            try:
                return read(path)
            except DataFileError as error:
                first = first or error
        if first is not None:
            raise first
        return None

    def _read_file(self, path: Path, use: Callable[[Stream], Result]) -> Result:
        stream = load_stream(self.name, path)
        with reading(self.name, path):
            return use(stream)

    def _read_head(self) -> Head | None:
        return self._first_readable(self._head_of)

    def _head_of(self, path: Path) -> Head:
        state = path.stat()
        key = (path, state.st_size, state.st_mtime_ns)
        if self._head is None or self._head[0] != key:
            self._head = (key, load_head(self.name, path))
        return self._head[1]


OwnImage = TypeVar("OwnImage", bound=NativeImage)


def own_image(images: Iterable[OwnImage], image: "Image", project: Path) -> OwnImage:
    """A project's own image with the id of `image`.  Raises ProjectError."""
    for own in images:
        if own.id == image.id:
            return own
    raise ProjectError(f"The project {project} has no image with the id {image.id}.")


def write_summary(image: NativeImage, edit: TreeEdit) -> None:
    """summary.json is for QuPath's display only: when it cannot be written the data are none the worse."""
    head = head_of(edit.stream)
    hierarchy = new_data.hierarchy_summary(edit.kinds_and_classes())
    with contextlib.suppress(OSError):
        moment = image.data_path.stat().st_mtime_ns // 1_000_000
        text = new_data.summary(head.image_type, image.server.metadata, hierarchy, moment)
        replace_file(image.folder / "summary.json", text.encode("utf-8"))
