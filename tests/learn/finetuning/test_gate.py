"""The gate: which differences make a model the default, and which forbid it."""

from collections.abc import Mapping

import numpy as np
import pytest

from cerberus_annotate.learn.evaluation.metrics import bootstrap, class_f1, class_of, macro_f1, mean_estimates
from cerberus_annotate.learn.evaluation.scores import ImageScore, Scores, TaskScores
from cerberus_annotate.learn.finetuning.gate import Verdict, judge


def scores(task: str = "nuclei", measure: str = "pq", values: list[float] | None = None) -> Scores:
    values = values or []
    images = tuple(ImageScore(str(index), {measure: value}) for index, value in enumerate(values))
    return Scores({task: TaskScores(images, mean_estimates({measure: np.array(values)}))}, len(values))


def verdict(before: list[float], after: list[float], **more: tuple[list[float], list[float]]) -> Verdict:
    sets = {"held out": (before, after), **more}
    return judge(
        {name: scores(values=pair[0]) for name, pair in sets.items()},
        {name: scores(values=pair[1]) for name, pair in sets.items()},
    )


def test_a_sure_rise_is_better() -> None:
    found = verdict([0.4, 0.6, 0.2, 0.5], [0.45, 0.66, 0.24, 0.55])
    assert found.better
    assert "PQ on held out 0.425 → 0.475 (+0.050" in found.reason
    (row,) = found.rows
    # images differ far more from each other than the models do: only pairs can show it
    assert row.before.high > row.after.low
    assert 0.03 < row.difference.low < row.difference.value < row.difference.high < 0.07


def test_a_rise_that_chance_could_make_is_kept_but_not_the_default() -> None:
    found = verdict([0.4, 0.6, 0.2, 0.5], [0.5, 0.5, 0.3, 0.5])
    assert not found.better
    assert found.reason.startswith("No figure rises for sure")


@pytest.mark.parametrize(
    ("known", "better"),
    [
        (([0.5, 0.5, 0.5], [0.495, 0.495, 0.495]), True),  # half a point, however sure
        (([0.5, 0.5, 0.5], [0.48, 0.485, 0.48]), False),  # more than a point, for sure
        (([0.5, 0.5, 0.5], [0.4, 0.6, 0.46]), True),  # a point and more, but not for sure
        (([0.5, 0.5, 0.5], [0.3, 0.6, 0.45]), False),  # five points, whatever chance may do
    ],
)
def test_what_was_known_must_not_get_worse(known: tuple[list[float], list[float]], better: bool) -> None:
    found = verdict([0.4, 0.6, 0.2], [0.45, 0.66, 0.24], monuseg=known)
    assert found.better is better
    assert better or "monuseg" in found.reason


def test_two_images_show_nothing_but_a_large_fall() -> None:
    assert "fewer than 3 images (held out)" in verdict([0.4, 0.4], [0.6, 0.6]).reason
    assert verdict([0.4, 0.4], [0.3, 0.3]).reason.startswith("It is worse")


def test_without_images_there_is_no_verdict_for_the_better() -> None:
    found = judge({}, {})
    assert not found.better
    assert "nothing to measure it on" in found.reason


def test_a_new_type_is_no_fall_of_those_that_both_models_have() -> None:
    def typed(counts: Mapping[str, np.ndarray]) -> Scores:
        tables = np.stack([np.diag(row) for row in np.array(list(counts.values())).T])
        whole = bootstrap(tables, {"type_macro_f1": macro_f1})
        classes = {name: bootstrap(tables, {"f1": class_of(class_f1, index)}) for index, name in enumerate(counts)}
        images = tuple(ImageScore(str(index), {"pq": 0.5}) for index in range(len(tables)))
        pq = mean_estimates({"pq": np.full(len(tables), 0.5)})
        return Scores({"nuclei": TaskScores(images, {**pq, **whole}, classes)}, len(tables))

    four = np.array([5, 6, 7, 8])
    found = judge({"held out": typed({"a": four, "b": four})}, {"held out": typed({"a": four, "b": four, "new": four})})
    rows = {(row.class_name, row.measure): row for row in found.rows}
    assert rows[None, "type_macro_f1"].difference.value == 0
    assert (("new", "f1") in rows, ("a", "f1") in rows) == (False, True)


def test_one_image_with_types_among_many_shows_nothing_of_types() -> None:
    def typed(right: int, images_with_types: int) -> Scores:
        tables = np.array([[[right, 10 - right], [0, 10]]] * images_with_types)
        values = [{"pq": 0.5, "mpq": 0.4} if index < images_with_types else {"pq": 0.5} for index in range(5)]
        images = tuple(ImageScore(str(index), each) for index, each in enumerate(values))
        measures = {**mean_estimates({"pq": np.full(5, 0.5)}), **bootstrap(tables, {"type_macro_f1": macro_f1})}
        return Scores({"nuclei": TaskScores(images, measures)}, 5)

    alone = judge({"held out": typed(5, 1)}, {"held out": typed(9, 1)})
    assert not alone.better
    assert {row.measure: row.images for row in alone.rows} == {"pq": 5, "type_macro_f1": 1}
    assert judge({"held out": typed(5, 3)}, {"held out": typed(9, 3)}).better
