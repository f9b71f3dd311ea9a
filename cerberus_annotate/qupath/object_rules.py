"""What QuPath must not get, whichever engine writes; and when two objects are the same."""

import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import shapely

from cerberus_annotate.qupath.native.object_parts import OBJECT_ID
from cerberus_annotate.qupath.path_object import InvalidObjectError, PathClass, PathObject

#: The kinds of objects that a program may add.
ADDABLE = ("annotation", "detection", "tile", "cell")
_NUMBERS = (int, float, np.number)


def check_new(batch: Sequence[PathObject], is_taken: Callable[[UUID], bool], root: UUID) -> None:
    """Raise InvalidObjectError when one of the objects to add is not in order.

    is_taken: whether the image has an object with that UUID. root: that of the hierarchy's root.
    """
    own = {item.uuid.int for item in batch}
    for item in batch:
        _check_one(item, own, is_taken, root)
    if len(own) != len(batch):
        raise standing_twice(next(uuid for uuid, count in Counter(item.uuid for item in batch).items() if count > 1))
    _refuse_loops(batch)


def check_later(batch: Sequence[PathObject], parent: UUID | None, is_taken: Callable[[UUID], bool], root: UUID) -> None:
    """As `check_new`, some of the objects that are to stand under `parent`; not whether a UUID stands there twice."""
    for item in batch:
        _check_itself(item, is_taken, root)
        check_parent(item, parent)


def check_parent(item: PathObject, parent: UUID | None) -> None:
    """Raise InvalidObjectError when one of the objects that are to stand under `parent` names another."""
    if item.parent is not parent and item.parent != parent:
        raise InvalidObjectError(
            f"{describe(item)} names the parent {item.parent}, but comes among those of {parent or 'the root'}."
        )


def other_number(count: int, came: int) -> InvalidObjectError:
    """The error for `came` objects (at least, when there are more) in place of `count`."""
    found = f"more than the {count:,}" if came > count else f"only {came:,} of the {count:,}"
    return InvalidObjectError(f"There are {found} objects to add that were announced.")


def standing_twice(uuid: UUID) -> InvalidObjectError:
    """The error for a UUID that two of the objects to add have."""
    return InvalidObjectError(f"The UUID {uuid} stands twice among the objects to add.")


def _check_one(item: PathObject, own: set[int], is_taken: Callable[[UUID], bool], root: UUID) -> None:
    _check_itself(item, is_taken, root)
    if item.parent is not None and item.parent.int not in own and not is_taken(item.parent):
        raise InvalidObjectError(f"{describe(item)} names a parent that is not in the image: {item.parent}.")


def _check_itself(item: PathObject, is_taken: Callable[[UUID], bool], root: UUID) -> None:
    if item.kind not in ADDABLE:
        raise InvalidObjectError(f"{describe(item)} is a {item.kind}, which cannot be added; only QuPath can.")
    if is_taken(item.uuid) or item.uuid.int == root.int:
        raise InvalidObjectError(f"{describe(item)} is in the image already (its UUID is taken).")
    if item.roi is None:
        raise InvalidObjectError(f"{describe(item)} has no shape.")
    if item.nucleus is not None and item.kind != "cell":
        raise InvalidObjectError(f"{describe(item)} has a nucleus but is a {item.kind}; only cells have one.")
    check_texts(item)


def describe(item: PathObject) -> str:
    """How a sentence calls an object."""
    label = f" '{item.name}'" if item.name else ""
    path_class = f" of class '{item.path_class}'" if item.path_class is not None else ""
    return f"The {item.kind.replace('_', ' ')}{label}{path_class} ({item.uuid})"


def checked_class(item: PathObject) -> PathClass | None:
    """The object's class with its names as QuPath's own API would make them."""
    if item.path_class is None:
        return None
    try:
        return PathClass(_checked_names(item.path_class.names), item.path_class.colour)
    except (ValueError, TypeError) as error:
        raise InvalidObjectError(f"{describe(item)} has a class that QuPath cannot have: {error}.") from None


@functools.lru_cache(1024)
def _checked_names(class_names: tuple[str, ...]) -> tuple[str, ...]:
    return PathClass.of(": ".join(class_names)).names


def check_texts(item: PathObject) -> None:
    """Refuse what would not be text or a number in the file."""
    if not (item.name is None or isinstance(item.name, str)):
        raise InvalidObjectError(f"{describe(item)} has a name that is no text.")
    for key, text in item.metadata.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise InvalidObjectError(f"{describe(item)} has metadata that is no text: {key!r} = {text!r}.")
        if key == OBJECT_ID:
            raise InvalidObjectError(f"{describe(item)} has metadata under '{OBJECT_ID}', where its UUID stands.")
    for name, value in item.measurements.items():
        if (type(value) is not float and not isinstance(value, _NUMBERS)) or not isinstance(name, str):
            raise InvalidObjectError(f"{describe(item)} has a measurement that is no number: {name!r} = {value!r}.")


def equal_number(one: float, other: float) -> bool:
    """Equal, or both no number."""
    return one == other or (math.isnan(one) and math.isnan(other))


def equal_numbers(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Equal names in the same order with equal numbers."""
    return list(one) == list(other) and all(map(equal_number, one.values(), other.values()))


def equal_shapes(one: Any, other: Any) -> bool:
    """Equal in kind and in every coordinate."""
    if one is None or other is None:
        return one is other
    return bool(shapely.to_wkb(one) == shapely.to_wkb(other))


def _refuse_loops(batch: Sequence[PathObject]) -> None:
    """Refuse objects that are their own ancestors."""
    own = {item.uuid.int: item for item in batch if item.parent is not None}
    sound: set[int] = set()
    for item in own.values():
        trail: set[int] = set()
        step: PathObject | None = item
        while step is not None and step.uuid.int not in sound:
            if step.uuid.int in trail:
                raise InvalidObjectError(f"{describe(item)} is its own parent, directly or by others.")
            trail.add(step.uuid.int)
            step = None if step.parent is None else own.get(step.parent.int)
        sound |= trail
