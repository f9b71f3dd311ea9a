"""What a report reads from a project."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Point, box

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.qupath import PathClass, PathObject, Project, create_project
from cerberus_annotate.report.gathering.corrections import AFTER, BEFORE
from cerberus_annotate.report.gathering.project import gather
from cerberus_annotate.slide.pyramid import write_pyramid

PLACES = [(x, y) for y in (100, 200, 300) for x in (100, 200, 300)]


class StubModel:
    name = "stub"
    sha256 = "0" * 64
    tasks = ("nuclei",)


def predict(slide: Any, mpp: Any, *, tasks: Sequence[str], areas: Any, progress: Any) -> ObjectList:
    outlines = [Point(place).buffer(12) for place in PLACES]
    return ObjectList([PredictedObject("nuclei", "Nucleus: Epithelial", outline, 0.9) for outline in outlines])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A slide with nine nuclei: one moved a little, one of another class, one deleted, six left; and a lost slide."""
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "home"))
    made = create_project(tmp_path / "P")
    for name in ("a.tif", "lost.tif"):
        write_pyramid(tmp_path / name, np.full((400, 400, 3), (225, 150, 200), np.uint8), 0.25)
        add_slide(made, describe_slide(tmp_path / name))
    run(made, StubModel(), Options(regions="whole", images=("a.tif",)), predict)
    with made.edit(made.images[0]) as edit:
        first, second, third, *_ = (obj for obj in made.images[0].read_objects() if obj.path_class is not None)
        assert first.roi is not None
        edit.replace(replace(first, roi=affinity.translate(first.roi, 6, 0)))
        edit.replace(replace(second, path_class=PathClass.of("Nucleus: Connective", (255, 165, 0))))
        edit.remove(third.uuid)
        mark = PathClass.of("Reviewed", (0, 150, 80))
        edit.add(PathObject(roi=box(20, 20, 380, 380), roi_kind="Rectangle", path_class=mark))
    (tmp_path / "lost.tif").unlink()
    return made


def test_counts_corrections_and_the_slide_that_is_gone(project: Project) -> None:
    facts = gather(project, Options())
    seen, lost = facts.slides
    assert {one.name: one.count for one in seen.classes} == {"Nucleus: Epithelial": 7, "Nucleus: Connective": 1}
    assert seen.verdicts == facts.differences == {"accepted": 6, "reshaped": 1, "reclassified": 1, "deleted": 1}
    assert facts.verdicts == {"Nucleus: Epithelial": seen.verdicts}
    assert seen.reviewed_mm2 == pytest.approx(0.0081)
    assert (seen.area, seen.area_mm2) == ("the tissue", pytest.approx(0.01, rel=0.05))
    assert {one.name: one.density for one in seen.classes} == {
        "Nucleus: Epithelial": pytest.approx(700, rel=0.05),
        "Nucleus: Connective": pytest.approx(100, rel=0.05),
    }
    assert lost.thumbnail is None
    assert "lost.tif" in lost.warnings[0]
    (model,) = facts.models
    assert (model.name, model.runs, model.accepted, model.reviewed) == ("stub", 1, 6, 9)
    assert (facts.area, facts.area_mm2, facts.reviewed_mm2) == (seen.area, seen.area_mm2, seen.reviewed_mm2)


def test_without_its_slide_the_objects_of_an_image_count_all_the_same(project: Project, tmp_path: Path) -> None:
    there = gather(project, Options())
    (tmp_path / "a.tif").unlink()
    gone = gather(project, Options())
    assert gone.verdicts == there.verdicts
    assert gone.reviewed_mm2 == there.reviewed_mm2
    assert [(one.name, one.count) for one in gone.classes] == [(one.name, one.count) for one in there.classes]
    assert [one.density for one in gone.classes] == [None, None]
    assert gone.strips == ()
    assert "a.tif" in gone.slides[0].warnings[0]


def test_densities_are_of_the_regions_that_the_last_run_looked_at(project: Project, tmp_path: Path) -> None:
    write_pyramid(tmp_path / "b.tif", np.full((400, 400, 3), (225, 150, 200), np.uint8), 0.25)
    add_slide(project, describe_slide(tmp_path / "b.tif"))
    with project.edit(project.images[-1]) as edit:
        by_hand = PathObject(roi=Point(350, 50).buffer(9), roi_kind="Polygon", path_class=PathClass.of("Nucleus"))
        region = PathClass.of("Region*", (0, 0, 180))
        edit.add([by_hand, PathObject(roi=box(0, 0, 150, 400), roi_kind="Rectangle", path_class=region)])
    run(project, StubModel(), Options(regions="auto", images=("b.tif",)), predict)
    (seen,) = gather(project, Options(images=("b.tif",))).slides
    assert (seen.area, seen.area_mm2) == ("1 annotation of class Region*", pytest.approx(0.00375))
    told = {one.name: (one.count, one.density) for one in seen.classes}
    assert told == {"Nucleus: Epithelial": (3, pytest.approx(800)), "Nucleus": (1, 0)}


def test_where_no_run_was_densities_are_of_the_tissue(project: Project, tmp_path: Path) -> None:
    pixels = np.full((400, 400, 3), 243, np.uint8)
    pixels[:, :200] = (225, 150, 200)
    write_pyramid(tmp_path / "by-hand.tif", pixels, 0.25)
    add_slide(project, describe_slide(tmp_path / "by-hand.tif"))
    with project.edit(project.images[-1]) as edit:
        path_class = PathClass.of("Nucleus", (1, 2, 3))
        edit.add(PathObject(roi=Point(100, 100).buffer(9), roi_kind="Polygon", path_class=path_class))
    (seen,) = gather(project, Options(images=("by-hand.tif",))).slides
    assert (seen.area, seen.area_mm2) == ("the tissue", pytest.approx(0.005, rel=0.15))
    (nuclei,) = seen.classes
    assert nuclei.density == pytest.approx(200, rel=0.15)


def test_an_image_without_pixel_size_is_shown_without_densities(project: Project, tmp_path: Path) -> None:
    write_pyramid(tmp_path / "unknown.tif", np.full((400, 400, 3), (225, 150, 200), np.uint8), None)
    add_slide(project, describe_slide(tmp_path / "unknown.tif"))
    (seen,) = gather(project, Options(images=("unknown.tif",))).slides
    assert seen.thumbnail is not None
    assert seen.area_mm2 is None
    assert "how large a pixel" in seen.warnings[0]


def test_a_strip_shows_the_prediction_and_what_was_left(project: Project) -> None:
    strips = {strip.verdict: strip for strip in gather(project, Options()).strips}
    assert set(strips) == {"reshaped", "reclassified", "deleted"}
    assert strips["reclassified"].told == "Nucleus: Epithelial → Nucleus: Connective (1 such)"

    def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
        return bool((picture == colour).all(2).any())

    for verdict, strip in strips.items():
        assert has(strip.before, BEFORE)
        assert has(strip.after, AFTER) is (verdict != "deleted")


def test_reading_changes_nothing(project: Project, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (tmp_path / "P").rglob("*") if path.is_file()}
    gather(project, Options())
    after = {path: path.read_bytes() for path in (tmp_path / "P").rglob("*") if path.is_file()}
    assert after == before
