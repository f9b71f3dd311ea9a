"""What is in a data set, and what is wrong with it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components
from skimage.measure import regionprops

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.learn.data.duplicates import Fingerprint, fingerprint, same_images
from cerberus_annotate.learn.data.label_names import GLAND_LABELS, NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import UNLABELLED, DataSet, Entry, LabelledImage

NAMED = 5
"""Images that a sentence names before it counts the rest."""


@dataclass(frozen=True)
class Observation:
    """What one image showed.

    labels: which kinds of label it has.  empty: those of them that show nothing.  objects: how many of each kind of
    instance or point.  classes: by kind (`nucleus types`, `gland types`, `points`), objects of each class; for `mask`
    pixels of each class.  scattered: by kind, ids of instances that lie far apart from themselves.
    """

    entry: Entry
    mpp: float | None
    labels: tuple[str, ...]
    empty: tuple[str, ...]
    objects: Counter[str]
    classes: dict[str, Counter[str]]
    scattered: dict[str, list[int]]
    fingerprint: Fingerprint


@dataclass(frozen=True)
class Report:
    """A data set in figures. Counts are of images where nothing else is said.

    splits: images by split, "" where there is none.  mpp: images by pixel size, "unknown" where it is not known.
    labels: images with each kind of label.  objects: by kind.  classes: as in `Observation`, over all images; patch
    classes in images.  problems and notes: sentences; a note is nothing wrong by itself.
    """

    name: str
    layout: str
    licence: str
    source: str
    images: int
    splits: dict[str, int]
    mpp: dict[str, int]
    labels: dict[str, int]
    objects: dict[str, int]
    classes: dict[str, dict[str, int]]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check(data: DataSet, watch: Callable[[Sequence[Entry]], Iterable[Entry]] = iter) -> Report:
    """Reads every image of a data set once and reports on it. `watch` may show how far that is."""
    seen: list[Observation] = []
    unreadable: list[str] = []
    for entry in watch(data.entries):
        try:
            seen.append(observe(entry, entry.read()))
        except CerberusError as error:
            unreadable.append(f"{entry.name}: {error}")
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for observation in seen:
        for kind, counts in observation.classes.items():
            classes[kind].update(counts)
    in_patch_class = Counter(entry.patch_class for entry in data.entries if entry.patch_class)
    if data.patch_classes:
        classes["patch classes"] = Counter({name: in_patch_class[name] for name in data.patch_classes})
    none = ["It has no images."] if not data.entries else []
    problems = [*none, *data.left_out, *unreadable, *_repeated_names(data.entries), *_scattered(seen)]
    twice_across, twice_within = _same_images(seen)
    return Report(
        data.name,
        data.layout,
        data.licence,
        data.source,
        len(data.entries),
        dict(Counter(entry.split for entry in data.entries)),
        dict(Counter("unknown" if one.mpp is None else f"{one.mpp:.4g}" for one in seen)),
        dict(Counter(kind for one in seen for kind in one.labels)),
        dict(sum((one.objects for one in seen), Counter())),
        {kind: dict(counts) for kind, counts in classes.items()},
        (*problems, *twice_across),
        (
            *_unknown_sizes(seen),
            *_without_objects(seen),
            *twice_within,
            *_shared_patients(data.entries),
            *_absent_classes(data),
        ),
    )


def observe(entry: Entry, image: LabelledImage) -> Observation:
    """What is in an image."""
    instances = {"nuclei": image.nuclei, "glands": image.glands, "lumina": image.lumina}
    maps = {kind: instance_map for kind, instance_map in instances.items() if instance_map is not None}
    classes: dict[str, Counter[str]] = {}
    objects = Counter({kind: np.unique(found[found > 0]).size for kind, found in maps.items()})
    if image.nuclei is not None and image.nucleus_types is not None:
        classes["nucleus types"] = _types_of(image.nuclei, image.nucleus_types, NUCLEUS_LABELS)
    if image.glands is not None and image.gland_types is not None:
        classes["gland types"] = _types_of(image.glands, image.gland_types, GLAND_LABELS)
    if image.nucleus_points is not None:
        objects["points"] = len(image.nucleus_points)
        classes["points"] = Counter(NUCLEUS_LABELS[int(index)] for index in image.nucleus_points[:, 2])
    if image.mask is not None:
        names = {**dict(enumerate(image.mask_classes)), UNLABELLED: "unlabelled"}
        values, counts = np.unique(image.mask, return_counts=True)
        classes["mask"] = Counter({names[int(v)]: int(n) for v, n in zip(values, counts, strict=True)})
    shows = {kind: count > 0 for kind, count in objects.items()}
    if image.mask is not None:
        shows["mask"] = bool(((image.mask != 0) & (image.mask != UNLABELLED)).any())
    if image.patch_class:
        shows["patch class"] = True
    return Observation(
        entry,
        image.mpp,
        tuple(shows),
        tuple(kind for kind, something in shows.items() if not something),
        objects,
        classes,
        {kind: ids for kind, found in maps.items() if (ids := far_apart_ids(found))},
        fingerprint(image.rgb),
    )


def far_apart_ids(instances: NDArray[np.int32]) -> list[int]:
    """Ids of an instance map (H, W) with two pieces that are further apart than the larger one is wide.

    Pieces close by are one object that another crosses; far ones are two objects with one id.
    """
    pieces = defaultdict(list)
    for piece in regionprops(connected_components(instances, connectivity=2, background=0)):
        pieces[int(instances[tuple(piece.coords[0])])].append(piece)
    found = []
    for number, parts in pieces.items():
        largest = max(parts, key=lambda part: part.area)
        if any(_gap(largest.bbox, part.bbox) > np.sqrt(largest.area) for part in parts):
            found.append(number)
    return sorted(found)


def _gap(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Px between two boxes (top, left, bottom, right), along the axis where they are further apart."""
    return max(max(one[axis], other[axis]) - min(one[axis + 2], other[axis + 2]) for axis in (0, 1))


def _types_of(instances: NDArray[np.int32], types: NDArray[np.uint8], names: Sequence[str]) -> Counter[str]:
    """Instances by the type that most of their typed pixels have."""
    inside = instances > 0
    ids, index = np.unique(instances[inside], return_inverse=True)
    votes = np.zeros((ids.size, len(names)), np.int64)
    np.add.at(votes, (index.reshape(-1), types[inside]), 1)
    votes[:, 0] = votes[:, 1:].sum(1) == 0
    return Counter(names[winner] for winner in votes.argmax(1))


def _repeated_names(entries: Sequence[Entry]) -> list[str]:
    counts = Counter(entry.name for entry in entries)
    repeated = [name for name, count in counts.items() if count > 1]
    return [f"Names of images occur more than once: {_some(repeated)}."] if repeated else []


def _scattered(seen: list[Observation]) -> list[str]:
    return [
        f"{one.entry.name}: in the {kind} the ids {_some(map(str, ids))} stand for objects far apart. "
        "Give each object an id of its own."
        for one in seen
        for kind, ids in one.scattered.items()
    ]


def _unknown_sizes(seen: list[Observation]) -> list[str]:
    unknown = [one.entry.name for one in seen if one.mpp is None]
    return [f"Images whose pixel size (µm/px) is not known ({len(unknown):,}): {_some(unknown)}."] if unknown else []


def _without_objects(seen: list[Observation]) -> list[str]:
    """Images whose label is empty, a sentence for each kind."""
    sentences = []
    for kind in dict.fromkeys(kind for one in seen for kind in one.empty):
        empty = [one.entry.name for one in seen if kind in one.empty]
        sentences.append(f"Images whose {kind} label is empty ({len(empty):,}): {_some(empty)}.")
    return sentences


def _same_images(seen: list[Observation]) -> tuple[list[str], list[str]]:
    """Sentences on images that stand in two splits, and on those that stand twice in one."""
    across, within = [], []
    for i, j in same_images([one.fingerprint for one in seen]):
        one, other = seen[i].entry, seen[j].entry
        if one.split != other.split:
            across.append(
                f"{one.name} ({one.split}) and {other.name} ({other.split}) are the same image in two splits."
            )
        else:
            within.append(f"{one.name} and {other.name}{_in(one.split)} look like the same image.")
    return across, within


def _shared_patients(entries: Sequence[Entry]) -> list[str]:
    splits: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.patient:
            splits[entry.patient].add(entry.split)
    shared = [patient for patient, found in splits.items() if len(found) > 1]
    return [f"Patients have images in more than one split ({len(shared)}): {_some(shared)}."] if shared else []


def _absent_classes(data: DataSet) -> list[str]:
    """Patch classes that some split has no image of."""
    by_split: dict[str, set[str | None]] = defaultdict(set)
    for entry in data.entries:
        by_split[entry.split].add(entry.patch_class)
    sentences = []
    for split, found in by_split.items():
        absent = [name for name in data.patch_classes if name not in found]
        if absent:
            sentences.append(f"No image{_in(split)} has the class {_some(absent)}.")
    return sentences


def _in(split: str) -> str:
    return f" in split {split}" if split else ""


def _some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    found = list(names)
    rest = len(found) - NAMED
    return ", ".join(found[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
