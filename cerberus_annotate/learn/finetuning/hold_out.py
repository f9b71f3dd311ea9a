"""What of a harvest is learnt from, what ends the learning, and what the gate measures on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["train", "val", "test"]

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.15
FEWEST_SLIDES = 3
"""Slides from which on whole slides are held out; of fewer, regions."""


@dataclass(frozen=True)
class Place:
    """Where an image is from. group: its patient or slide.  region: of the slide.  split: as the harvest gave it."""

    group: str
    region: str
    split: str


@dataclass(frozen=True)
class HoldOut:
    """roles: of each place, in order.  by: what is held out as a whole.  notes: sentences for the user."""

    roles: tuple[Role, ...]
    by: Literal["slide", "region"]
    notes: tuple[str, ...]


def hold_out(places: Sequence[Place]) -> HoldOut:
    """Who learns, who ends the learning and who is measured on; all images of a region have the same role.

    By slide, as the harvest split them, where there are 3 slides, one for training and one for test; a slide that two
    harvests split differently is held out. Else by region. Regions go by a hash of their name, at least one each for
    test and val as long as one is left to learn from, so that a region that was learnt from is never measured on when
    the harvest grows.
    """
    notes: list[str] = []
    roles = _roles_of_slides(places, notes)
    slides = set(roles.values())
    if len(roles) >= FEWEST_SLIDES and {"train", "test"} <= slides:
        of_region: dict[tuple[str, str], Role] = {_key(place): roles[place.group] for place in places}
        learning = [key for key, role in of_region.items() if role == "train"]
        if "val" not in slides:
            of_region |= dict.fromkeys(_lowest(learning, 0, VALIDATION_SHARE), "val")
            notes.append("No slide is for validation; regions of the training slides tell when to stop.")
        return HoldOut(tuple(of_region[_key(place)] for place in places), "slide", tuple(notes))
    regions = list(dict.fromkeys(_key(place) for place in places))
    by_region: dict[tuple[str, str], Role] = dict.fromkeys(regions, "train")
    test = _lowest(regions, 0, TEST_SHARE)
    rest = [key for key in regions if key not in test]
    by_region |= dict.fromkeys(test, "test")
    by_region |= dict.fromkeys(_lowest(rest, TEST_SHARE, TEST_SHARE + VALIDATION_SHARE), "val")
    notes = [
        f"There {'is 1 slide' if len(roles) == 1 else f'are {len(roles)} slides'}, too few to hold whole ones out; "
        f"{len(test)} of {len(regions)} regions are held out instead, on slides that are also learnt from. Figures on "
        "other slides can be lower."
    ]
    return HoldOut(tuple(by_region[_key(place)] for place in places), "region", tuple(notes))


def _key(place: Place) -> tuple[str, str]:
    return place.group, place.region


def _roles_of_slides(places: Sequence[Place], notes: list[str]) -> dict[str, Role]:
    """By group; the most careful role where harvests differ."""
    found: dict[str, set[Role]] = {}
    for place in places:
        role: Role = "test" if place.split.startswith("test") else "val" if place.split.startswith("val") else "train"
        found.setdefault(place.group, set()).add(role)
    careful: tuple[Role, ...] = ("test", "val", "train")
    torn = [group for group, roles in found.items() if len(roles) > 1]
    if torn:
        notes.append(f"Held out although another harvest has it for training: {', '.join(sorted(torn))}.")
    return {group: next(role for role in careful if role in roles) for group, roles in found.items()}


def _lowest(keys: Sequence[tuple[str, str]], low: float, high: float) -> list[tuple[str, str]]:
    """Keys whose hash lies in [low, high); where none does the lowest, as long as another is left."""
    hashed = sorted((_share(key), key) for key in keys)
    chosen = [key for share, key in hashed if low <= share < high] or [key for _, key in hashed[:1]]
    return chosen[: len(keys) - 1]


def _share(key: tuple[str, str]) -> float:
    digest = hashlib.sha256("finetune\0{}\0{}".format(*key).encode()).hexdigest()
    return int(digest[:8], 16) / 2**32
