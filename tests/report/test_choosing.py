"""Which corrections a report shows."""

from hypothesis import given
from hypothesis import strategies as st

from cerberus_annotate.feedback.difference import Verdict
from cerberus_annotate.report.gathering.choosing import chosen, kept
from cerberus_annotate.report.gathering.corrections import EACH, Correction, Pair

NONE: Pair = ("Nucleus", "Nucleus")


def correction(image: str, telling: float, verdict: Verdict = "reshaped", pair: Pair = NONE) -> Correction:
    return Correction(image, verdict, pair, "", telling, (), ())


def test_the_most_telling_first_and_two_of_a_slide() -> None:
    found = [correction(image, telling) for image in "abc" for telling in (0.1, 0.5, 0.9)]
    shown = chosen(found, {})
    assert [(one.image, one.telling) for one in shown] == [
        (image, telling) for telling in (0.9, 0.5) for image in "abc"
    ]


def test_a_single_slide_fills_all_places() -> None:
    shown = chosen([correction("a", number / 10) for number in range(9)], {})
    assert [one.telling for one in shown] == [0.8, 0.7, 0.6, 0.5, 0.4, 0.3]


def test_the_commonest_pairs_of_classes_in_turn() -> None:
    rare, common = ("A", "B"), ("B", "A")
    found = [correction(f"{at}", at, "reclassified", pair) for at in range(9) for pair in (rare, common)]
    shown = [one.pair for one in chosen(found, {rare: 9, common: 90})]
    assert shown == [common, common, rare, rare, common, common]


CORRECTIONS = st.builds(
    correction,
    image=st.sampled_from("abcd"),
    telling=st.floats(0, 1),
    verdict=st.sampled_from(["reshaped", "reclassified", "deleted"]),
)


@given(st.lists(CORRECTIONS, max_size=60, unique_by=lambda one: one.telling))
def test_what_is_dropped_on_the_way_would_not_have_been_shown(found: list[Correction]) -> None:
    held: list[Correction] = []
    for one in found:
        held = kept([*held, one])
        assert len(held) <= 3 * EACH
    by_telling = [sorted(one.telling for one in chosen(some, {NONE: 1})) for some in (held, found)]
    assert by_telling[0] == by_telling[1]
