"""Which images are shown, which part of them, and what is drawn."""

import numpy as np

from cerberus_annotate.learn.evaluation.examples import FOUND_COLOUR, TRUE_COLOUR, chosen, most_wrong, outlined
from cerberus_annotate.learn.evaluation.scores import ImageScore, TaskScores


def scores(*values: float) -> TaskScores:
    return TaskScores(tuple(ImageScore(f"{each}", {"pq": each}) for each in values), {}, ranked_by="pq")


def test_worst_and_best_are_different_images() -> None:
    worst, best = chosen(scores(0.5, 0.1, 0.9, 0.2, 0.3, 0.8, 0.7, 0.4))
    assert [each.name for each in worst] == ["0.1", "0.2", "0.3"]
    assert [each.name for each in best] == ["0.9", "0.8", "0.7"]
    worst, best = chosen(scores(0.5, 0.1, 0.9))
    assert [each.name for each in (*worst, *best)] == ["0.1", "0.5", "0.9"]
    assert [len(each) for each in chosen(scores(0.5))] == [1, 0]


def test_the_part_with_most_wrong_pixels_is_shown() -> None:
    truth, found = np.zeros((300, 400), int), np.zeros((300, 400), int)
    truth[10:60, 10:60] = found[10:60, 10:60] = 1
    truth[220:240, 310:330] = 2
    rows, columns = most_wrong(truth, found, 100)
    assert rows.start <= 220 < 240 <= rows.stop
    assert columns.start <= 310 < 330 <= columns.stop
    assert most_wrong(truth, found, 1000) == (slice(0, 300), slice(0, 400))


def drawn_colours(truth: np.ndarray, found: np.ndarray) -> set[tuple[int, ...]]:
    drawn = outlined(np.full((60, 60, 3), 200, np.uint8), truth, found)
    return set(map(tuple, np.unique(drawn.reshape(-1, 3), axis=0).tolist()))


def test_outlines_that_coincide_are_both_seen() -> None:
    labels = np.zeros((60, 60), int)
    labels[20:40, 20:40] = 3
    nothing = np.zeros_like(labels)
    assert {TRUE_COLOUR, FOUND_COLOUR} <= drawn_colours(labels, labels)
    assert FOUND_COLOUR not in drawn_colours(labels, nothing)
    assert TRUE_COLOUR not in drawn_colours(nothing, labels)


def test_a_map_that_is_all_foreground_has_an_outline() -> None:
    everything = np.ones((60, 60), int)
    assert FOUND_COLOUR in drawn_colours(np.zeros_like(everything), everything)
