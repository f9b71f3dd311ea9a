"""The engine that lets the user's own QuPath read and write."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.qupath.colours import from_argb
from cerberus_annotate.qupath.native.project import NativeProject
from cerberus_annotate.qupath.native.project_file import classes_file
from cerberus_annotate.qupath.paquo.image import PaquoImage
from cerberus_annotate.qupath.paquo.installation import WAY_OUT
from cerberus_annotate.qupath.paquo.virtual_machine import java_errors, reason, start
from cerberus_annotate.qupath.path_object import PathClass

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

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """See `NativeProject.lock`: both engines keep each other off."""
        return self._files.lock()

    def _own(self, image: "Image") -> PaquoImage:
        for own in self._images:
            if own.id == image.id:
                return own
        raise ProjectError(f"The project {self.path} has no image with the id {image.id}.")


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
