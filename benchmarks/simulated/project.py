"""The QuPath project that is corrected: made from images, given regions to review, edited as QuPath would leave it."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import shapely
from numpy.random import Generator
from shapely.geometry import Polygon, box

from benchmarks.simulated.oracle import KINDS, UNTYPED, Edit, Nucleus, counted, edits_in
from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.feedback.reviewed import REVIEWED_CLASS, REVIEWED_KEY, TO_REVIEW_CLASS
from cerberus_annotate.objects.class_names import class_colour
from cerberus_annotate.qupath import Edit as ProjectEdit
from cerberus_annotate.qupath import Image, PathClass, PathObject, Project, create_project
from cerberus_annotate.review.ranking import Candidate
from cerberus_annotate.review.writing import Proposal, annotation_of

TASK = "nuclei"

DRAWN_ANEW = 0.5
"""Share of reshaped nuclei that are deleted and drawn again, as the wand leaves them; the brush keeps the object."""


def make_project(folder: Path, pictures: Sequence[tuple[Path, float]]) -> Project:
    """A project of pictures with their µm/px; one that is there already is opened."""
    project = create_project(folder)
    for path, mpp in pictures:
        add_slide(project, describe_slide(path, (mpp, mpp)))
    return project


def propose(project: Project, regions: Sequence[Candidate], files: Mapping[str, Path]) -> None:
    """Regions to review, as annotations of the class `To review`, ranked in their order."""
    for name in dict.fromkeys(region.image for region in regions):
        proposals = [
            Proposal(rank, region.bounds, 0.0, "")
            for rank, region in enumerate(regions, start=1)
            if region.image == name
        ]
        with project.edit(image_of(project, files[name])) as edit:
            edit.add([annotation_of(proposal, [TASK]) for proposal in proposals])


def correct(image: Image, project: Project, true: Sequence[Nucleus], rng: Generator) -> dict[str, int]:
    """Corrects every region to review in an image and marks it as reviewed.

    true: all nuclei of the image. rng: decides which tool a nucleus is reshaped with. Gives the edits by kind.
    """
    done: list[Edit] = []
    for region in image.read_objects():
        if str(region.path_class) != TO_REVIEW_CLASS:
            continue
        area = region.roi
        assert isinstance(area, Polygon)  # a rectangle that `propose` drew
        objects = nuclei_touching(image.read_objects(), area)
        found = [Nucleus(obj.roi, str(obj.path_class)) for obj in objects if obj.roi is not None]
        edits = edits_in(area, found, true)
        with project.edit(image) as edit:
            apply(edit, edits, objects, true, rng)
            mark = PathClass.of(REVIEWED_CLASS, (0, 160, 80))
            edit.replace(replace(region, path_class=mark, metadata={**region.metadata, REVIEWED_KEY: TASK}))
        done += edits
    return counted(done)


def nuclei_touching(objects: Iterable[PathObject], area: Polygon) -> list[PathObject]:
    """The nuclei that share more than their border with an area."""
    nuclei = [obj for obj in objects if obj.path_class is not None and obj.path_class.base == UNTYPED]
    return [obj for obj in nuclei if obj.roi is not None and shapely.relate_pattern(obj.roi, area, "T********")]


def apply(
    edit: ProjectEdit, edits: Sequence[Edit], objects: Sequence[PathObject], true: Sequence[Nucleus], rng: Generator
) -> None:
    """Does the edits as QuPath's tools do: a new object has a UUID of its own and none of our metadata.

    objects: those that `Edit.found` counts.
    """
    changed: dict[int, PathObject] = {}
    for one in edits:
        if one.found is None or one.true is None:
            continue
        now, nucleus = changed.get(one.found, objects[one.found]), true[one.true]
        if one.kind == "reshaped":
            now = replace(now, roi=nucleus.outline, roi_kind=roi_kind(nucleus))
        else:
            now = replace(now, path_class=path_class(nucleus.path_class))
        changed[one.found] = now
    for at, now in changed.items():
        if now.roi is not objects[at].roi and rng.random() < DRAWN_ANEW:
            edit.remove(now.uuid)
            edit.add(PathObject(roi=now.roi, roi_kind=now.roi_kind, path_class=now.path_class))
        else:
            edit.replace(now)
    for one in edits:
        if one.kind == "deleted" and one.found is not None:
            edit.remove(objects[one.found].uuid)
    added = [true[one.true] for one in edits if one.kind == "added" and one.true is not None]
    edit.add(
        PathObject(roi=nucleus.outline, roi_kind=roi_kind(nucleus), path_class=path_class(nucleus.path_class))
        for nucleus in added
    )


def path_class(text: str) -> PathClass:
    """A class with the colour that ours has."""
    return PathClass.of(text, class_colour(text))


def roi_kind(nucleus: Nucleus) -> str:
    """What QuPath calls the outline."""
    return "Geometry" if shapely.get_num_interior_rings(nucleus.outline) else "Polygon"


def image_of(project: Project, file: Path) -> Image:
    """The project's image of a picture."""
    return next(image for image in project.images if image.name == file.name)


def true_in(region: Candidate, true: Sequence[Nucleus]) -> int:
    """How many nuclei an image has in a region, none of them found."""
    return len(edits_in(box(*region.bounds), (), true))


def begin_round(folder: Path, number: int) -> None:
    """Keeps the project as it is before a round, or puts back what it was when that round was begun and cut off."""
    kept = folder.with_name(f"{folder.name}-before-{number}")
    if kept.exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(kept, folder)
        return
    for old in folder.parent.glob(f"{folder.name}-before-*"):
        shutil.rmtree(old)
    partial = folder.with_name(f"{folder.name}-copying")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial)
    partial.rename(kept)


def no_edits() -> dict[str, int]:
    """Nothing of any kind."""
    return dict.fromkeys(KINDS, 0)
