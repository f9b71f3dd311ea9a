"""QuPath's projects on disk: images, their objects, and changes to them. Needs no Java.

from cerberus_annotate.qupath import open_project
project = open_project("project.qpproj")
for image in project.images:
    objects = image.read_objects()
with project.edit(image) as edit:
    edit.add(objects)
"""

from cerberus_annotate.qupath.geojson import iterate_geojson, read_geojson, write_geojson
from cerberus_annotate.qupath.native.data_file import DataFileContent, Stains, read_data_file
from cerberus_annotate.qupath.path_object import InvalidObjectError, PathClass, PathObject
from cerberus_annotate.qupath.project import Edit, Image, Project, create_project, open_project
from cerberus_annotate.qupath.server import ServerBuilder, SlideLocation, server_for_slide, slide_location

__all__ = [
    "DataFileContent",
    "Edit",
    "Image",
    "InvalidObjectError",
    "PathClass",
    "PathObject",
    "Project",
    "ServerBuilder",
    "SlideLocation",
    "Stains",
    "create_project",
    "iterate_geojson",
    "open_project",
    "read_data_file",
    "read_geojson",
    "server_for_slide",
    "slide_location",
    "write_geojson",
]
