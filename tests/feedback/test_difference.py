"""What the pathologist did with each object is told rightly, whatever QuPath's tools leave of it."""

import importlib.util
import sys
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from shapely import affinity
from shapely.geometry import Polygon, box

from cerberus_annotate.feedback.difference import Change, Difference, difference
from cerberus_annotate.feedback.ledger import Commit, Entry, Ledger
from cerberus_annotate.feedback.provenance import ID_KEY, RUN_KEY
from cerberus_annotate.qupath.path_object import PathClass, PathObject

TASKS = {"Nucleus": "nuclei", "Gland": "gland"}


def load_editor() -> ModuleType:
    """The simulated editor beside this file (tests are no package)."""
    name = "simulated_editor"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def entry(x: float, width: float = 20, **values: object) -> Entry:
    options: dict = {"task": "nuclei", "path_class": "Nucleus", "confidence": 0.9, "commit": 1, **values}
    return Entry(uuid=uuid.uuid4(), polygon=box(x, 0, x + width, 20), **options)


def written(of: Entry) -> PathObject:
    return PathObject(
        roi=of.polygon,
        path_class=PathClass.of(of.path_class),
        metadata={RUN_KEY: "r", ID_KEY: str(of.uuid)},
        uuid=of.uuid,
    )


def drawn(roi: Polygon, path_class: str | None = "Nucleus", **values: object) -> PathObject:
    return PathObject(roi=roi, path_class=None if path_class is None else PathClass.of(path_class), **values)


def compared(entries: list[Entry], objects: list[PathObject]) -> Difference:
    return difference(Ledger(tuple(entries), (Commit(1, "r", "annotate", "t", 0, 0),)), objects, TASKS)


def verdicts(found: Difference) -> dict[str, int]:
    return dict(Counter(change.verdict for change in found.changes))


def only(found: Difference) -> Change:
    (change,) = found.changes
    return change


def test_no_wrong_verdict_in_ten_thousand_random_edits() -> None:
    editor_module = load_editor()
    edits: Counter[str] = Counter()
    for seed in range(12):
        editor = editor_module.edited_scene(seed, 30)
        found = difference(editor.ledger, list(editor.objects.values()), editor_module.TASKS)
        told = {
            (
                change.verdict,
                frozenset(one.uuid for one in change.predicted),
                frozenset(obj.uuid for obj in change.objects),
            )
            for change in found.changes
        }
        assert told == set(editor.truth), f"scene {seed}"
        edits.update(editor.done)
    assert edits.total() >= 10_000
    assert set(edits) == {kind.__name__ for kind in editor_module.KINDS}


class TestTheRuleForTheRest:
    """A new object and a lost one that nothing but their place connects."""

    @pytest.mark.parametrize(
        ("shift", "expected"), [(6, {"reshaped": 1}), (7, {"deleted": 1, "added": 1})]
    )  # IoU 14 / 26 and 13 / 27
    def test_from_an_iou_of_one_half_on_it_is_the_same_reshaped(self, shift: float, expected: dict[str, int]) -> None:
        one = entry(0)
        assert verdicts(compared([one], [drawn(affinity.translate(one.polygon, shift))])) == expected

    def test_its_iou_is_told(self) -> None:
        one = entry(0)
        assert only(compared([one], [drawn(affinity.translate(one.polygon, 5))])).iou == pytest.approx(15 / 25)

    def test_another_task_is_another_object(self) -> None:
        one = entry(0)
        assert verdicts(compared([one], [drawn(one.polygon, "Gland")])) == {"deleted": 1, "added": 1}

    def test_without_a_class_it_may_be_any_task(self) -> None:
        one = entry(0)
        change = only(compared([one], [drawn(one.polygon, None)]))
        assert (change.verdict, change.task, change.class_after) == ("reclassified", "nuclei", "")

    def test_an_object_of_an_unknown_class_that_nothing_explains_is_no_object_of_a_task(self) -> None:
        found = compared([], [drawn(box(0, 0, 9, 9), "Tumor"), drawn(box(20, 0, 29, 9), None)])
        assert (found.changes, len(found.unplaced)) == ((), 2)

    def test_small_things_drawn_in_the_place_of_a_large_deleted_one_are_added(self) -> None:
        large = entry(0, 100)
        small = [drawn(box(5, 5, 15, 15)), drawn(box(60, 5, 70, 15))]
        assert verdicts(compared([large], small)) == {"deleted": 1, "added": 2}

    def test_a_large_thing_drawn_over_small_deleted_ones_is_added(self) -> None:
        small = [entry(0, 5), entry(80, 5)]
        assert verdicts(compared(small, [drawn(box(0, 0, 100, 20))])) == {"deleted": 2, "added": 1}

    def test_a_duplicate_prediction_that_was_deleted_is_not_merged(self) -> None:
        one, double = entry(0), entry(2, 15)
        kept = replace(written(one), roi=box(0, 0, 21, 20))
        assert verdicts(compared([one, double], [kept])) == {"reshaped": 1, "deleted": 1}


class TestIdentity:
    def test_a_copy_beside_its_original_is_added(self) -> None:
        one = entry(0)
        copy = replace(written(one), uuid=uuid.uuid4(), roi=affinity.translate(one.polygon, 100))
        assert verdicts(compared([one], [copy, written(one)])) == {"accepted": 1, "added": 1}

    def test_our_id_in_the_metadata_is_enough(self) -> None:
        one = entry(0)
        moved = replace(written(one), uuid=uuid.uuid4(), roi=affinity.translate(one.polygon, 15))
        change = only(compared([one], [moved]))
        assert (change.verdict, change.iou) == ("reshaped", pytest.approx(5 / 35))

    def test_a_superseded_prediction_counts_only_while_it_is_there(self) -> None:
        gone, back = entry(0, ended=2), entry(50, ended=2)
        assert only(compared([gone, back], [written(back)])).predicted == (back,)

    def test_a_nucleus_made_a_gland_stays_one_object(self) -> None:
        one = entry(0)
        change = only(compared([one], [replace(written(one), path_class=PathClass.of("Gland"))]))
        assert (change.verdict, change.task, change.class_before, change.class_after) == (
            "reclassified",
            "nuclei",
            "Nucleus",
            "Gland",
        )

    def test_marks_of_review_are_no_objects(self) -> None:
        marks = [drawn(box(0, 0, 9, 9), name) for name in ("Reviewed", "To review", "Region*", "Ignore*")]
        found = compared([], marks)
        assert (found.changes, found.unplaced) == ((), ())

    def test_a_cell_counts_by_its_nucleus(self) -> None:
        one = entry(0)
        cell = drawn(box(-10, -10, 30, 30), kind="cell", nucleus=one.polygon)
        assert only(compared([one], [cell])).verdict == "accepted"


def test_an_outline_that_crosses_itself_is_mended_and_named() -> None:
    bow = drawn(Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]))
    found = compared([], [bow])
    assert verdicts(found) == {"added": 1}
    assert found.mended == (bow,)


def test_an_empty_image_has_no_difference() -> None:
    assert compared([], []).changes == ()
