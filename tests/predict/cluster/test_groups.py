"""How a slide is cut into tasks, and how many of them are out."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.predict.cluster.groups import LONGEST, MOST_TILES, Pace
from cerberus_annotate.predict.cluster.slots import Slots


@given(some.integers(1, 5000), some.integers(1, 200), some.floats(0.001, 600))
def test_every_tile_goes_out_in_tasks_that_are_neither_too_long_nor_too_large(
    tiles: int, threads: int, seconds: float
) -> None:
    pace = Pace()
    pace.saw(1, seconds)
    left = tiles
    while left:
        group = pace.tiles(left, threads)
        assert 1 <= group <= min(left, MOST_TILES)
        assert group == 1 or group * seconds <= LONGEST
        left -= group


def test_the_tasks_of_a_slide_become_shorter_towards_its_end() -> None:
    pace = Pace()
    pace.saw(1, 5)
    left, groups = 40, []
    while left:
        groups.append(pace.tiles(left, 2))
        left -= groups[-1]
    assert groups == sorted(groups, reverse=True)
    assert groups[0] > groups[-1] == 1


def test_slow_tiles_make_small_groups() -> None:
    fast, slow = Pace(), Pace()
    for _ in range(20):
        fast.saw(4, 4)
        slow.saw(4, 80)
    assert fast.tiles(1000, 2) > slow.tiles(1000, 2) == 1


def test_who_waits_for_a_slot_gets_it_or_learns_why_not() -> None:
    slots = Slots(lambda: 1)
    slots.take(lambda: None)
    assert not slots.take_free()
    assert not slots.free()
    waiting = threading.Thread(target=slots.take, args=[lambda: None])
    waiting.start()
    slots.give()
    waiting.join(10)
    assert not waiting.is_alive()

    def lost() -> None:
        raise CerberusError("The scheduler is lost.")

    with pytest.raises(CerberusError, match="lost"):
        slots.take(lost)
    slots.give()
    assert slots.free()
