"""A new image entry, made by QuPath."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cerberus_annotate.errors import DataFileError, ProjectError
from cerberus_annotate.files import replace_file
from cerberus_annotate.qupath.native import json_text
from cerberus_annotate.qupath.paquo.data_file import IMAGE_TYPE, read_image_data, write_image_data
from cerberus_annotate.qupath.paquo.virtual_machine import java_class, java_errors, reason
from cerberus_annotate.qupath.server import ServerBuilder


def add_entry(
    project: Any,
    folder: Path,
    server: ServerBuilder,
    name: str,
    image_type: str,
    thumbnail: bytes | None,
    metadata: Mapping[str, str],
) -> str:
    """Add an image to QuPath's project in `folder` and save it; returns the entry's id.

    Raises ProjectError; nothing of the new entry is then left on disk.
    """
    gson = java_class("qupath.lib.io.GsonTools").getInstance()
    kind = java_class("qupath.lib.images.servers.ImageServerBuilder.ServerBuilder").class_
    _pass_over_left_folders(project, folder)
    made: Path | None = None
    try:
        entry = project.addImage(gson.fromJson(json_text.dump(dict(server.json)), kind))
        made = Path(str(entry.getEntryPath().toString()))
        made.mkdir(parents=True, exist_ok=True)
        # QuPath 0.5 leaves it out; paquo asks for it when the slide is missing.
        replace_file(made / "server.json", json_text.dump(dict(server.json)).encode("utf-8"))
        entry.setImageName(name)
        for key, text in metadata.items():
            entry.putMetadataValue(key, text)
        image_data = read_image_data(name, None, entry.getServerBuilder())
        image_data.setImageType(getattr(java_class(IMAGE_TYPE), image_type))
        write_image_data(image_data, made / "data.qpdata")
        if thumbnail is not None:
            replace_file(made / "thumbnail.jpg", thumbnail)
        project.syncChanges()
    except java_errors(OSError, DataFileError, AttributeError) as error:
        if made is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(made)
        why = reason(error) if isinstance(error, java_errors()) else str(error)
        raise ProjectError(
            f"Image '{name}' could not be added to the project in {folder}: {why}. The project is as it was."
        ) from error
    return str(entry.getID())


def _pass_over_left_folders(project: Any, folder: Path) -> None:
    """Keep a new entry from taking over the data of one that was removed, which QuPath itself lets happen."""
    field = java_class("qupath.lib.projects.DefaultProject").class_.getDeclaredField("counter")
    field.setAccessible(True)
    counter = field.get(project)
    while (folder / "data" / str(int(counter.get()) + 1)).exists():
        counter.incrementAndGet()
