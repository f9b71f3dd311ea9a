"""The engine that lets the user's own QuPath read and write."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.files import write_whole
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath.colours import Colour, default_colour, from_argb, to_argb
from cerberus_annotate.qupath.native.adding_images import same_slide
from cerberus_annotate.qupath.native.commit import check_unchanged_since
from cerberus_annotate.qupath.native.data_file import release_of
from cerberus_annotate.qupath.native.image import own_image
from cerberus_annotate.qupath.native.project import NativeProject
from cerberus_annotate.qupath.native.project_file import classes_file
from cerberus_annotate.qupath.paquo.adding_images import add_entry
from cerberus_annotate.qupath.paquo.data_file import release
from cerberus_annotate.qupath.paquo.editing import JavaEdit
from cerberus_annotate.qupath.paquo.image import PaquoImage
from cerberus_annotate.qupath.paquo.installation import WAY_OUT
from cerberus_annotate.qupath.paquo.object_making import java_path_class
from cerberus_annotate.qupath.paquo.saving import save
from cerberus_annotate.qupath.paquo.virtual_machine import java_class, java_errors, reason, start
from cerberus_annotate.qupath.path_object import PathClass
from cerberus_annotate.qupath.server import ServerBuilder

if TYPE_CHECKING:
    from cerberus_annotate.qupath.project import Image


class PaquoProject:
    """An open project.  See `qupath.project.Project`."""

    def __init__(self, path: str | Path) -> None:
        """Raises ProjectError when QuPath cannot open it, UsageError when there is no QuPath that fits."""
        #: Where files lie and what keeps other runs off, which is the same for both engines.
        self._files = NativeProject(path)
        start()
        self._load()

    def _load(self) -> None:
        from paquo.projects import QuPathProject

        try:
            # paquo's object must live on: its entries hold it by a weak reference.
            self._paquo = QuPathProject(self.path, mode="r+")
        except java_errors() as error:
            raise ProjectError(
                f"QuPath {start()} cannot open the project {self.path} ({reason(error)}). It may need a newer QuPath. "
                f"{WAY_OUT}"
            ) from error
        self._java = self._paquo.java_object
        self._images = tuple(PaquoImage(self, entry) for entry in self._java.getImageList())
        self._class_state, self._classes = _state(self.folder), _classes_of(self._java)

    def __repr__(self) -> str:
        return f"<QuPath project {self.path}, through QuPath {start()}>"

    @property
    def path(self) -> Path:
        return self._files.path

    @property
    def folder(self) -> Path:
        return self._files.folder

    @property
    def name(self) -> str:
        return self._files.name

    @property
    def version(self) -> str:
        return str(self._java.getVersion() or "")

    @property
    def uri(self) -> str:
        uri = self._java.getPreviousURI()
        return "" if uri is None else str(uri.toString())

    @property
    def images(self) -> Sequence[PaquoImage]:
        return self._images

    @property
    def classes(self) -> list[PathClass]:
        """The project's class list in its order.  Raises ProjectError."""
        if _state(self.folder) != self._class_state:
            self._load()
        return list(self._classes)

    def add_classes(self, classes: Iterable[PathClass]) -> list[PathClass]:
        """Append the classes that are missing and return them; order and colours of the others stay.

        Raises ProjectError.
        """
        wanted = dict.fromkeys(PathClass.of(str(path_class), path_class.colour) for path_class in classes)
        if set(wanted) <= set(self.classes):
            return []
        with self.lock():
            # QuPath may have saved its list since.
            self._load()
            listed = {path_class.names: path_class for path_class in self._classes}
            missing = [path_class for path_class in wanted if path_class.names not in listed]
            if missing:
                self._write_classes(missing, listed)
        return missing

    def _write_classes(self, missing: list[PathClass], listed: Mapping[tuple[str, ...], PathClass]) -> None:
        path = classes_file(self.folder)
        former = path.read_bytes() if path.exists() else None
        wanted = java_class("java.util.ArrayList")(self._java.getPathClasses())
        for path_class in missing:
            java = java_path_class(path_class, listed)
            # Another project in this process may have had the class in its own colour.
            java.setColor(java_class("java.lang.Integer").valueOf(to_argb(_colour_of(path_class))))
            wanted.add(java)
        self._java.setPathClasses(wanted)
        # QuPath tells its log alone when it could not write the list.
        self._load()
        if not set(missing) <= set(self._classes):
            if former is not None:
                write_whole(path, former, "The class list")
            raise ProjectError(
                f"QuPath could not write the class list ({path}); see that its folder can be written to."
            )

    @contextlib.contextmanager
    def edit(self, image: "Image", *, expected: str | None = None, backup: Path | None = None) -> Iterator[JavaEdit]:
        """Change the objects of an image; written when the block ends, not when an exception leaves it.

        See `NativeProject.edit`. QuPath reads back what it wrote before the file is put in place.
        Raises ProjectChangedError, ProjectLockedError, DataFileError.
        """
        own = own_image(self._images, image, self.path)
        before = own.fingerprint()
        if expected is not None:
            check_unchanged_since(expected, before, image.name)
        with no_collection():
            edit = JavaEdit(*own.open_image_data(), self.classes)
            yield edit
            edit.finish()
            if edit.changed:
                with self.lock():
                    save(own, edit, expected=before, backup=backup)

    def add_image(
        self,
        server: ServerBuilder,
        name: str,
        image_type: str = "BRIGHTFIELD_H_E",
        thumbnail: bytes | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> PaquoImage:
        """Add a slide; the present image when it is in the project already.

        thumbnail: a JPEG file's bytes. metadata: of the entry. `is_new` of the result tells whether it was added.
        Raises ProjectError; the project is then as it was.
        """
        with self.lock():
            # QuPath may have saved the project since it was opened.
            self._load()
            if release_of(self.version) > release():
                raise ProjectError(
                    f"The project {self.path} was saved by QuPath {self.version}; QuPath {start()} would drop what it "
                    f"does not know of it. {WAY_OUT}"
                )
            present = next((image for image in self._images if same_slide(image.server, server)), None)
            if present is not None:
                present.is_new = False
                return present
            former = self.path.read_bytes()
            try:
                entry_id = add_entry(self._java, self.folder, server, name, image_type, thumbnail, metadata or {})
            except ProjectError:
                # QuPath moves the old file away before the new one is in place.
                if not self.path.exists():
                    write_whole(self.path, former, "The project")
                raise
            finally:
                self._load()
        image = next(image for image in self._images if image.id == entry_id)
        image.is_new = True
        return image

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """See `NativeProject.lock`: both engines keep each other off."""
        return self._files.lock()


def _state(folder: Path) -> tuple[int, int] | None:
    """Size and time of the class list's file; None without one."""
    try:
        state = classes_file(folder).stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _classes_of(project: Any) -> tuple[PathClass, ...]:
    """The class list with its colours, taken at once: QuPath has one colour a class for the whole process."""
    found = []
    for java in project.getPathClasses():
        colour = java.getColor()
        text = str(java.toString())
        found.append(PathClass.of(text, None if colour is None else from_argb(int(colour))))
    return tuple(found)


def _colour_of(path_class: PathClass) -> Colour:
    return path_class.colour or default_colour(path_class.names)
