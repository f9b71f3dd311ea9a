"""The metrics against cases worked by hand."""

import numpy as np
import pytest

from cerberus_annotate.learn import metrics


def maps(truth: list[list[int]], found: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(truth), np.array(found)


TWO_ROWS = maps([[1, 1, 1, 1, 0, 7, 7, 0]], [[5, 5, 5, 0, 0, 0, 9, 9]])


def test_dice_counts_foreground_pixels() -> None:
    assert metrics.dice(*TWO_ROWS) == pytest.approx(2 * 4 / (6 + 5))


def test_aji_pairs_each_true_object_with_its_best() -> None:
    assert metrics.aggregated_jaccard(metrics.overlap(*TWO_ROWS)) == pytest.approx((3 + 1) / (4 + 3))


def test_pq_matches_above_half() -> None:
    assert metrics.panoptic_quality(metrics.overlap(*TWO_ROWS)) == pytest.approx((0.375, 0.5, 0.75))


def test_gland_hit_needs_half_of_the_true_object() -> None:
    assert metrics.gland_hits(metrics.overlap(*TWO_ROWS)) == (2, 0, 0)
    truth, found = maps([[1, 1, 1, 1, 1]], [[2, 2, 0, 3, 3]])
    assert metrics.gland_hits(metrics.overlap(truth, found)) == (0, 2, 1)


def test_object_dice_weighs_by_area_both_ways() -> None:
    sums = np.array([metrics.object_dice_sums(metrics.overlap(*TWO_ROWS))])
    first = (4 * 6 / 7 + 2 * 2 / 4) / 6
    second = (3 * 6 / 7 + 2 * 2 / 4) / 5
    assert metrics.object_dice(sums) == pytest.approx((first + second) / 2)


def test_a_perfect_result_is_one_whatever_its_ids() -> None:
    truth = np.zeros((20, 20), int)
    truth[2:8, 2:8], truth[10:15, 3:9] = 4, 2
    pairs = metrics.overlap(truth, (truth * 3) % 11)
    assert metrics.aggregated_jaccard(pairs) == metrics.panoptic_quality(pairs)[0] == 1
    assert metrics.object_f1(*metrics.gland_hits(pairs)) == 1


@pytest.mark.parametrize(("truth", "found", "score"), [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0)])
def test_empty_maps_are_defined(truth: int, found: int, score: float) -> None:
    pair = np.full((3, 3), truth), np.full((3, 3), found)
    pairs = metrics.overlap(*pair)
    assert metrics.dice(*pair) == score
    assert metrics.aggregated_jaccard(pairs) == score
    assert metrics.panoptic_quality(pairs)[0] == score
    assert metrics.object_f1(*metrics.gland_hits(pairs)) == score
    assert metrics.object_dice(np.array([metrics.object_dice_sums(pairs)])) == score
