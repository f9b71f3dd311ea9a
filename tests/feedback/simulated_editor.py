"""A pathologist who edits objects at random the way QuPath's tools leave them, and who knows what was done."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import shapely
from shapely import affinity
from shapely.geometry import LineString, Point, Polygon
from shapely.ops import split as cut

from cerberus_annotate.feedback.ledger import Commit, Entry, Ledger
from cerberus_annotate.feedback.provenance import ID_KEY, RUN_KEY
from cerberus_annotate.qupath.path_object import PathClass, PathObject

STEP = 60.0
CLASSES = {
    "nuclei": ("Nucleus", "Nucleus: Epithelial", "Nucleus: Lymphocyte"),
    "gland": ("Gland", "Gland: Surface epithelium"),
}
TASKS = {"Nucleus": "nuclei", "Gland": "gland"}

Truth = tuple[str, frozenset[uuid.UUID], frozenset[uuid.UUID]]
"""Verdict, ids of the entries, UUIDs of the objects."""


@dataclass
class Editor:
    """Objects as runs of two models wrote them on a jittered grid, edited one by one.

    truth: what is to be found. done: how many edits of each kind were made.
    """

    rng: random.Random
    side: int
    objects: dict[uuid.UUID, PathObject] = field(default_factory=dict)
    entries: dict[uuid.UUID, Entry] = field(default_factory=dict)
    places: dict[tuple[int, int], uuid.UUID] = field(default_factory=dict)
    truth: list[Truth] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        runs = (Commit(1, "run-a", "annotate", "1", 0, 0), Commit(2, "run-b", "annotate", "2", 0, 0))
        return Ledger(tuple(self.entries.values()), runs)

    def predict(self) -> None:
        """Fills the grid."""
        for column in range(self.side):
            for row in range(self.side):
                task = "gland" if self.rng.random() < 0.2 else "nuclei"
                outline = self.blob(column * STEP, row * STEP)
                entry = Entry(
                    uuid=uuid.UUID(int=self.rng.getrandbits(128), version=4),
                    task=task,
                    path_class=self.rng.choice(CLASSES[task]),
                    polygon=outline,
                    confidence=self.rng.random(),
                    commit=self.rng.choice((1, 2)),
                )
                self.entries[entry.uuid] = entry
                run = ("run-a", "run-b")[entry.commit - 1]
                self.objects[entry.uuid] = PathObject(
                    roi=outline,
                    roi_kind="Polygon",
                    path_class=PathClass.of(entry.path_class),
                    metadata={RUN_KEY: run, ID_KEY: str(entry.uuid)},
                    uuid=entry.uuid,
                )
                self.places[column, row] = entry.uuid

    def blob(self, x: float, y: float) -> Polygon:
        """A rounded outline near (x, y), well inside its place of the grid, on QuPath's 0.01 px."""
        rng = self.rng
        shape = affinity.scale(Point(0, 0).buffer(rng.uniform(8, 12), quad_segs=4), rng.uniform(0.8, 1.3), 1)
        turned = affinity.rotate(shape, rng.uniform(0, 180))
        moved = affinity.translate(turned, x + rng.uniform(-3, 3), y + rng.uniform(-3, 3))
        return shapely.set_precision(moved, 0.01)

    def edit_everything(self) -> None:
        """One random edit at each place, or none, until every place was looked at."""
        order = list(self.places)
        self.rng.shuffle(order)
        while order:
            place = order.pop()
            if place not in self.places:
                continue
            kind = self.rng.choice(KINDS)
            kind(self, place)
            self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1

    # what becomes of an object, for the record

    def settle(self, place: tuple[int, int], verdict: str, objects: list[PathObject], *more: tuple[int, int]) -> None:
        entries = [self.places.pop(at) for at in (place, *more)]
        self.truth.append((verdict, frozenset(entries), frozenset(obj.uuid for obj in objects)))

    def at(self, place: tuple[int, int]) -> PathObject:
        return self.objects[self.places[place]]

    def put(self, obj: PathObject) -> PathObject:
        self.objects[obj.uuid] = obj
        return obj

    def made_anew(self, roi: shapely.Geometry, like: PathObject, keeps_metadata: bool = False) -> PathObject:
        """A new object as a tool leaves it: another UUID, mostly without our metadata, the class as it was."""
        return self.put(
            PathObject(
                roi=roi,
                roi_kind="Polygon" if roi.geom_type == "Polygon" else "Geometry",
                path_class=like.path_class,
                metadata=dict(like.metadata) if keeps_metadata else {},
                uuid=uuid.UUID(int=self.rng.getrandbits(128), version=4),
            )
        )

    def other_class(self, obj: PathObject) -> PathClass | None:
        choices = [*CLASSES["nuclei"], *CLASSES["gland"], "Tumor", None]
        text = self.rng.choice([name for name in choices if name != str(obj.path_class)])
        return None if text is None else PathClass.of(text)

    def neighbour(self, place: tuple[int, int]) -> tuple[int, int] | None:
        """A place beside it, of the same task, that nothing was done to."""
        column, row = place
        task = self.entries[self.places[place]].task
        for other in ((column + 1, row), (column, row + 1), (column - 1, row), (column, row - 1)):
            if other in self.places and self.entries[self.places[other]].task == task:
                return other
        return None


def leave(editor: Editor, place: tuple[int, int]) -> None:
    editor.settle(place, "accepted", [editor.at(place)])


def lock_rename_group_or_colour(editor: Editor, place: tuple[int, int]) -> None:
    changes = [{"locked": True}, {"name": "the one"}, {"parent": uuid.uuid4()}, {"colour": (1, 2, 3)}]
    obj = editor.put(replace(editor.at(place), **editor.rng.choice(changes)))
    editor.settle(place, "accepted", [obj])


def lose_metadata(editor: Editor, place: tuple[int, int]) -> None:
    """Exported as GeoJSON and imported again."""
    editor.settle(place, "accepted", [editor.put(replace(editor.at(place), metadata={}))])


def saved_by_an_old_qupath(editor: Editor, place: tuple[int, int]) -> None:
    """Files of QuPath before 0.4 keep no UUID; our id in the metadata stays."""
    obj = editor.objects.pop(editor.places[place])
    editor.settle(place, "accepted", [editor.made_anew(obj.roi, obj, keeps_metadata=True)])


def copied_in_place(editor: Editor, place: tuple[int, int]) -> None:
    """Duplicated where it stands, and the original deleted."""
    obj = editor.objects.pop(editor.places[place])
    editor.settle(place, "accepted", [editor.made_anew(obj.roi, obj)])


def reclassify(editor: Editor, place: tuple[int, int]) -> None:
    obj = editor.at(place)
    editor.settle(place, "reclassified", [editor.put(replace(obj, path_class=editor.other_class(obj)))])


def reclassify_and_reshape(editor: Editor, place: tuple[int, int]) -> None:
    obj = editor.at(place)
    roi = affinity.scale(obj.roi, 1.2, 0.9)
    editor.settle(place, "reclassified", [editor.put(replace(obj, roi=roi, path_class=editor.other_class(obj)))])


def reshape(editor: Editor, place: tuple[int, int]) -> None:
    """With the brush or by its vertices: UUID and metadata stay, however much changes."""
    rng, obj = editor.rng, editor.at(place)
    roi = affinity.translate(
        affinity.scale(obj.roi, rng.uniform(0.4, 1.4), rng.uniform(0.4, 1.4)), rng.uniform(0.1, 8), rng.uniform(-8, 8)
    )
    editor.settle(place, "reshaped", [editor.put(replace(obj, roi=roi))])


def drag_away(editor: Editor, place: tuple[int, int]) -> None:
    """Far from everything, the same object all the same."""
    obj = editor.at(place)
    roi = affinity.translate(obj.roi, -50_000 - 100 * len(editor.truth), 0)
    editor.settle(place, "reshaped", [editor.put(replace(obj, roi=roi))])


def brush_through(editor: Editor, place: tuple[int, int]) -> None:
    """The middle rubbed out: two pieces, one object."""
    obj = editor.at(place)
    x, y = obj.roi.centroid.coords[0]
    roi = obj.roi.difference(LineString([(x, y - 40), (x, y + 40)]).buffer(1))
    editor.settle(place, "reshaped", [editor.put(replace(obj, roi=roi))])


def draw_anew(editor: Editor, place: tuple[int, int]) -> None:
    """Deleted and drawn again, overlapping well."""
    rng = editor.rng
    obj = editor.objects.pop(editor.places[place])
    roi = affinity.translate(affinity.scale(obj.roi, rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.15)), 1, 1)
    editor.settle(place, "reshaped", [editor.made_anew(roi, obj)])


def simplify(editor: Editor, place: tuple[int, int]) -> None:
    obj = editor.objects.pop(editor.places[place])
    editor.settle(place, "reshaped", [editor.made_anew(obj.roi.simplify(1.5), obj)])


def delete(editor: Editor, place: tuple[int, int]) -> None:
    del editor.objects[editor.places[place]]
    editor.settle(place, "deleted", [])


def draw_elsewhere(editor: Editor, place: tuple[int, int]) -> None:
    """Deleted; beside it something small is drawn, which is another object."""
    obj = editor.objects.pop(editor.places[place])
    roi = affinity.translate(affinity.scale(obj.roi, 0.4, 0.4), editor.rng.choice((-22, 22)), 0)
    added = editor.made_anew(roi, obj)
    editor.settle(place, "deleted", [])
    editor.truth.append(("added", frozenset(), frozenset({added.uuid})))


def second_person(editor: Editor, place: tuple[int, int]) -> None:
    """Something new between the grid's places, the object left as it is."""
    obj = editor.at(place)
    added = editor.made_anew(affinity.translate(affinity.scale(obj.roi, 0.5, 0.5), 0, STEP / 2), obj)
    editor.settle(place, "accepted", [obj])
    editor.truth.append(("added", frozenset(), frozenset({added.uuid})))


def drawn_twice(editor: Editor, place: tuple[int, int]) -> None:
    """A second person draws the same nucleus over it, or it is duplicated with its metadata."""
    obj = editor.at(place)
    added = editor.made_anew(affinity.translate(obj.roi, 0.5, 0.5), obj, keeps_metadata=editor.rng.random() < 0.5)
    editor.settle(place, "accepted", [obj])
    editor.truth.append(("added", frozenset(), frozenset({added.uuid})))


def _pieces(editor: Editor, roi: Polygon, count: int) -> list[Polygon]:
    """Cut by parallel lines into pieces of about the same size."""
    left, bottom, right, top = roi.bounds
    parts = [roi]
    for at in range(1, count):
        x = left + (right - left) * at / count
        line = LineString([(x, bottom - 5), (x + editor.rng.uniform(-1, 1), top + 5)])
        parts = [piece for part in parts for piece in cut(part, line).geoms]
    return parts


def split_anew(editor: Editor, place: tuple[int, int]) -> None:
    obj = editor.objects.pop(editor.places[place])
    copies = editor.rng.random() < 0.3
    parts = _pieces(editor, obj.roi, editor.rng.choice((2, 3)))
    editor.settle(place, "split", [editor.made_anew(part, obj, keeps_metadata=copies) for part in parts])


def split_in_place(editor: Editor, place: tuple[int, int]) -> None:
    """A part rubbed off and drawn as another object; what is left keeps its UUID."""
    obj = editor.at(place)
    first, *rest = _pieces(editor, obj.roi, 2)
    kept = editor.put(replace(obj, roi=first))
    editor.settle(place, "split", [kept, *(editor.made_anew(part, obj) for part in rest)])


def split_unevenly(editor: Editor, place: tuple[int, int]) -> None:
    """The larger piece alone would count as the same object, reshaped."""
    obj = editor.objects.pop(editor.places[place])
    left, bottom, right, top = obj.roi.bounds
    x = left + 0.3 * (right - left)
    parts = list(cut(obj.roi, LineString([(x, bottom - 5), (x, top + 5)])).geoms)
    editor.settle(place, "split", [editor.made_anew(part, obj) for part in parts])


def merge_anew(editor: Editor, place: tuple[int, int]) -> None:
    """Two neighbours joined by a bridge; of unlike classes, the new one has none."""
    _merge(editor, place, keep=False)


def merge_in_place(editor: Editor, place: tuple[int, int]) -> None:
    """One grown with the brush over its neighbour, which is deleted."""
    _merge(editor, place, keep=True)


def _merge(editor: Editor, place: tuple[int, int], keep: bool) -> None:
    other = editor.neighbour(place)
    if other is None:
        leave(editor, place)
        return
    one, two = editor.at(place), editor.at(other)
    bridge = LineString([one.roi.centroid, two.roi.centroid]).buffer(2)
    roi = shapely.union_all([one.roi, two.roi, bridge])
    del editor.objects[two.uuid]
    if keep:
        joined = editor.put(replace(one, roi=roi))
    else:
        del editor.objects[one.uuid]
        joined = editor.made_anew(roi, one)
        if one.path_class != two.path_class:
            joined = editor.put(replace(joined, path_class=None))
    editor.settle(place, "merged", [joined], other)


KINDS: tuple[Callable[[Editor, tuple[int, int]], None], ...] = (
    leave,
    lock_rename_group_or_colour,
    lose_metadata,
    saved_by_an_old_qupath,
    copied_in_place,
    reclassify,
    reclassify_and_reshape,
    reshape,
    drag_away,
    brush_through,
    draw_anew,
    simplify,
    delete,
    draw_elsewhere,
    second_person,
    drawn_twice,
    split_anew,
    split_in_place,
    split_unevenly,
    merge_anew,
    merge_in_place,
)


def edited_scene(seed: int, side: int) -> Editor:
    """A scene of about side x side objects, all edited, in random order."""
    editor = Editor(random.Random(seed), side)
    editor.predict()
    editor.edit_everything()
    shuffled = list(editor.objects.values())
    editor.rng.shuffle(shuffled)
    editor.objects = {obj.uuid: obj for obj in shuffled}
    return editor
