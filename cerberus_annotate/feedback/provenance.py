"""Which objects of a project are ours: two keys in an object's metadata.

QuPath keeps an object's UUID and its metadata through edits of shape, class, name and lock. Data files of QuPath
before 0.4 keep no UUID, so our own id stands in the metadata as well.
"""

from collections.abc import Iterable

from cerberus_annotate.qupath.path_object import PathObject

RUN_KEY = "cerberus.run"
ID_KEY = "cerberus.id"


def our_ids(objects: Iterable[PathObject]) -> set[str]:
    """Our ids of those of the objects that are ours."""
    return {obj.metadata[ID_KEY] for obj in objects if ID_KEY in obj.metadata}
