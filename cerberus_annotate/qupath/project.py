"""A QuPath project as the rest of the package sees it; engines implement it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from uuid import UUID

from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath.native.data_file import Stains
from cerberus_annotate.qupath.path_object import PathClass, PathObject
from cerberus_annotate.qupath.server import ServerBuilder


class Image(Protocol):
    """One entry of a project."""

    @property
    def id(self) -> str:
        """The entryID."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str | None: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...

    @property
    def tags(self) -> Sequence[str]: ...

    @property
    def server(self) -> ServerBuilder: ...

    @property
    def image_type(self) -> str:
        """Name of QuPath's constant, such as BRIGHTFIELD_H_E; UNSET when the image was never saved."""

    @property
    def stains(self) -> Stains | None: ...

    @property
    def data_path(self) -> Path:
        """Where data.qpdata lies or would lie."""

    @property
    def has_data(self) -> bool: ...

    @property
    def width(self) -> int | None:
        """px of level 0 by the server's metadata, None when it has none."""

    @property
    def height(self) -> int | None: ...

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """(x, y) in µm per px as the project has it; None when unknown."""

    def read_objects(self) -> list[PathObject]:
        """All objects in the order of the file, without the root.  Raises DataFileError."""

    @property
    def properties(self) -> Mapping[str, str]:
        """The texts among the properties of the image's data (`ImageData.getProperties` in QuPath)."""

    def fingerprint(self) -> str:
        """Changes when the data file's content does; "absent" without one."""


class Edit(Protocol):
    """Changes to one image; nothing reaches the disk before the block around it ends."""

    def add(self, objects: PathObject | Iterable[PathObject]) -> None:
        """Add objects, all or none.  Raises InvalidObjectError."""

    def add_later(self, parent: UUID | None, count: int, objects: Iterable[PathObject]) -> None:
        """Add `count` objects under `parent` (an object of the image, or one given to `add` before; None: the root).

        For more than should be held in memory: `objects` is walked once, when the block ends, and each must name the
        parent. They are checked as `add` checks its own. The objects cannot be changed, removed or be parents in this
        edit; Python's cyclic garbage collector rests while they are walked, so they must not leave cycles behind.
        Raises InvalidObjectError when there is no such parent. An object that is not in order or another number of them
        ends the block by that error, and so does what walking them raises; nothing is changed then.
        """

    def replace(self, item: PathObject) -> None:
        """Make the object with that UUID equal to `item`.  Raises InvalidObjectError."""

    def remove(self, uuid: UUID) -> None:
        """Take an object out; its children move up to its parent.  Raises InvalidObjectError."""

    def set_property(self, key: str, value: str) -> None:
        """Give a property of the image's data a text (`ImageData.setProperty` in QuPath)."""


class Project(Protocol):
    """An open project."""

    @property
    def path(self) -> Path:
        """The .qpproj file."""

    @property
    def folder(self) -> Path: ...

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """The QuPath that wrote it last."""

    @property
    def uri(self) -> str:
        """Where it lay when QuPath saved it."""

    @property
    def images(self) -> Sequence[Image]: ...

    @property
    def classes(self) -> list[PathClass]: ...

    def add_classes(self, classes: Iterable[PathClass]) -> list[PathClass]:
        """Append the missing ones, in order; returns them.  Raises ProjectError."""

    def edit(
        self, image: Image, *, expected: str | None = None, backup: Path | None = None
    ) -> AbstractContextManager[Edit]:
        """Change an image's objects, all at once at the end of the block; nothing when an exception leaves it.

        expected: fingerprint that the data file must have (ProjectChangedError otherwise). backup: where a copy of
        the former data file is kept. Raises DataFileError.
        """

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes of ours off; may be taken again inside itself.  Raises ProjectLockedError."""

    def add_image(
        self,
        server: ServerBuilder,
        name: str,
        image_type: str = "BRIGHTFIELD_H_E",
        thumbnail: bytes | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Image: ...


def open_project(path: str | Path, engine: str = "native") -> Project:
    """Open a project: the .qpproj file or its folder.

    engine: `native` (no Java), or `paquo` (the user's own QuPath reads and writes). Raises ProjectError, and
    UsageError for an engine that is not there or finds no QuPath that fits.
    """
    if engine == "paquo":
        from cerberus_annotate.qupath.paquo.project import PaquoProject

        return PaquoProject(path)
    if engine != "native":
        raise UsageError(f"There is no engine '{engine}'; use native or paquo.")
    from cerberus_annotate.qupath.native.project import NativeProject

    return NativeProject(path)


def create_project(path: str | Path) -> Project:
    """A new project as QuPath 0.6.0 writes it, folders made; one that is there already is opened instead.

    path: the .qpproj file, or the folder that gets a project.qpproj. Raises ProjectError.
    """
    from cerberus_annotate.qupath.native.project import create_native_project

    return create_native_project(path)
