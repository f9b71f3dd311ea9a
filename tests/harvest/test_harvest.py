"""A harvest holds what was reviewed and nothing else, tells what was corrected, and grows without losing anything."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Polygon, box

from cerberus_annotate.errors import UsageError
from cerberus_annotate.harvest.contradictions import contradictions
from cerberus_annotate.harvest.folder import read_harvest, sha256
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.run import Outcome, harvest
from cerberus_annotate.harvest.summary import summarise
from cerberus_annotate.learn.data.check import check
from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.qupath import Project, open_project
from cerberus_annotate.qupath.native.image import NativeImage

Make = Callable[..., Project]
MARKED = HarvestOptions()


def images_of(folder: Path) -> list[LabelledImage]:
    return list(read_data_set(folder).images())


def counts(outcome: Outcome) -> dict[str, int]:
    return {verdict: count for verdict, count in summarise(outcome.harvest).objects.items() if count}


def counted_ids(labels: np.ndarray, ignore: np.ndarray | None) -> set[int]:
    shown = labels if ignore is None else np.where(ignore, 0, labels)
    return set(np.unique(shown[shown > 0]).tolist())


class TestWhatIsHarvested:
    def test_nothing_without_a_mark(self, prelabelled: Make, tmp_path: Path) -> None:
        outcome = harvest(prelabelled(), tmp_path / "h", MARKED)
        assert outcome.harvest.images == {}
        assert counts(outcome) == {}

    def test_only_what_lies_in_the_region_counts(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 100, 100, 200, 200)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 4}
        images = images_of(tmp_path / "h")
        (nuclei,) = [image for image in images if image.nuclei is not None]
        assert nuclei.ignore is not None
        assert len(counted_ids(nuclei.nuclei, nuclei.ignore)) == 4
        assert (~nuclei.ignore).sum() == pytest.approx(200 * 200, rel=0.001)
        assert nuclei.mpp == 0.25
        # a region of 200 px, and a margin of 128 px where the image has it
        assert nuclei.rgb.shape == (428, 428, 3)

    def test_label_maps_lie_on_their_picture(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 100, 100, 430, 330)
        harvest(project, tmp_path / "h", MARKED)
        (image, *_) = images_of(tmp_path / "h")
        assert image.nuclei is not None
        dark = image.rgb[..., 1] < 110
        assert (dark == (image.nuclei > 0)).mean() > 0.995

    def test_a_slide_of_half_the_pixel_size_is_brought_to_a_quarter_micron(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled(mpp=0.125)
        tools.mark_reviewed(project, 200, 200, 400, 400)
        harvest(project, tmp_path / "h", MARKED)
        image = images_of(tmp_path / "h")[0]
        assert image.mpp == pytest.approx(0.25)
        assert image.nuclei is not None
        dark = image.rgb[..., 1] < 110
        assert (dark == (image.nuclei > 0)).mean() > 0.99

    def test_a_coarser_slide_keeps_its_pixels(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled(mpp=0.5)
        tools.mark_reviewed(project, 200, 200, 400, 400)
        harvest(project, tmp_path / "h", MARKED)
        assert images_of(tmp_path / "h")[0].mpp == pytest.approx(0.5)

    def test_types_go_into_the_shared_vocabulary_and_new_ones_behind_it(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        from cerberus_annotate.qupath import PathClass

        project = prelabelled()
        tools.mark_reviewed(project, 100, 100, 200, 200)

        def reclassify(edit: Any, objects: list) -> None:
            nuclei = [obj for obj in objects if obj.path_class is not None and obj.roi.within(box(100, 100, 300, 300))]
            nuclei = [obj for obj in nuclei if str(obj.path_class).startswith("Nucleus")]
            edit.replace(replace(nuclei[0], path_class=PathClass.of("Nucleus: Mitotic figure")))
            edit.replace(replace(nuclei[1], path_class=PathClass.of("Nucleus: Lymphocyte")))
            edit.replace(replace(nuclei[2], path_class=None))

        tools.edit(project, change=reclassify)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 1, "reclassified": 3}
        image = images_of(tmp_path / "h")[0]
        assert image.nucleus_labels == (*NUCLEUS_LABELS, "mitotic-figure")
        assert image.nuclei is not None
        assert image.nucleus_types is not None
        assert image.ignore is not None
        inside = (image.nuclei > 0) & ~image.ignore
        names = {image.nucleus_labels[index] for index in np.unique(image.nucleus_types[inside])}
        assert names == {"mitotic-figure", "lymphocyte", "epithelial", "unlabelled"}
        assert any("mitotic-figure" in note and "none of ours" in note for note in outcome.notes)

    def test_tasks_that_were_not_reviewed_are_not_learnt(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 1200, 1200, metadata={"cerberus.reviewed": "gland"})
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 1}
        for image in images_of(tmp_path / "h"):
            assert (image.nuclei, image.lumina) == (None, None)
            assert image.glands is not None

    def test_unreviewed_predictions_beside_a_region_are_no_background(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 300, 300, 100, 100)
        harvest(project, tmp_path / "h", MARKED)
        image = images_of(tmp_path / "h")[0]
        assert image.ignore is not None
        assert image.ignore[:100].all()


class TestBorders:
    def test_an_object_counts_whole_or_not_at_all(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        # the left edge leaves 3/4 of the nuclei at x = 150 inside, the right edge 1/4 of those at x = 350
        tools.mark_reviewed(project, 143, 100, 200, 100)
        outcome = harvest(project, tmp_path / "h", replace(MARKED, tasks=("nuclei",)))
        assert counts(outcome) == {"accepted": 2}
        (image,) = images_of(tmp_path / "h")
        assert image.nuclei is not None
        assert image.ignore is not None
        kept = counted_ids(image.nuclei, image.ignore)
        assert len(kept) == 2
        for number in np.unique(image.nuclei[image.nuclei > 0]):
            ignored = image.ignore[image.nuclei == number]
            assert ignored.all() or not ignored.any()
        whole = tools.nucleus(150, 150).area
        for number in kept:
            assert (image.nuclei == number).sum() == pytest.approx(whole, rel=0.02)

    def test_every_object_of_a_large_region_counts_once_and_uncut(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 1200, 1200)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 146}
        images = images_of(tmp_path / "h")
        whole = tools.nucleus(150, 150).area
        found = 0
        for image in images:
            if image.nuclei is None:
                continue
            for number in counted_ids(image.nuclei, image.ignore):
                ignored = np.zeros_like(image.nuclei, bool) if image.ignore is None else image.ignore
                assert not ignored[image.nuclei == number].any()
                assert (image.nuclei == number).sum() == pytest.approx(whole, rel=0.02)
                found += 1
        assert found == 144
        glands = [image for image in images if image.glands is not None and counted_ids(image.glands, image.ignore)]
        assert len(glands) == 1
        assert (glands[0].glands > 0).sum() == 360 * 360
        # background counts once as well
        counted = sum(
            (~image.ignore).sum() for image in images if image.nuclei is not None and image.ignore is not None
        )
        assert counted == pytest.approx(1200 * 1200, rel=0.001)

    def test_a_cut_gland_does_not_hide_nuclei(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 300, 300, 200, 200)
        harvest(project, tmp_path / "h", MARKED)
        of_tasks = {image.name.rpartition("-")[2]: image for image in images_of(tmp_path / "h")}
        assert set(of_tasks) == {"gland", "nuclei", "lumen"} or set(of_tasks) == {"gland", "lumen"}
        nuclei = next(image for image in of_tasks.values() if image.nuclei is not None)
        glands = next(image for image in of_tasks.values() if image.glands is not None)
        assert len(counted_ids(nuclei.nuclei, nuclei.ignore)) == 4
        assert counted_ids(glands.glands, glands.ignore) == set()
        assert glands.ignore is not None
        assert not glands.ignore.all()


class TestTheDifference:
    def test_each_kind_of_correction_is_told(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 600, 400)

        def correct(edit: Any, objects: list) -> None:
            at = {(round(obj.roi.centroid.x), round(obj.roi.centroid.y)): obj for obj in objects}
            edit.remove(at[50, 50].uuid)
            edit.replace(replace(at[150, 50], roi=tools.nucleus(155, 50)))
            edit.remove(at[250, 50].uuid)
            edit.add(tools.drawn(tools.nucleus(252, 52), "Nucleus: Epithelial"))
            edit.add(tools.drawn(tools.nucleus(100, 100), "Nucleus"))

        tools.edit(project, change=correct)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 21, "reshaped": 2, "deleted": 1, "added": 1}
        summary = summarise(outcome.harvest)
        assert summary.models["stub"]["accepted"] == 21
        assert summary.acceptance == {"stub": pytest.approx(21 / 24)}
        assert summary.slides["one.tif"] == summary.objects
        assert summary.classes["Nucleus"]["added"] == 1
        (image,) = outcome.harvest.images.values()
        content = json.loads((tmp_path / "h" / image.differences).read_text())
        told = content["objects"]
        assert len(told) == 25
        reshaped = [one for one in told if one["verdict"] == "reshaped"]
        assert all(one["models"] == ["stub"] and 0 < one["iou"] < 1 for one in reshaped)
        assert all(one["outline_before"]["type"] == "Polygon" for one in reshaped)
        (deleted,) = [one for one in told if one["verdict"] == "deleted"]
        assert (deleted["objects"], len(deleted["predicted"]), deleted["iou"]) == ([], 1, None)

    def test_a_project_annotated_by_hand(self, make_project: Make, tools: Any, tmp_path: Path) -> None:
        project = make_project()
        tools.edit(project, *(tools.drawn(tools.nucleus(x, y), "Nucleus") for x, y in tools.places()[:30]))
        tools.mark_reviewed(project, 0, 0, 1200, 200)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"added": 24}
        assert outcome.notes == ()
        images = images_of(tmp_path / "h")
        assert all(image.glands is None for image in images)

    def test_a_ledger_that_is_missing_or_of_another_copy_is_told(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled()
        other = prelabelled(folder="other")
        tools.mark_reviewed(project, 0, 0, 200, 200)
        ledger = project.folder / "cerberus" / "images" / "1.npz"
        shutil.copy(other.folder / "cerberus" / "images" / "1.npz", ledger)
        foreign = harvest(project, tmp_path / "h", MARKED)
        assert counts(foreign) == {"added": 4}
        assert "its ledger is of another copy of the project" in foreign.notes[0]
        ledger.unlink()
        missing = harvest(project, tmp_path / "h", MARKED)
        assert counts(missing) == {"added": 4}
        assert "the ledger of the runs over it is not there" in missing.notes[0]
        ledger.write_bytes(b"no ledger")
        damaged = harvest(project, tmp_path / "h", MARKED)
        assert counts(damaged) == {"added": 4}
        assert "count as annotated by hand" in damaged.notes[0]
        assert ledger.read_bytes() == b"no ledger"

    def test_models_are_told_apart(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        from cerberus_annotate.annotate.options import Options
        from cerberus_annotate.annotate.run import run

        project = prelabelled(model=tools.StubModel("first", tasks=("nuclei",)))
        run(project, tools.StubModel("second", tasks=("gland",)), Options(regions="whole"), tools.predict)
        tools.mark_reviewed(project, 0, 0, 1200, 1200)
        summary = summarise(harvest(project, tmp_path / "h", MARKED).harvest)
        assert {model: counts["accepted"] for model, counts in summary.models.items()} == {"first": 144, "second": 1}
        (image,) = read_harvest(tmp_path / "h").images.values()
        assert {run["model"] for run in image.runs.values()} == {"first", "second"}


class TestModes:
    def test_edited_teaches_what_lies_around_edits(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()

        def correct(edit: Any, objects: list) -> None:
            at = {(round(obj.roi.centroid.x), round(obj.roi.centroid.y)): obj for obj in objects}
            edit.replace(replace(at[150, 50], roi=tools.nucleus(155, 50)))
            edit.remove(at[850, 950].uuid)

        tools.edit(project, change=correct)
        outcome = harvest(project, tmp_path / "h", HarvestOptions(reviewed="edited", tasks=("nuclei",)))
        assert counts(outcome) == {"reshaped": 1, "deleted": 1}
        for image in images_of(tmp_path / "h"):
            assert image.ignore is not None
            assert 0 < (~image.ignore).sum() < 2 * 60 * 60

    def test_all_takes_the_whole_image(self, prelabelled: Make, tmp_path: Path) -> None:
        outcome = harvest(prelabelled(), tmp_path / "h", HarvestOptions(reviewed="all", tasks=("nuclei",)))
        assert counts(outcome) == {"accepted": 144}


class TestGrowing:
    def test_the_same_again_changes_nothing(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 300, 300)
        first = harvest(project, tmp_path / "h", MARKED)
        assert (first.changes.added, first.changes.unchanged) == (1, 0)
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "h").rglob("*.png")}
        again = harvest(open_project(project.path), tmp_path / "h", MARKED)
        assert (again.changes.added, again.changes.replaced, again.changes.unchanged) == (0, 0, 1)
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "h").rglob("*.png")} == before

    def test_new_regions_are_added_changed_ones_replaced_others_left(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        tools.mark_reviewed(project, 800, 800, 200, 200)
        harvest(project, tmp_path / "h", MARKED)

        def correct(edit: Any, objects: list) -> None:
            at = {(round(obj.roi.centroid.x), round(obj.roi.centroid.y)): obj for obj in objects}
            edit.remove(at[50, 50].uuid)

        tools.edit(project, change=correct)
        tools.mark_reviewed(project, 800, 0, 200, 200)
        outcome = harvest(open_project(project.path), tmp_path / "h", MARKED)
        changes = outcome.changes
        assert (changes.added, changes.replaced, changes.unchanged, changes.removed) == (1, 1, 1, 0)
        named = {path for image in outcome.harvest.images.values() for path in image.files()}
        there = {str(path.relative_to(tmp_path / "h")) for path in (tmp_path / "h").rglob("*/*")}
        assert there == named

    def test_a_region_that_lost_its_mark_is_taken_out_and_told(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        harvest(project, tmp_path / "h", MARKED)

        def unmark(edit: Any, objects: list) -> None:
            edit.remove(next(obj.uuid for obj in objects if str(obj.path_class) == "Reviewed"))

        tools.edit(project, change=unmark)
        outcome = harvest(open_project(project.path), tmp_path / "h", MARKED)
        assert outcome.changes.removed == 1
        assert "Nothing of image 'one.tif' is reviewed any more" in outcome.notes[0]

    def test_splits_stay_when_slides_come(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled("one.tif", "two.tif")
        for index in range(2):
            tools.mark_reviewed(project, 0, 0, 200, 200, index=index)
        before = harvest(project, tmp_path / "h", MARKED).harvest.splits
        assert "train" in before.values()
        project = prelabelled("three.tif", "four.tif")
        for index in range(2, 4):
            tools.mark_reviewed(project, 0, 0, 200, 200, index=index)
        after = harvest(open_project(project.path), tmp_path / "h", MARKED).harvest.splits
        assert len(after) == 4
        assert {slide: after[slide] for slide in before} == before

    def test_slides_of_one_patient_are_on_one_side(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled("P1-a.tif", "P1-b.tif", "P2-a.tif")
        for index in range(3):
            tools.mark_reviewed(project, 0, 0, 200, 200, index=index)
        options = replace(MARKED, patient_pattern=r"(P\d+)-")
        splits = harvest(project, tmp_path / "h", options).harvest.splits
        assert set(splits) == {"P1", "P2"}
        data = read_data_set(tmp_path / "h")
        assert {entry.patient for entry in data.entries} == {"P1", "P2"}

    def test_an_image_that_left_the_project_keeps_its_harvest(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled("one.tif", "two.tif")
        for index in range(2):
            tools.mark_reviewed(project, 0, 0, 200, 200, index=index)
        harvest(project, tmp_path / "h", MARKED)
        content = json.loads(project.path.read_text())
        del content["images"][1]
        project.path.write_text(json.dumps(content))
        outcome = harvest(open_project(project.path), tmp_path / "h", MARKED)
        assert len(outcome.harvest.images) == 2
        assert "Image 'two.tif' is not in the project any more" in outcome.notes[-1]


class TestTheFolder:
    def test_it_is_a_data_set_without_problems(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled("one.tif", "two.tif")
        for index in range(2):
            tools.mark_reviewed(project, 0, 0, 1200, 1200, index=index)
        harvest(project, tmp_path / "h", MARKED)
        report = check(read_data_set(tmp_path / "h"))
        assert [problem for problem in report.problems if "same image" not in problem] == []
        assert report.objects["nuclei"] > 2 * 144

    def test_checksums_and_provenance(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        told = {"cerberus.reviewer": "A. Pathologist", "cerberus.reviewed-at": "2026-11-25"}
        tools.mark_reviewed(project, 0, 0, 200, 200, metadata=told)
        harvest(project, tmp_path / "h", MARKED)
        state = json.loads((tmp_path / "h" / "harvest.json").read_text())
        (image,) = state["images"].values()
        (region,) = image["regions"]
        assert (region["reviewer"], region["reviewed_at"]) == ("A. Pathologist", "2026-11-25")
        assert region["runs"] == list(image["runs"])
        assert image["runs"][region["runs"][0]]["model"] == "stub"
        for patch in region["patches"]:
            for path, checksum in patch["checksums"].items():
                assert sha256((tmp_path / "h" / path).read_bytes()) == checksum

    def test_it_fits_its_schema(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        jsonschema = pytest.importorskip("jsonschema")
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        harvest(project, tmp_path / "h", MARKED)
        schema = json.loads((tmp_path / "h" / "harvest.schema.json").read_text())
        jsonschema.validate(json.loads((tmp_path / "h" / "harvest.json").read_text()), schema)

    def test_a_file_that_is_gone_is_written_again(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        harvest(project, tmp_path / "h", MARKED)
        (picture,) = (tmp_path / "h" / "images").glob("*.png")
        before = picture.read_bytes()
        picture.unlink()
        harvest(open_project(project.path), tmp_path / "h", MARKED)
        assert picture.read_bytes() == before

    def test_a_harvest_cut_off_keeps_what_it_had_and_goes_on(
        self, prelabelled: Make, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from cerberus_annotate.harvest import one_image

        project = prelabelled("one.tif", "two.tif")
        for index in range(2):
            tools.mark_reviewed(project, 0, 0, 200, 200, index=index)
        harvest(project, tmp_path / "h", MARKED)
        before = [(image.name, image.nuclei) for image in images_of(tmp_path / "h")]
        for index in range(2):
            tools.mark_reviewed(project, 600, 0, 200, 200, index=index)
            tools.edit(project, tools.drawn(tools.nucleus(100, 100), "Nucleus"), index=index)
        real = one_image.write_patch
        allowed = iter(range(1))

        def cut_off(*arguments: Any) -> Any:
            if next(allowed, None) is None:
                raise KeyboardInterrupt
            return real(*arguments)

        monkeypatch.setattr(one_image, "write_patch", cut_off)
        with pytest.raises(KeyboardInterrupt):
            harvest(open_project(project.path), tmp_path / "h", MARKED)
        monkeypatch.undo()
        kept = [(image.name, image.nuclei) for image in images_of(tmp_path / "h")]
        for (name, nuclei), (kept_name, kept_nuclei) in zip(before, kept, strict=True):
            assert name == kept_name
            assert np.array_equal(nuclei, kept_nuclei)
        outcome = harvest(open_project(project.path), tmp_path / "h", MARKED)
        assert (outcome.changes.added, outcome.changes.replaced) == (2, 2)
        assert len(images_of(tmp_path / "h")) == 4


class TestBadInput:
    def test_a_folder_with_other_things_is_left_alone(self, prelabelled: Make, tmp_path: Path) -> None:
        (tmp_path / "h").mkdir()
        (tmp_path / "h" / "thesis.docx").touch()
        with pytest.raises(UsageError, match="holds something that is no harvest"):
            harvest(prelabelled(), tmp_path / "h", MARKED)

    def test_the_harvest_of_another_project_is_left_alone(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project, other = prelabelled(), prelabelled(folder="other")
        tools.mark_reviewed(project, 0, 0, 200, 200)
        harvest(project, tmp_path / "h", MARKED)
        with pytest.raises(UsageError, match="is the harvest of another project"):
            harvest(other, tmp_path / "h", MARKED)

    def test_a_damaged_record_is_told(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        harvest(project, tmp_path / "h", MARKED)
        (tmp_path / "h" / "harvest.json").write_text("{")
        with pytest.raises(UsageError, match="cannot be read as a harvest"):
            harvest(project, tmp_path / "h", MARKED)

    def test_a_slide_that_is_gone_fails_its_image_and_keeps_what_was_harvested(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled("one.tif", "two.tif")
        for index in range(2):
            tools.mark_reviewed(project, 0, 0, 200, 200, index=index)
        harvest(project, tmp_path / "h", MARKED)
        (tmp_path / "one.tif").unlink()
        tools.mark_reviewed(project, 600, 0, 200, 200)
        outcome = harvest(open_project(project.path), tmp_path / "h", MARKED)
        assert list(outcome.failed) == ["1"]
        assert "What was harvested from it before was kept" in outcome.failed["1"]
        assert len(outcome.harvest.images) == 2
        assert outcome.changes.unchanged == 2

    def test_a_missing_slide_that_nobody_reviewed_is_no_failure(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled("one.tif", "two.tif")
        tools.mark_reviewed(project, 0, 0, 200, 200, index=1)
        (tmp_path / "one.tif").unlink()
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert outcome.failed == {}
        assert counts(outcome) == {"accepted": 4}

    def test_a_project_saved_meanwhile_is_read_again(
        self, prelabelled: Make, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from cerberus_annotate.harvest import one_image

        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        saves = iter([1])
        real = one_image.review_image

        def saved_meanwhile(*arguments: Any) -> Any:
            found = real(*arguments)
            if next(saves, None):
                tools.edit(project, tools.drawn(tools.nucleus(100, 100), "Nucleus"))
            return found

        monkeypatch.setattr(one_image, "review_image", saved_meanwhile)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 4, "added": 1}

    def test_a_project_saved_again_and_again_is_told(
        self, prelabelled: Make, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from cerberus_annotate.harvest import one_image

        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        real = one_image.review_image

        def saved_meanwhile(*arguments: Any) -> Any:
            tools.edit(project, tools.drawn(tools.nucleus(100, 100), "Nucleus"))
            return real(*arguments)

        monkeypatch.setattr(one_image, "review_image", saved_meanwhile)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert "was saved in QuPath twice while it was harvested" in outcome.failed["1"]

    def test_overlapping_regions_are_one(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        tools.mark_reviewed(project, 100, 100, 200, 200)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert summarise(outcome.harvest).regions == 1
        assert counts(outcome) == {"accepted": 7}

    def test_outlines_that_cross_themselves_are_mended_and_told(
        self, prelabelled: Make, tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        bow = Polygon([(90, 90), (110, 110), (110, 90), (90, 110)])
        real = NativeImage.read_objects  # our own writer refuses such outlines
        monkeypatch.setattr(NativeImage, "read_objects", lambda image: [*real(image), tools.drawn(bow, "Nucleus")])
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 4, "added": 1}
        assert "1 outlines cross themselves" in outcome.notes[0]

    def test_objects_of_no_task_teach_nothing_where_they_lie(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        around = tools.drawn(box(0, 0, 190, 190), "Tumor")
        tools.edit(project, tools.drawn(box(90, 90, 110, 110), "Odd thing"), around)
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 4}
        assert len(outcome.notes) == 1
        assert "1 objects of class 'Odd thing' mean no task of ours" in outcome.notes[0]
        image = images_of(tmp_path / "h")[0]
        assert image.ignore is not None
        assert image.ignore[90:110, 90:110].all()
        assert (~image.ignore).sum() == 200 * 200 - 20 * 20

    def test_the_same_nucleus_drawn_twice_is_one(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project = prelabelled()
        tools.mark_reviewed(project, 0, 0, 200, 200)
        tools.edit(project, tools.drawn(tools.nucleus(50.5, 50), "Nucleus: Lymphocyte"))
        outcome = harvest(project, tmp_path / "h", MARKED)
        assert counts(outcome) == {"accepted": 4, "added": 1}
        image = images_of(tmp_path / "h")[0]
        assert image.nuclei is not None
        assert len(counted_ids(image.nuclei, image.ignore)) == 4

    def test_contradicting_labels_of_one_place_are_told_and_kept(
        self, prelabelled: Make, tools: Any, tmp_path: Path
    ) -> None:
        project = prelabelled("one.tif")
        content = json.loads(project.path.read_text())
        twin = json.loads(json.dumps(content["images"][0]))
        twin["entryID"] = 7
        content["images"].append(twin)
        project.path.write_text(json.dumps(content))
        shutil.copytree(project.folder / "data" / "1", project.folder / "data" / "7")
        project = open_project(project.path)
        for index in range(2):
            tools.mark_reviewed(project, 0, 0, 200, 200, index=index)
        agreeing = harvest(project, tmp_path / "h", MARKED)
        assert not [note for note in agreeing.notes if "in two ways" in note]

        def delete_some(edit: Any, objects: list) -> None:
            for obj in objects:
                if str(obj.path_class).startswith("Nucleus") and obj.roi.centroid.y < 100:
                    edit.remove(obj.uuid)

        tools.edit(project, index=1, change=delete_some)
        outcome = harvest(project, tmp_path / "h", MARKED)
        (told,) = [note for note in outcome.notes if "in two ways" in note]
        assert "The slide one.tif is labelled in two ways (nuclei, Dice 0.67" in told
        assert len(outcome.harvest.images) == 2
        assert len(set(outcome.harvest.splits)) == 1

    def test_contradictions_between_harvests(self, prelabelled: Make, tools: Any, tmp_path: Path) -> None:
        project, other = prelabelled(), prelabelled(folder="other")
        tools.mark_reviewed(project, 0, 0, 200, 200)
        tools.mark_reviewed(other, 100, 0, 200, 200)
        tools.edit(other, tools.drawn(box(110, 80, 190, 120), "Nucleus"))
        harvests = {}
        for name, one in (("a", project), ("b", other)):
            harvests[tmp_path / name] = harvest(one, tmp_path / name, MARKED).harvest
        (told,) = contradictions(harvests)
        assert str(tmp_path / "a") in told
        assert str(tmp_path / "b") in told

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (HarvestOptions(tasks=("cells",)), "no task 'cells'"),
            (HarvestOptions(patient_pattern="(("), "no regular expression"),
        ],
    )
    def test_impossible_options_are_told(
        self, make_project: Make, tmp_path: Path, options: HarvestOptions, told: str
    ) -> None:
        with pytest.raises(UsageError, match=told):
            harvest(make_project(), tmp_path / "h", options)
