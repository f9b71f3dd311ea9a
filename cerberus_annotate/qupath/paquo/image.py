"""One image entry of a project that QuPath's classes opened."""

import json
from pathlib import Path
from typing import Any

from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath.native.data_file import load_head
from cerberus_annotate.qupath.native.image import NativeImage, ProjectOfImage
from cerberus_annotate.qupath.paquo.data_file import read_hierarchy, read_image_data, settle_uuids
from cerberus_annotate.qupath.paquo.reading import ClassReader, read_objects
from cerberus_annotate.qupath.paquo.virtual_machine import java_class
from cerberus_annotate.qupath.path_object import PathObject


def entry_json(entry: Any) -> dict[str, Any]:
    """What QuPath has of an image entry, in the form of the project's file."""
    gson = java_class("qupath.lib.io.GsonTools").getInstance()
    builder = java_class("qupath.lib.images.servers.ImageServerBuilder.ServerBuilder").class_
    description = entry.getDescription()
    found: dict[str, Any] = {
        "entryID": str(entry.getID()),
        "imageName": str(entry.getOriginalImageName()),
        "serverBuilder": json.loads(str(gson.toJson(entry.getServerBuilder(), builder))),
        "metadata": {str(key): str(entry.getMetadataValue(key)) for key in entry.getMetadataKeys()},
        "description": None if description is None else str(description),
    }
    if hasattr(entry, "getTags"):
        found["tags"] = [str(tag) for tag in entry.getTags()]
    return found


class PaquoImage(NativeImage):
    """One image entry of a project.  See `qupath.project.Image`.

    Files, names, image type and stains are as for the other engine; objects are read and written by QuPath.
    """

    def __init__(self, project: ProjectOfImage, entry: Any) -> None:
        super().__init__(project, entry_json(entry))
        self.java_entry = entry

    def read_objects(self) -> list[PathObject]:
        """All objects in the order of the file, children after their parents, without the root.

        Raises DataFileError.
        """
        with no_collection():
            return self._first_readable(self._objects_of) or []

    def _objects_of(self, path: Path) -> list[PathObject]:
        hierarchy = read_hierarchy(self.name, path)
        return read_objects(self._settled(hierarchy, path), ClassReader(self._project.classes))

    def open_image_data(self) -> tuple[Any, list[Any]]:
        """(QuPath's ImageData, its objects in the order of the file).  Raises DataFileError."""
        builder = self.java_entry.getServerBuilder()

        def read(path: Path) -> tuple[Any, list[Any]]:
            image_data = read_image_data(self.name, path, builder)
            items = self._settled(image_data.getHierarchy(), path)
            if not items:
                # QuPath passes over a hierarchy with something unknown in it, which would be lost at the next save.
                read_hierarchy(self.name, path)
            return image_data, items

        return self._first_readable(read) or (read_image_data(self.name, None, builder), [])

    def _settled(self, hierarchy: Any, path: Path) -> list[Any]:
        return settle_uuids(hierarchy, super().read_objects, load_head(self.name, path).description)
