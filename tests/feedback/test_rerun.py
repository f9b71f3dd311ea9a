"""A rerun never touches what the pathologist did and never doubles an object."""

import random
import uuid
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import Point, Polygon, box

from cerberus_annotate.feedback.compare import Comparison, compare
from cerberus_annotate.feedback.ledger import Entry, Ledger, commit_changes
from cerberus_annotate.feedback.provenance import ID_KEY, RUN_KEY
from cerberus_annotate.feedback.rerun import Deciding, Decision, decide
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.qupath.path_object import PathClass, PathObject

TASKS = ("nuclei", "gland", "lumen")
BASES = {"nuclei": {"Nucleus"}, "gland": {"Gland"}, "lumen": {"Lumen"}}


def nucleus(x: float, y: float = 0, path_class: str = "Nucleus", **values: object) -> PredictedObject:
    outline = affinity.scale(Point(x, y).buffer(6, quad_segs=3), 1.3, 1)
    rounded = Polygon([(round(a, 2), round(b, 2)) for a, b in outline.exterior.coords])
    return PredictedObject("nuclei", path_class, rounded, 0.9, **values)


def gland(x: float, size: float = 60) -> PredictedObject:
    return PredictedObject("gland", "Gland", box(x, 0, x + size, size), 0.8)


def lumen(of: PredictedObject) -> PredictedObject:
    return PredictedObject("lumen", "Lumen", affinity.scale(of.polygon, 0.3, 0.3), 0.7, parent=of.uuid)


class Image:
    """An image's objects and its ledger, with one run after the other."""

    def __init__(self) -> None:
        self.objects: list[PathObject] = []
        self.ledger = Ledger()
        self.runs = 0

    def compared(self) -> Comparison:
        return compare(self.ledger, self.objects)

    def run(self, predictions: list[PredictedObject], tasks: tuple[str, ...] = TASKS, **options: object) -> Decision:
        self.runs += 1
        run = f"run-{self.runs}"
        fresh = {prediction.uuid: uuid.uuid4() for prediction in predictions}
        predictions = [
            replace(prediction, uuid=fresh[prediction.uuid], parent=fresh.get(prediction.parent))
            for prediction in predictions
        ]
        compared = self.compared()
        decision = decide(compared, predictions, tasks, BASES, **options)
        gone = {obj.uuid: obj.parent for _, obj in decision.remove}
        kept = [obj for obj in self.objects if obj.uuid not in gone]
        for at, obj in enumerate(kept):
            parent = obj.parent
            while parent in gone:
                parent = gone[parent]
            kept[at] = replace(obj, parent=parent)
        added = [
            PathObject(
                roi=prediction.polygon,
                roi_kind="Polygon",
                path_class=PathClass.of(prediction.path_class),
                metadata={RUN_KEY: run, ID_KEY: str(prediction.uuid)},
                uuid=prediction.uuid,
                parent=decision.stands_for.get(prediction.parent, prediction.parent),
            )
            for prediction in decision.add
        ]
        there = {obj.uuid for obj in (*kept, *added)}
        self.objects = [replace(obj, parent=obj.parent if obj.parent in there else None) for obj in (*kept, *added)]
        entries = [
            Entry(obj.uuid, found.task, found.path_class, found.polygon, found.confidence, 0, parent=obj.parent)
            for obj, found in zip(added, decision.add, strict=True)
        ]
        self.ledger = commit_changes(
            self.ledger,
            run,
            "annotate",
            "now",
            entries,
            {entry.uuid for entry, _ in decision.remove},
            {entry.uuid for entry in compared.deleted},
            compared.present,
        )
        return decision

    def edit(self, index: int, **values: object) -> PathObject:
        self.objects[index] = replace(self.objects[index], **values)
        return self.objects[index]


def changes(decision: Decision) -> tuple[int, int]:
    return len(decision.remove), len(decision.add)


def test_a_first_run_adds_everything() -> None:
    image = Image()
    assert changes(image.run([nucleus(0), nucleus(30)])) == (0, 2)
    assert len(image.objects) == 2


def test_the_same_run_again_changes_nothing() -> None:
    image = Image()
    around = gland(0)
    found = [nucleus(0), around, lumen(around)]
    image.run(found)
    before = list(image.objects)
    assert changes(image.run(found)) == (0, 0)
    assert image.objects == before


def test_an_object_rubbed_through_with_the_brush_is_edited() -> None:
    image = Image()
    image.run([nucleus(0)])
    image.edit(0, roi=image.objects[0].roi.difference(box(-1, -20, 1, 20)))
    assert changes(image.run([nucleus(0)])) == (0, 0)
    assert len(image.compared().edited) == 1


def test_a_better_model_replaces_what_nobody_touched() -> None:
    image = Image()
    image.run([nucleus(0), nucleus(30)])
    assert changes(image.run([nucleus(2), nucleus(60)])) == (2, 2)
    assert [obj.roi.centroid.x for obj in image.objects] == pytest.approx([2, 60])


@pytest.mark.parametrize(
    "edit",
    [
        {"roi": affinity.translate(nucleus(0).polygon, 3, 0)},
        {"roi": affinity.translate(nucleus(0).polygon, 400, 0)},
        {"roi": affinity.scale(nucleus(0).polygon, 1.2, 1.0)},
        {"roi": None, "roi_kind": ""},
        {"path_class": PathClass.of("Nucleus: Mitosis")},
        {"path_class": None},
        {"name": "look at this"},
        {"locked": True},
    ],
    ids=["moved", "moved far", "reshaped", "without outline", "reclassified", "unclassified", "named", "locked"],
)
def test_an_edited_object_stays_and_is_not_doubled(edit: dict) -> None:
    image = Image()
    image.run([nucleus(0), nucleus(30)])
    edited = image.edit(0, **edit)
    image.run([nucleus(0), nucleus(30)])
    assert edited in image.objects
    assert len(image.objects) == 2
    image.run([nucleus(1), nucleus(31)])
    assert edited in image.objects
    assert len(image.objects) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"measurements": {"Haematoxylin: mean": 0.4}},
        {"metadata_more": {"note": "x"}},
        {"colour": (1, 2, 3)},
        {"parent": uuid.uuid4()},
        {"roi": affinity.translate(nucleus(0).polygon, 0.03, 0.03)},
        {"roi": Polygon([*nucleus(0).polygon.exterior.coords[4:], *nucleus(0).polygon.exterior.coords[1:5]])},
        {"roi": nucleus(0).polygon.segmentize(1)},
        {"roi": nucleus(0).polygon.reverse()},
    ],
    ids=["measured", "metadata", "coloured", "reparented", "rounded", "other start", "more vertices", "reversed"],
)
def test_what_is_no_edit(change: dict) -> None:
    image = Image()
    image.run([nucleus(0)])
    more = change.pop("metadata_more", {}) if "metadata_more" in change else {}
    image.edit(0, metadata={**image.objects[0].metadata, **more}, **change)
    assert len(image.compared().untouched) == 1


def test_a_filled_hole_is_an_edit() -> None:
    image = Image()
    outer = box(0, 0, 60, 60)
    ring = PredictedObject("gland", "Gland", Polygon(outer.exterior, [box(20, 20, 30, 30).exterior]), 0.8)
    image.run([ring])
    image.edit(0, roi=outer)
    assert len(image.compared().edited) == 1


def test_a_deleted_prediction_does_not_come_back() -> None:
    image = Image()
    image.run([nucleus(0), nucleus(30)])
    del image.objects[0]
    for shift in (0, 1, 0, 2):
        image.run([nucleus(shift), nucleus(30)])
        assert [obj.roi.centroid.x for obj in image.objects] == pytest.approx([30])


def test_a_hand_drawn_nucleus_is_not_doubled() -> None:
    image = Image()
    drawn = PathObject(roi=nucleus(0).polygon.buffer(1), path_class=PathClass.of("Nucleus: Odd"))
    other = PathObject(roi=nucleus(30).polygon, path_class=PathClass.of("Artefact"))
    image.objects = [drawn, other]
    image.run([nucleus(0), nucleus(30)])
    assert image.objects[:2] == [drawn, other]
    assert len(image.objects) == 3


def test_self_crossing_and_odd_hand_drawn_shapes_are_no_obstacle() -> None:
    image = Image()
    bow = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    image.objects = [
        PathObject(roi=bow, path_class=PathClass.of("Nucleus")),
        PathObject(roi=Point(0, 0), path_class=PathClass.of("Nucleus")),
        PathObject(roi=Polygon(), path_class=PathClass.of("Nucleus")),
        PathObject(roi=None, kind="tma_core"),
    ]
    image.run([nucleus(0), nucleus(30)])
    assert len(image.objects) == 6


def test_only_the_tasks_of_the_run_are_touched() -> None:
    image = Image()
    image.run([nucleus(0), gland(100)])
    image.run([], tasks=("nuclei",))
    assert [str(obj.path_class) for obj in image.objects] == ["Gland"]


def test_only_the_regions_of_the_run_are_touched() -> None:
    image = Image()
    image.run([nucleus(0), nucleus(100)])
    assert changes(image.run([nucleus(103)], within=box(50, -50, 150, 50))) == (1, 1)
    assert [obj.roi.centroid.x for obj in image.objects] == pytest.approx([0, 103])


def test_what_lies_across_the_border_of_the_region_is_not_doubled() -> None:
    image = Image()
    image.run([nucleus(49)])
    assert changes(image.run([nucleus(51)], within=box(50, -50, 150, 50))) == (0, 0)


def test_a_lumen_stands_under_the_edited_gland() -> None:
    image = Image()
    first = gland(0)
    image.run([first])
    edited = image.edit(0, roi=affinity.scale(first.polygon, 1.1, 1.1))
    again = gland(0)
    image.run([again, lumen(again)])
    inside = next(obj for obj in image.objects if str(obj.path_class) == "Lumen")
    assert inside.parent == edited.uuid


def test_a_lumen_goes_with_its_gland_when_that_is_replaced() -> None:
    image = Image()
    first = gland(0)
    inside = lumen(first)
    image.run([first, inside])
    second = gland(0, size=62)
    image.run([second, replace(inside, parent=second.uuid)])
    new_gland, new_lumen = sorted(image.objects, key=lambda obj: str(obj.path_class))
    assert new_lumen.parent == new_gland.uuid
    assert len(image.objects) == 2


def test_a_lumen_stays_when_its_gland_was_deleted() -> None:
    image = Image()
    around = gland(0)
    found = [around, lumen(around)]
    image.run(found)
    image.objects = [replace(image.objects[1], parent=None)]
    before = list(image.objects)
    for _ in range(2):
        image.run(found)
        assert image.objects == before


def test_what_was_drawn_inside_a_replaced_gland_stays() -> None:
    image = Image()
    image.run([gland(0)])
    drawn = PathObject(roi=box(20, 20, 30, 30), path_class=PathClass.of("Polyp"), parent=image.objects[0].uuid)
    image.objects.append(drawn)
    image.run([gland(3)])
    assert drawn.uuid in {obj.uuid for obj in image.objects}


def test_a_copy_of_our_object_is_the_pathologists() -> None:
    image = Image()
    image.run([nucleus(0)])
    copy = replace(image.objects[0], uuid=uuid.uuid4(), roi=nucleus(80).polygon)
    image.objects.append(copy)
    compared = image.compared()
    assert compared.theirs == (copy,)
    image.run([nucleus(2), nucleus(80)])
    assert copy in image.objects
    assert len(image.objects) == 2


def test_objects_are_found_again_in_files_that_keep_no_uuid() -> None:
    image = Image()
    image.run([nucleus(0), nucleus(30)])
    image.objects = [replace(obj, uuid=uuid.uuid4()) for obj in image.objects]
    assert len(image.compared().untouched) == 2
    assert changes(image.run([nucleus(0), nucleus(30)])) == (0, 0)
    image.run([nucleus(3), nucleus(33)])
    assert [obj.roi.centroid.x for obj in image.objects] == pytest.approx([3, 33])


def test_without_a_ledger_nothing_of_a_run_is_touched() -> None:
    image = Image()
    image.run([nucleus(0), nucleus(30)])
    before = list(image.objects)
    image.ledger = Ledger()
    assert image.compared().unknown == 2
    image.run([nucleus(1), nucleus(31)])
    assert image.objects == before


USER_ACTIONS = st.sampled_from(["delete", "move", "reshape", "reclassify", "lock", "rename", "add", "measure"])


@settings(max_examples=60, deadline=None)
@given(
    predicted=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=14, unique=True),
    jitter=st.integers(0, 2),
    actions=st.lists(st.tuples(USER_ACTIONS, st.integers(0, 100), st.integers(0, 150)), max_size=12),
    seed=st.integers(0, 1000),
)
def test_whatever_the_pathologist_does_is_kept(
    predicted: list[tuple[int, int]], jitter: int, actions: list[tuple[str, int, int]], seed: int
) -> None:
    places = random.Random(seed)
    found = [nucleus(18 * x + places.randint(0, jitter), 14 * y) for x, y in predicted]
    image = Image()
    image.run(found)
    human: dict[uuid.UUID, PathObject] = {}
    deleted: dict[uuid.UUID, PathObject] = {}
    for action, which, where in actions:
        if action == "add":
            drawn = PathObject(roi=nucleus(where, where).polygon, path_class=PathClass.of("Nucleus"))
            image.objects.append(drawn)
            human[drawn.uuid] = drawn
            continue
        if not image.objects:
            continue
        at = which % len(image.objects)
        obj = image.objects[at]
        if action == "delete":
            del image.objects[at]
            human.pop(obj.uuid, None)
            if RUN_KEY in obj.metadata:
                deleted[obj.uuid] = obj
            continue
        values = {
            "move": {"roi": affinity.translate(obj.roi, where + 1, 0)},
            "reshape": {"roi": affinity.scale(obj.roi, 1.1 + where / 100, 1)},
            "reclassify": {"path_class": PathClass.of("Nucleus: Other")},
            "lock": {"locked": True},
            "rename": {"name": "mine"},
            "measure": {"measurements": {"Mean": 1.0}},
        }[action]
        edited = image.edit(at, **values)
        if action != "measure" or obj.uuid in human:
            human[obj.uuid] = edited
    by_id = {obj.uuid: obj for obj in image.objects}
    image.run(found)
    after = {obj.uuid: obj for obj in image.objects}
    assert all(after.get(identifier) == obj for identifier, obj in human.items())
    assert not deleted.keys() & after.keys()
    assert set(after) == set(by_id)  # the same predictions bring nothing new
    decision = image.run(found)
    assert changes(decision) == (0, 0)
    moved = [nucleus(18 * x + 2, 14 * y + 1) for x, y in predicted]
    image.run(moved)
    after = {obj.uuid: obj for obj in image.objects}
    assert all(after.get(identifier) == obj for identifier, obj in human.items())
    assert changes(image.run(moved)) == (0, 0)


def test_what_touches_an_unread_part_stays_and_is_not_doubled() -> None:
    image = Image()
    cut, whole = gland(30), gland(200)
    image.run([cut, whole, nucleus(10, 30), lumen(cut)])
    before = list(image.objects)
    unread = box(-50, -50, 50, 200)
    part = replace(cut, polygon=cut.polygon.difference(unread))
    decision = image.run([part, gland(203), replace(lumen(cut), parent=part.uuid)], unread=unread)
    assert [obj.roi.bounds[0] for _, obj in decision.remove] == [200]
    assert [found.polygon.bounds[0] for found in decision.add] == [203]
    assert len(image.objects) == len(before)


def found_in(places: list[tuple[int, int]], shift: int) -> list[PredictedObject]:
    """Glands with lumina at every third place, and nuclei, some of them on one another."""
    glands = [gland(70 * x + shift) for x, y in places[::3]]
    nuclei = [nucleus(9 * x + shift, 7 * y, "Nucleus" if y % 4 else "Nucleus: Other") for x, y in places]
    return [*glands, *map(lumen, glands), *nuclei]


@settings(max_examples=80, deadline=None)
@given(
    before=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20),
    after=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20),
    shift=st.integers(0, 3),
    actions=st.lists(st.tuples(st.sampled_from(["delete", "move", "lock", "add"]), st.integers(0, 100)), max_size=8),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    within=st.sampled_from([None, box(0, 0, 45, 60)]),
    unread=st.sampled_from([None, box(20, 0, 40, 30)]),
    kind=st.sampled_from(["annotation", "detection"]),
)
def test_how_predictions_are_cut_into_pieces_changes_nothing(
    before: list[tuple[int, int]],
    after: list[tuple[int, int]],
    shift: int,
    actions: list[tuple[str, int]],
    cuts: list[int],
    within: Polygon | None,
    unread: Polygon | None,
    kind: str,
) -> None:
    image = Image()
    image.run(found_in(before, 0))
    for action, which in actions:
        if action == "add":
            drawn = nucleus(which, which // 2).polygon
            image.objects.append(PathObject(roi=drawn, path_class=PathClass.of("Nucleus")))
        elif image.objects:
            at = which % len(image.objects)
            obj = image.objects[at]
            if action == "delete":
                del image.objects[at]
            else:
                image.edit(at, **({"locked": True} if action == "lock" else {"roi": affinity.translate(obj.roi, 2, 0)}))
    compared, found = image.compared(), found_in(after, shift)
    kinds = {"nuclei": kind}
    whole = decide(compared, found, TASKS, BASES, within, kinds, unread)
    deciding = Deciding(compared, TASKS, BASES, within, kinds, unread)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(found)), len(found)]
    pieces = [deciding.take(found[start:stop]) for start, stop in pairwise(bounds)]
    for task in TASKS:
        for of_whole, of_pieces in ((whole.add, 0), (whole.dropped, 1)):
            one_by_one = [each for piece in pieces for each in piece[of_pieces] if each.task == task]
            assert [each for each in of_whole if each.task == task] == one_by_one
    assert [entry.uuid for entry, _ in whole.remove] == [entry.uuid for entry, _ in deciding.remove()]
    assert whole.stands_for == deciding.stands_for
