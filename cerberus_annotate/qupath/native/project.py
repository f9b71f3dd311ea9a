"""The engine that reads and writes QuPath's files itself."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath.native.adding_images import add_entry
from cerberus_annotate.qupath.native.commit import check_unchanged_since, commit_data_file
from cerberus_annotate.qupath.native.editing import TreeEdit
from cerberus_annotate.qupath.native.image import NativeImage, own_image, write_summary
from cerberus_annotate.qupath.native.project_file import (
    SUFFIX,
    find_project_file,
    load_project,
    read_class_list,
    to_path_class,
    write_classes,
    write_new_project,
)
from cerberus_annotate.qupath.path_object import PathClass
from cerberus_annotate.qupath.project_lock import ProjectLock
from cerberus_annotate.qupath.server import ServerBuilder

if TYPE_CHECKING:
    from cerberus_annotate.qupath.project import Image


class NativeProject:
    """An open project.  See `qupath.project.Project`."""

    def __init__(self, path: str | Path) -> None:
        """Raises ProjectError when QuPath could not open it either."""
        self.path = find_project_file(Path(path)).absolute()
        self._lock = ProjectLock(self.path)
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
        wanted = dict.fromkeys(PathClass.of(str(path_class), path_class.colour) for path_class in classes)
        if not self._missing(wanted):
            return []
        with self.lock():
            missing = self._missing(wanted)
            if missing:
                write_classes(self.folder, read_class_list(self.folder), missing)
        return missing

    def _missing(self, wanted: Iterable[PathClass]) -> list[PathClass]:
        present = set(self.classes)
        return [path_class for path_class in wanted if path_class not in present]

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep other runs of ours off the project; the system frees it when the process dies.

        May be taken again inside itself. Raises ProjectLockedError, ProjectError.
        """
        return self._lock.hold()

    @contextlib.contextmanager
    def edit(self, image: "Image", *, expected: str | None = None, backup: Path | None = None) -> Iterator[TreeEdit]:
        """Change the objects of an image; written when the block ends, not when an exception leaves it.

        expected: the fingerprint that the data file must have, now and at the end. backup: where a copy of the
        former data file is kept. Nothing is written when nothing changed. Python's cyclic garbage collector rests
        inside the block, so do long work before it.
        Raises ProjectChangedError, ProjectLockedError, DataFileError, and InvalidObjectError for what `add_later` got.
        """
        own = own_image(self._images, image, self.path)
        before = own.fingerprint()
        if expected is not None:
            check_unchanged_since(expected, before, image.name)
        with no_collection():
            edit = own.open_edit()
            try:
                yield edit
                if edit.changed:
                    self._commit(own, edit, before, backup)
            finally:
                edit.close()

    def _commit(self, image: NativeImage, edit: TreeEdit, expected: str, backup: Path | None) -> None:
        edit.finish()
        with self.lock():
            commit_data_file(
                image.data_path,
                edit.stream,
                image.name,
                counts=edit.count_by_class,
                expected=expected,
                backup=backup,
            )
            write_summary(image, edit)

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
