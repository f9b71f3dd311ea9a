"""Projects as they are: by other people and versions, without their slides, in sub-folders, with TMA grids, and with a
hundred thousand objects of other tools. A run changes nothing in them but what it adds."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from shapely.geometry import box

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import RunSummary, run
from cerberus_annotate.annotate.undo import remove_run
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.qupath import PathClass, PathObject, Project, create_project, open_project, server_for_slide
from cerberus_annotate.qupath.java import Stream, read_stream, write_stream
from cerberus_annotate.qupath.java.values import Block, ClassData, JavaArray, JavaObject, JavaString
from cerberus_annotate.qupath.native.data_file import hierarchy_of, root_of
from cerberus_annotate.qupath.native.editing import TreeEdit
from cerberus_annotate.qupath.native.object_parts import field_values
from cerberus_annotate.qupath.native.object_reading import walk
from cerberus_annotate.slide.pyramid import write_pyramid

from .conftest import make_writable

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"
REAL = ("coscia_lmd", "hepatovac", "orion", "avyan")
MODEL = SimpleNamespace(name="stub", sha256="0" * 64, tasks=("gland",))
ANY = Options(regions="whole", any_stain=True)
Copy = Callable[[str], Path]


def two_glands(slide: Any, mpp: tuple[float, float], **_: Any) -> ObjectList:
    return ObjectList([PredictedObject("gland", "Gland", box(x, 20, x + 30, 60), 0.9) for x in (10, 50)])


def annotate(project: Project, options: Options = ANY) -> RunSummary:
    return run(project, MODEL, options, two_glands)


def files_of(folder: Path) -> dict[str, bytes]:
    """What QuPath has in a project; our own folder left out."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith("cerberus/")}


def hierarchy_without(data: bytes, ours: Collection[UUID] = ()) -> bytes:
    """The bytes of the hierarchy and all that it holds, with our objects taken out."""
    edit = TreeEdit(read_stream(data), "1", ())
    for uuid in ours:
        edit.remove(uuid)
    edit.finish()
    return write_stream(Stream([hierarchy_of(edit.stream)]))


def glands_of(project: Project, index: int = 0) -> list[UUID]:
    objects = open_project(project.path).images[index].read_objects()
    return [item.uuid for item in objects if str(item.path_class) == "Gland"]


def show_slide(project: Project, index: int, slide: Path) -> Project:
    """The project with an image that lies at `slide`."""
    content = json.loads(project.path.read_text(encoding="utf-8"))
    content["images"][index]["serverBuilder"]["uri"] = slide.as_uri()
    project.path.write_text(json.dumps(content), encoding="utf-8")
    return open_project(project.path)


def blank_slide(path: Path, width: int, height: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pyramid(path, np.full((height, width, 3), 230, np.uint8), 0.5)
    return path


@pytest.mark.parametrize("name", REAL)
def test_edits_of_real_projects_are_undone_to_the_byte(name: str, shared: Path, tmp_path: Path) -> None:
    """Their slides are not there, which no edit needs."""
    folder = tmp_path / name
    shutil.copytree(shared / "data" / "qupath-real" / name, folder)
    make_writable(folder)
    before = files_of(folder)
    project = open_project(folder)
    edited = [image for image in project.images if image.has_data]
    for image in edited:
        item = PathObject(box(10, 10, 40, 40), path_class=PathClass.of("Gland"), measurements={"Confidence": 0.9})
        with project.edit(image) as edit:
            edit.add(item)
        assert len(image.read_objects()) == 1 + len(hierarchy_objects(before[f"data/{image.id}/data.qpdata"]))
        with project.edit(image) as edit:
            edit.remove(item.uuid)
    assert edited
    after = files_of(folder)
    for files in (before, after):  # for QuPath's display only, with a time in it
        for image in project.images:
            files.pop(f"data/{image.id}/summary.json", None)
    assert after == before


def hierarchy_objects(data: bytes) -> list[Any]:
    return list(walk(root_of(read_stream(data))))[1:]


@pytest.mark.parametrize("name", REAL)
def test_a_run_over_a_real_project_without_its_slides_names_each_and_changes_nothing(
    name: str, shared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / name
    shutil.copytree(shared / "data" / "qupath-real" / name, folder)
    make_writable(folder)
    before = files_of(folder)
    project = open_project(folder)
    summary = annotate(project)
    assert summary.exit_code == 1
    assert len(summary.images) == len(project.images)
    for image in project.images:
        record = summary.images[image.id]
        assert record.status in ("refused", "failed")
        assert f"'{image.name}'" in record.reason
    assert files_of(folder) == before


@pytest.mark.parametrize("version", ["0.2.3", "0.3.2", "0.4.4", "0.5.1", "0.6.0", "0.7.0"])
def test_a_run_over_a_project_of_any_version_leaves_what_was_there(
    version: str, sample_copy: Copy, tmp_path: Path
) -> None:
    """The first image gets its slide, the others stay without; then the run is taken back."""
    project = open_project(sample_copy(f"{version}/kinds"))
    slide = blank_slide(tmp_path / "slides" / "first.tif", 4000, 3000)
    content = json.loads(project.path.read_text(encoding="utf-8"))
    builder = content["images"][0]["serverBuilder"]
    builder["providerClassName"] = "qupath.lib.images.servers.openslide.OpenslideServerBuilder"
    builder["args"] = []
    project.path.write_text(json.dumps(content), encoding="utf-8")
    project = show_slide(project, 0, slide)
    before = files_of(project.folder)
    summary = annotate(project)
    statuses = [summary.images[image.id].status for image in project.images]
    assert statuses == ["done", *["failed"] * (len(statuses) - 1)]
    name = f"data/{project.images[0].id}/data.qpdata"
    glands = glands_of(project)
    assert len(glands) == 2
    after = files_of(project.folder)
    if version >= "0.4":
        # Older files hold no UUIDs; taking an object out writes those of all others into the file.
        assert hierarchy_without(after[name], glands) == hierarchy_without(before[name])
    changed = {path for path in before if before[path] != after[path]}
    assert changed <= {name, name.replace("data.qpdata", "summary.json"), "classifiers/classes.json"}
    remove_run(project, summary.run.id)
    assert glands_of(project) == []
    assert len(open_project(project.path).images[0].read_objects()) == len(hierarchy_objects(before[name]))


def test_slides_of_one_name_in_sub_folders_are_told_apart(tmp_path: Path) -> None:
    """Also when project and slides were moved together."""
    study = tmp_path / "study"
    project = create_project(study / "qupath" / "nested")
    for number, folder in enumerate(("a", "b", "b/ü c"), 1):
        slide = blank_slide(study / "slides" / folder / "slide 1.tif", 200 + 20 * number, 200)
        project.add_image(server_for_slide(slide, "slide 1.tif", 200 + 20 * number, 200, pixel_size=(0.5, 0.5)), folder)
    study.rename(tmp_path / "moved")
    project = open_project(tmp_path / "moved" / "qupath" / "nested")
    widths = []

    def remember(slide: Any, mpp: tuple[float, float], **_: Any) -> ObjectList:
        widths.append(slide.width)
        return two_glands(slide, mpp)

    assert run(project, MODEL, ANY, remember).exit_code == 0
    assert widths == [220, 240, 260]
    assert [len(glands_of(project, index)) for index in range(3)] == [2, 2, 2]


def test_a_tma_grid_keeps_its_cores(sample_copy: Copy, tmp_path: Path) -> None:
    """The grid holds the very cores that stand in the hierarchy, after a run and after objects were put into a core."""
    project = open_project(sample_copy("0.6.0/kinds"))
    image = project.images[4]
    slide = blank_slide(tmp_path / "slides" / "tma.tif", 4000, 3000)
    project = show_slide(project, 4, slide)
    before = image.data_path.read_bytes()
    summary = annotate(project, dataclasses.replace(ANY, images=(image.name,)))
    assert summary.images[image.id].status == "done"
    core, *_ = [item for item in image.read_objects() if item.kind == "tma_core"]
    inside = PathObject(box(0, 0, 5, 5), parent=core.uuid)
    with project.edit(image) as edit:
        edit.add(inside)
        edit.replace(dataclasses.replace(core, name="Z-9"))
    after = image.data_path.read_bytes()
    for data, names in ((before, core.name), (after, "Z-9")):
        hierarchy = hierarchy_of(read_stream(data))
        grid = field_values(hierarchy)["tmaGrid"]
        cores = [item for item in field_values(grid)["cores"].data[-1].annotation if isinstance(item, JavaObject)]
        children = [
            step.node for step in walk(field_values(hierarchy)["rootObject"]) if "TMACore" in step.node.desc.name
        ]
        assert len(cores) == 6
        assert all(one is other for one, other in zip(cores, children, strict=True))
        assert names in {node.data[0].annotation[0].text for node in cores}
    with project.edit(image) as edit:
        edit.remove(inside.uuid)
        edit.replace(core)
    assert hierarchy_without(image.data_path.read_bytes(), glands_of(project, 4)) == hierarchy_without(before)


def many_detections(data: bytes, count: int) -> Stream:
    """QuPath's own file of 54 detections, with `count` of them: each its own UUID, shape and measurements."""
    stream = read_stream(data)
    root = root_of(stream)
    items = root.data[0].annotation
    place = next(place for place, item in enumerate(items) if isinstance(item, Block))
    template = next(item for item in items if isinstance(item, JavaObject) and "PathDetection" in item.desc.name)
    children = [numbered(template, number) for number in range(count)]
    items[place:] = [Block(count.to_bytes(4)), *children]
    return stream


def numbered(template: JavaObject, number: int) -> JavaObject:
    """A copy of a detection with the number in its UUID, place and measurements."""
    items = list(template.data[0].annotation)
    one, keys, values = items[2].data[0].annotation
    texts = [*values.values[:-1], JavaString(str(UUID(int=number + 1)))]
    items[2] = JavaObject(items[2].desc, [ClassData([], [one, keys, JavaArray(values.desc, texts)])])
    shared, own = items[3].data
    numbers = JavaArray(own.values[0].desc, own.values[0].values + np.float32(number))
    items[3] = JavaObject(items[3].desc, [shared, ClassData([numbers])])
    roi = items[-2]
    fields = list(roi.data[0].values)
    fields[-2:] = [JavaArray(array.desc, array.values + np.float32(number % 500)) for array in fields[-2:]]
    items[-2] = JavaObject(roi.desc, [ClassData(fields)])
    return JavaObject(template.desc, [ClassData([], items)])


@no_collection()
def test_a_hundred_thousand_detections_of_other_tools_stay_untouched(tmp_path: Path) -> None:
    project = create_project(tmp_path / "project")
    slide = blank_slide(tmp_path / "slide.tif", 400, 300)
    image = project.add_image(server_for_slide(slide, "slide.tif", 400, 300, pixel_size=(0.5, 0.5)), "slide.tif")
    stream = many_detections((SAMPLES / "0.6.0/small-bulk/data/1/data.qpdata").read_bytes(), 100_000)
    image.data_path.write_bytes(write_stream(stream))
    before = write_stream(Stream([hierarchy_of(stream)]))
    assert annotate(open_project(project.path)).exit_code == 0
    glands = glands_of(project)
    assert len(glands) == 2
    assert hierarchy_without(image.data_path.read_bytes(), glands) == before
