"""The order: by score, apart from each other, not all of one slide."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cerberus_annotate.review.pick import mean_rank, percentiles, pick, standardised
from cerberus_annotate.review.rarity import rareness

Pool = tuple[NDArray[np.float64], NDArray[np.float64], list[str], int]


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Scores, features, slides and a budget; some candidates are copies of others."""
    count = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    features = standardised(rng.normal(size=(count, 5)))
    copies = rng.random(count) < 0.3
    features[copies] = features[rng.integers(0, count, int(copies.sum()))]
    groups = [f"slide {at}" for at in rng.integers(0, draw(st.integers(1, 5)), count)]
    return rng.permutation(count) / count + 0.01, features, groups, draw(st.integers(0, 40))


@settings(max_examples=80, deadline=None)
@given(pools())
def test_the_budget_is_filled_with_different_regions(pool: Pool) -> None:
    score, features, groups, budget = pool
    chosen = pick(score, features, groups, budget)
    assert len(chosen) == len(set(chosen)) == min(budget, len(score))


@settings(max_examples=80, deadline=None)
@given(pools(), st.integers(0, 2**31))
def test_the_order_in_which_candidates_are_given_changes_nothing(pool: Pool, seed: int) -> None:
    score, features, groups, budget = pool
    order = np.random.default_rng(seed).permutation(len(score))
    chosen = pick(score[order], features[order], [groups[at] for at in order], budget)
    assert [int(order[at]) for at in chosen] == pick(score, features, groups, budget)


@settings(max_examples=80, deadline=None)
@given(pools())
def test_no_copy_is_taken_while_its_slide_may_give_something_else(pool: Pool) -> None:
    score, features, groups, budget = pool
    chosen = pick(score, features, groups, budget)
    for place, at in enumerate(chosen):
        before = chosen[:place]
        is_copy = [np.allclose(features[at], features[other]) for other in before]
        if any(is_copy):
            left = set(range(len(score))) - set(before)
            new = [
                other
                for other in left
                if groups[other] == groups[at]
                and all(np.linalg.norm(features[other] - features[taken]) > 1e-3 for taken in before)
            ]
            assert not new


@settings(max_examples=80, deadline=None)
@given(pools())
def test_a_longer_queue_of_one_slide_begins_with_the_shorter(pool: Pool) -> None:
    score, features, _, budget = pool
    one = ["only"] * len(score)
    assert pick(score, features, one, budget) == pick(score, features, one, budget + 3)[: min(budget, len(score))]


def test_the_first_has_the_highest_score() -> None:
    score = np.array([0.2, 0.9, 0.5])
    assert pick(score, np.eye(3), ["a", "a", "a"], 1) == [1]


def test_one_slide_of_bad_tiles_does_not_fill_the_queue() -> None:
    rng = np.random.default_rng(3)
    score = np.r_[np.full(50, 0.9), np.full(150, 0.5)]
    groups = ["bad"] * 50 + [f"slide {at // 50}" for at in range(150)]
    chosen = pick(score, standardised(rng.normal(size=(200, 8))), groups, 20)
    counts = Counter(groups[at] for at in chosen)
    assert counts["bad"] == 8
    assert len(counts) == 4


def test_a_slide_gives_more_where_the_others_have_none_left() -> None:
    chosen = pick(np.ones(12), np.eye(12), ["a"] * 10 + ["b", "c"], 9)
    assert len(chosen) == 9


def test_alike_regions_wait_for_others() -> None:
    features = np.array([[1.0, 0], [0.999, 0.04], [0, 1.0]])
    assert pick(np.array([1.0, 0.9, 0.6]), features, ["a"] * 3, 3) == [0, 2, 1]


def test_features_without_spread_say_nothing() -> None:
    assert standardised(np.ones((4, 3))).tolist() == np.zeros((4, 3)).tolist()
    assert sorted(pick(np.array([0.1, 0.3, 0.2]), np.zeros((3, 3)), ["a"] * 3, 3)) == [0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_ranks_keep_order_and_ignore_scale(values: list[float]) -> None:
    array = np.array(values)
    ranks = percentiles(array)
    assert ranks.min() >= 0
    assert ranks.max() <= 1
    first, second = np.meshgrid(np.arange(len(array)), np.arange(len(array)))
    assert np.array_equal(array[first] < array[second], ranks[first] < ranks[second])


def test_no_part_drowns_the_others() -> None:
    huge = np.array([0.0, 1e6, 2e6])
    small = np.array([2e-6, 1e-6, 0.0])
    assert mean_rank(np.stack([huge, small], 1)).tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_rare_classes_count_more() -> None:
    amounts = np.array([[100.0, 0], [100, 0], [100, 0], [80, 20]])
    assert rareness(amounts).sum(1).argmax() == 3


def test_a_lone_rare_cell_does_not_outdo_ten() -> None:
    amounts = np.array([[100.0, 0], [100, 0], [100, 0], [90, 10], [0, 1]])
    added = rareness(amounts).sum(1)
    assert added[3] > added[4]


def test_nothing_predicted_is_not_rare() -> None:
    assert not rareness(np.zeros((3, 2))).any()
    assert rareness(np.zeros((0, 2))).shape == (0, 2)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 2**31))
def test_rarity_does_not_hang_on_the_order_of_classes(regions: int, classes: int, seed: int) -> None:
    amounts = np.random.default_rng(seed).exponential(5, (regions, classes))
    assert np.allclose(rareness(amounts[:, ::-1])[:, ::-1], rareness(amounts))
    assert (rareness(amounts) >= 0).all()
