"""Who learns and who is measured on: whole slides or regions, and never the same pixels on both sides."""

from collections import defaultdict

from hypothesis import assume, given
from hypothesis import strategies as st

from cerberus_annotate.learn.finetuning.hold_out import TEST_SHARE, Place, _share, hold_out

PLACES = st.lists(
    st.builds(Place, st.sampled_from(["a", "b"]), st.integers(0, 12).map(str), st.just("train")),
    min_size=2,
    max_size=20,
)


def test_three_slides_are_held_out_as_the_harvest_split_them() -> None:
    places = [Place(s, str(r), split) for s, split in (("a", "train"), ("b", "val"), ("c", "test")) for r in range(3)]
    held = hold_out(places)
    assert held.by == "slide"
    assert held.roles == ("train",) * 3 + ("val",) * 3 + ("test",) * 3
    assert held.notes == ()


def test_without_a_validation_slide_regions_of_training_slides_take_its_place() -> None:
    places = [Place("a", str(r), "train") for r in range(5)] + [Place("b", "1", "train"), Place("c", "1", "test")]
    held = hold_out(places)
    assert held.by == "slide"
    assert held.roles[-1] == "test"
    assert {"train", "val"} == set(held.roles[:-1])
    assert "regions of the training slides tell when to stop" in held.notes[0]


def test_a_slide_that_two_harvests_split_differently_is_not_learnt_from() -> None:
    places = [Place("a", "1", "train"), Place("b", "1", "train"), Place("b", "2", "test"), Place("c", "1", "train")]
    held = hold_out(places)
    assert held.roles[1:3] == ("test", "test")
    assert "another harvest has it for training: b" in held.notes[0]


def test_one_slide_is_held_out_by_region_and_says_so() -> None:
    held = hold_out([Place("a", str(number), "train") for number in range(10)])
    assert held.by == "region"
    assert set(held.roles) == {"train", "val", "test"}
    assert held.notes[0].startswith("There is 1 slide, too few")


def test_two_regions_leave_one_to_learn_from() -> None:
    assert sorted(hold_out([Place("a", "1", "train"), Place("a", "2", "test")]).roles) == ["test", "train"]


def test_one_region_is_learnt_from() -> None:
    assert hold_out([Place("a", "1", "test")]).roles == ("train",)


@given(PLACES)
def test_rows_of_a_region_stay_together_and_something_is_left_to_learn(places: list[Place]) -> None:
    roles = defaultdict(set)
    held = hold_out(places)
    for place, role in zip(places, held.roles, strict=True):
        roles[place.group, place.region].add(role)
    assert all(len(some) == 1 for some in roles.values())
    assert "train" in held.roles


@given(PLACES, PLACES)
def test_a_region_that_was_learnt_from_is_never_measured_on_later(first: list[Place], more: list[Place]) -> None:
    # a single region is learnt from, and one where all would be measured on
    assume(len({(place.group, place.region) for place in first}) > 1)
    assume(any(_share((place.group, place.region)) >= TEST_SHARE for place in first))
    before = hold_out(first).roles
    after = hold_out([*first, *more]).roles
    learnt_before = [place for place, role in zip(first, before, strict=True) if role == "train"]
    measured_after = {place for place, role in zip([*first, *more], after, strict=True) if role == "test"}
    assert not measured_after & set(learnt_before)
