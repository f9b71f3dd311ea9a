"""A property of the image's data is set with all others, and all else, left as they are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cerberus_annotate.qupath import open_project
from cerberus_annotate.qupath.java import read_stream, write_stream

Copy = Callable[[str], Path]


@pytest.mark.parametrize("sample", ["0.2.3/kinds", "0.4.4/kinds", "0.5.1/kinds", "0.6.0/kinds", "0.7.0/kinds"])
def test_setting_one_leaves_the_others(sample_copy: Copy, sample: str) -> None:
    folder = sample_copy(sample)
    image = open_project(folder).images[0]
    before, objects = image.properties, image.read_objects()
    for value in ("one", "two é"):
        project = open_project(folder)
        with project.edit(project.images[0]) as edit:
            edit.set_property("cerberus.commit", value)
        assert project.images[0].properties == {**before, "cerberus.commit": value}
        assert image.properties == {**before, "cerberus.commit": value}
    assert [obj.uuid for obj in image.read_objects()] == [obj.uuid for obj in objects]


def test_only_the_map_of_properties_differs(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    project = open_project(folder)
    data = project.images[0].data_path
    before = data.read_bytes()
    with project.edit(project.images[0]) as edit:
        edit.set_property("cerberus.commit", "run 1")
    after = data.read_bytes()
    added = b"\x74\x00\x0fcerberus.commit\x74\x00\x05run 1"
    assert len(after) == len(before) + len(added)
    place = after.index(added)
    without = after[:place] + after[place + len(added) :]
    assert sum(one != other for one, other in zip(without, before, strict=True)) == 1  # how many there are


def test_a_file_without_properties_gets_them(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    project = open_project(folder)
    data = project.images[0].data_path
    stream = read_stream(data.read_bytes())
    stream.contents = [
        item for item in stream.contents if getattr(item, "desc", None) is None or "HashMap" not in item.desc.name
    ]
    data.write_bytes(write_stream(stream))
    assert project.images[0].properties == {}
    with project.edit(project.images[0]) as edit:
        edit.set_property("key", "value")
    assert project.images[0].properties == {"key": "value"}
    assert len(project.images[0].read_objects()) == 1


def test_an_image_without_data_has_none(sample_copy: Copy) -> None:
    assert open_project(sample_copy("0.6.0/empty")).images[0].properties == {}
