"""The engine that reads and writes QuPath's files itself."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import filelock

from cerberus_annotate.errors import DataFileError, ProjectChangedError, ProjectError, ProjectLockedError
from cerberus_annotate.qupath.java import Stream
from cerberus_annotate.qupath.native import new_data
from cerberus_annotate.qupath.native.adding_images import add_entry
from cerberus_annotate.qupath.native.commit import commit_data_file, fingerprint, same_content
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
from cerberus_annotate.qupath.native.files import replace_file
from cerberus_annotate.qupath.native.project_file import (
    SUFFIX,
    find_project_file,
    load_project,
    read_class_list,
    to_path_class,
    write_classes,
    write_new_project,
)
from cerberus_annotate.qupath.path_object import PathClass, PathObject
from cerberus_annotate.qupath.server import ServerBuilder

if TYPE_CHECKING:
    from cerberus_annotate.qupath.project import Image

Result = TypeVar("Result")


class NativeImage:
    """One image entry of a project.  See `qupath.project.Image`.

    is_new: it was added by the very call that returned it.
    """

    def __init__(self, project: "NativeProject", entry: Mapping[str, Any], is_new: bool = False) -> None:
        self._project = project
        self._entry = entry
        self._head: tuple[tuple[Path, int, int], Head] | None = None
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
        return self._read(lambda stream: objects_of(stream, self.id, classes)) or []

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
        first: DataFileError | None = None
        for path in self._data_files():
            try:
                stream = load_stream(self.name, path)
                with reading(self.name, path):
                    return use(stream)
            except DataFileError as error:
                first = first or error
        if first is not None:
            raise first
        return None

    def _read_head(self) -> Head | None:
        first: DataFileError | None = None
        for path in self._data_files():
            state = path.stat()
            key = (path, state.st_size, state.st_mtime_ns)
            if self._head is None or self._head[0] != key:
                try:
                    self._head = (key, load_head(self.name, path))
                except DataFileError as error:
                    first = first or error
                    continue
            return self._head[1]
        if first is not None:
            raise first
        return None


class NativeProject:
    """An open project.  See `qupath.project.Project`."""

    def __init__(self, path: str | Path) -> None:
        """Raises ProjectError when QuPath could not open it either."""
        self.path = find_project_file(Path(path)).absolute()
        self._lock = filelock.FileLock(self.folder / "cerberus" / "lock", timeout=0, thread_local=False)
        self._load()

    def _load(self) -> None:
        self._json = load_project(self.path)
        self._images = tuple(NativeImage(self, entry) for entry in self._json.get("images", []))

    def __repr__(self) -> str:
        return f"<QuPath project {self.path}>"

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def name(self) -> str:
        """The folder's name for a project.qpproj, as QuPath shows it; else the file's."""
        return self.folder.name if self.path.stem == "project" else self.path.stem

    @property
    def version(self) -> str:
        return str(self._json.get("version") or "")

    @property
    def uri(self) -> str:
        return str(self._json.get("uri") or "")

    @property
    def images(self) -> Sequence[NativeImage]:
        return self._images

    @property
    def classes(self) -> list[PathClass]:
        """The project's class list in its order.  Raises ProjectError."""
        found = (to_path_class(entry) for entry in read_class_list(self.folder))
        return [path_class for path_class in found if path_class is not None]

    def add_classes(self, classes: Iterable[PathClass]) -> list[PathClass]:
        """Append the classes that are missing and return them; order and colours of the others stay.

        Raises ProjectError.
        """
        wanted = [PathClass.of(str(path_class), path_class.colour) for path_class in classes]
        with self.lock():
            present = set(self.classes)
            missing = [path_class for path_class in dict.fromkeys(wanted) if path_class not in present]
            if missing:
                write_classes(self.folder, read_class_list(self.folder), missing)
        return missing

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other runs of ours off the project; the system frees it when the process dies.

        May be taken again inside itself. Raises ProjectLockedError, ProjectError.
        """
        try:
            (self.folder / "cerberus").mkdir(exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout:
            raise ProjectLockedError(
                f"Another run is at work on the project {self.path}. Wait for its end; when there is none, "
                f"another computer may hold {self._lock.lock_file}."
            ) from None
        except (OSError, NotImplementedError) as error:
            raise ProjectError(
                f"The project's folder {self.folder} cannot be written to: {getattr(error, 'strerror', None) or error}."
            ) from error
        try:
            yield
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def edit(self, image: "Image", *, expected: str | None = None, backup: Path | None = None) -> Iterator[TreeEdit]:
        """Change the objects of an image; written when the block ends, not when an exception leaves it.

        expected: the fingerprint that the data file must have, now and at the end. backup: where a copy of the
        former data file is kept. Nothing is written when nothing changed.
        Raises ProjectChangedError, ProjectLockedError, DataFileError.
        """
        own = self._own(image)
        before = own.fingerprint()
        if expected is not None and not same_content(before, expected):
            raise ProjectChangedError(
                f"Image '{image.name}' was saved by QuPath since it was read. Nothing was written; run the command "
                "again."
            )
        edit = own.open_edit()
        yield edit
        if not edit.changed:
            return
        edit.finish()
        counts = edit.count_by_class()
        with self.lock():
            commit_data_file(own.data_path, edit.stream, own.name, counts=counts, expected=before, backup=backup)
            _write_summary(own, edit)

    def _own(self, image: "Image") -> NativeImage:
        for own in self._images:
            if own.id == image.id:
                return own
        raise ProjectError(f"The project {self.path} has no image with the id {image.id}.")

    def add_image(
        self,
        server: ServerBuilder,
        name: str,
        image_type: str = "BRIGHTFIELD_H_E",
        thumbnail: bytes | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> NativeImage:
        """Add a slide as QuPath 0.6.0 does; the present image when it is in the project already.

        thumbnail: a JPEG file's bytes. metadata: of the entry. `is_new` of the result tells whether it was added.
        Raises ProjectError; the project is then as it was.
        """
        with self.lock():
            # QuPath may have saved the project since it was opened.
            self._load()
            entry_id, is_new = add_entry(
                self.path, self._json, server, name, image_type, thumbnail, dict(metadata or {})
            )
            if is_new:
                self._load()
        image = next(image for image in self._images if image.id == str(entry_id))
        image.is_new = is_new
        return image


def _write_summary(image: NativeImage, edit: TreeEdit) -> None:
    """summary.json is for QuPath's display only: when it cannot be written the data are none the worse."""
    head = head_of(edit.stream)
    hierarchy = new_data.hierarchy_summary(edit.kinds_and_classes())
    with contextlib.suppress(OSError):
        moment = image.data_path.stat().st_mtime_ns // 1_000_000
        text = new_data.summary(head.image_type, image.server.metadata, hierarchy, moment)
        replace_file(image.folder / "summary.json", text.encode("utf-8"))


def create_native_project(path: str | Path) -> NativeProject:
    """See `qupath.project.create_project`."""
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        if path.is_file():
            raise ProjectError(f"{path} is a file, but no {SUFFIX}; name the new project's file or folder.")
        if path.is_dir() and any(item.suffix.lower() == SUFFIX for item in path.iterdir()):
            return NativeProject(path)
        path = path / f"project{SUFFIX}"
    if not path.exists():
        write_new_project(path.absolute())
    return NativeProject(path)
