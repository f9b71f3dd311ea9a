"""What QuPath's own classes read, and what we read without Java, is the same, object for object."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cerberus_annotate.errors import DataFileError
from cerberus_annotate.qupath import open_project
from cerberus_annotate.qupath.java import write_stream
from cerberus_annotate.qupath.native.data_file import release_of
from cerberus_annotate.qupath.native.descriptors import STAINS
from cerberus_annotate.qupath.native.new_data import new_stream
from cerberus_annotate.qupath.native.object_parts import class_name
from cerberus_annotate.qupath.paquo.image import PaquoImage
from tests.qupath.conftest import make_writable
from tests.qupath.contract.equality import assert_same_objects

SAMPLES = Path(__file__).parents[2] / "data" / "qupath-samples"
PROJECTS = sorted(str(path.parent.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*/project.qpproj"))
REAL = ("avyan", "coscia_lmd", "hepatovac", "orion")
Copy = Callable[[str], Path]


def assert_same_project(folder: Path, qupath_version: str) -> None:
    theirs, ours = open_project(folder, "paquo"), open_project(folder)
    assert (theirs.path, theirs.name, theirs.version, theirs.uri) == (ours.path, ours.name, ours.version, ours.uri)
    assert theirs.classes == ours.classes
    assert [item.colour for item in theirs.classes] == [item.colour for item in ours.classes]
    for image, other in zip(theirs.images, ours.images, strict=True):
        for part in ("id", "name", "description", "metadata", "width", "height", "pixel_size", "data_path", "has_data"):
            assert getattr(image, part) == getattr(other, part), part
        for part in ("builder_type", "provider", "uri", "args"):
            assert getattr(image.server, part) == getattr(other.server, part), part
        if release_of(qupath_version) >= (0, 6):
            assert image.tags == other.tags
        assert image.fingerprint() == other.fingerprint()
        assert (image.image_type, image.stains) == (other.image_type, other.stains)
        assert_same_objects(image.read_objects(), other.read_objects())


@pytest.mark.parametrize("name", PROJECTS)
def test_each_sample_reads_the_same(qupath_version: str, sample_copy: Copy, name: str) -> None:
    assert_same_project(sample_copy(name), qupath_version)


@pytest.mark.parametrize("name", REAL)
def test_real_projects_read_the_same(qupath_version: str, shared: Path, tmp_path: Path, name: str) -> None:
    """Projects of laboratories, written by several versions of QuPath."""
    folder = tmp_path / name
    shutil.copytree(shared / "data" / "qupath-real" / name, folder)
    make_writable(folder)
    assert_same_project(folder, qupath_version)


def assert_type_and_stains_of_qupath(image: PaquoImage) -> None:
    """What our reader says of an image is what QuPath's own ImageData says."""
    data, _ = image.open_image_data()
    assert image.image_type == str(data.getImageType().name())
    theirs, ours = data.getColorDeconvolutionStains(), image.stains
    assert (theirs is None) == (ours is None)
    if ours is None:
        return
    stains = [stain for stain in (theirs.getStain(number) for number in (1, 2, 3)) if not stain.isResidual()]
    assert ours.name == str(theirs.getName())
    assert [name for name, _ in ours.vectors] == [str(stain.getName()) for stain in stains]
    for (_, vector), stain in zip(ours.vectors, stains, strict=True):
        assert vector == pytest.approx((stain.getRed(), stain.getGreen(), stain.getBlue()), abs=1e-6)
    assert ours.background == (theirs.getMaxRed(), theirs.getMaxGreen(), theirs.getMaxBlue())


@pytest.mark.parametrize("name", ["0.4.4/kinds", "0.5.1/kinds", "0.6.0/kinds", "0.7.0/kinds"])
def test_image_type_and_stains(writing_qupath: str, sample_copy: Copy, name: str) -> None:
    for image in open_project(sample_copy(name), "paquo").images:
        assert_type_and_stains_of_qupath(image)


@pytest.mark.parametrize("image_type", ["BRIGHTFIELD_H_E", "BRIGHTFIELD_H_DAB", "BRIGHTFIELD_OTHER"])
def test_stains_that_the_file_does_not_hold(writing_qupath: str, sample_copy: Copy, image_type: str) -> None:
    image = open_project(sample_copy("0.6.0/kinds"), "paquo").images[0]
    stream = new_stream("0.6.0", image.server.json, image.server.uri, image_type)
    stream.contents = [None if class_name(part) == STAINS else part for part in stream.contents]
    image.data_path.write_bytes(write_stream(stream))
    assert_type_and_stains_of_qupath(image)


def test_objects_without_uuids_have_the_same_ones_at_every_reading(qupath_version: str, sample_copy: Copy) -> None:
    image = open_project(sample_copy("0.3.2/kinds"), "paquo").images[0]
    first = [item.uuid for item in image.read_objects()]
    assert first == [item.uuid for item in image.read_objects()]
    assert len(set(first)) == len(first) > 20


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.3, 0.9])
def test_a_file_that_was_cut_off_is_refused_and_left_alone(qupath_version: str, sample_copy: Copy, kept: float) -> None:
    """QuPath itself shows such an image as empty, or never comes back from the file."""
    folder = sample_copy("0.6.0/kinds")
    image = open_project(folder, "paquo").images[0]
    data = image.data_path.read_bytes()
    cut = data[: int(kept * len(data))]
    image.data_path.write_bytes(cut)
    with pytest.raises(DataFileError, match="cannot be read"):
        image.read_objects()
    with pytest.raises(DataFileError), open_project(folder, "paquo").edit(image) as edit:
        edit.set_property("key", "value")
    assert image.data_path.read_bytes() == cut


def test_an_object_that_qupath_does_not_know_costs_nobody_the_others(writing_qupath: str, sample_copy: Copy) -> None:
    """QuPath itself passes over the whole hierarchy with a line in its log, and its next save would end it."""
    folder = sample_copy("0.6.0/kinds")
    path = folder / "data/1/data.qpdata"
    known, unknown = b"qupath.lib.objects.PathAnnotationObject", b"qupath.lib.objects.PathAnnotationThings"
    strange = path.read_bytes().replace(known, unknown)
    path.write_bytes(strange)
    for engine in ("native", "paquo"):
        project = open_project(folder, engine)
        with pytest.raises(DataFileError), project.edit(project.images[0]) as edit:
            edit.set_property("key", "value")
        with pytest.raises(DataFileError):
            project.images[0].read_objects()
    assert path.read_bytes() == strange


def test_what_qupath_kept_beside_a_damaged_file_is_read_in_its_place(qupath_version: str, sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    path = folder / "data/1/data.qpdata"
    path.with_name("data.qpdata.bkp").write_bytes(path.read_bytes())
    path.write_bytes(b"\xac\xed\x00\x05 and no more")
    theirs, ours = open_project(folder, "paquo").images[0], open_project(folder).images[0]
    assert_same_objects(theirs.read_objects(), ours.read_objects())
    assert len(ours.read_objects()) > 20
