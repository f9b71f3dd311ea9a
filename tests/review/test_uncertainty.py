"""Entropy, disagreement and their mean over objects."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cerberus_annotate.review.uncertainty import disagreement, entropy, of_types, over_objects


@st.composite
def probabilities(draw: st.DrawFn) -> Tensor:
    """(views, N, classes, h, w)"""
    views, classes = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    sharpness = draw(st.sampled_from([0.1, 1.0, 30.0]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return (sharpness * torch.randn(views, 2, classes, 3, 4, generator=generator)).softmax(2)


@settings(max_examples=40, deadline=None)
@given(probabilities())
def test_both_lie_between_0_and_1(probability: Tensor) -> None:
    for values in (entropy(probability, 2), disagreement(probability, 2)):
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-5


@settings(max_examples=40, deadline=None)
@given(probabilities())
def test_the_order_of_views_and_of_classes_does_not_matter(probability: Tensor) -> None:
    turned = probability.flip(0).flip(2)
    torch.testing.assert_close(disagreement(turned, 2), disagreement(probability, 2), atol=1e-5, rtol=1e-4)


def test_certainty_has_no_entropy_and_a_uniform_guess_has_all() -> None:
    torch.testing.assert_close(entropy(torch.tensor([[1.0, 0, 0], [1 / 3, 1 / 3, 1 / 3]]), 1), torch.tensor([0.0, 1.0]))


def test_what_all_views_leave_open_is_no_disagreement() -> None:
    same = torch.full((4, 3), 1 / 3)
    assert disagreement(same, 1) == pytest.approx(0, abs=1e-6)
    contrary = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert disagreement(contrary, 1) == pytest.approx(1)


def test_sure_background_does_not_dilute() -> None:
    values, inside = torch.zeros(1, 40, 40), torch.ones(40, 40)
    objects = torch.zeros(1, 40, 40)
    values[:, :10], objects[:, :10] = 0.8, 1
    objects[:, 10:] = 0.001
    assert 0.7 < over_objects(values, objects, inside).item() < 0.8


def test_next_to_no_objects_is_nothing_to_be_unsure_of() -> None:
    inside, objects = torch.ones(40, 40), torch.zeros(1, 40, 40)
    objects[0, 0, :5] = 1
    assert over_objects(torch.ones(1, 40, 40), objects, inside) == 0


def test_pixels_beyond_the_region_do_not_count() -> None:
    inside = torch.zeros(40, 40)
    inside[:20] = 1
    values, objects = torch.zeros(1, 40, 40), torch.ones(1, 40, 40)
    values[:, 20:] = 1
    assert over_objects(values, objects, inside) == 0


def test_types_are_those_of_an_object_if_there_is_one() -> None:
    given_object = of_types(torch.tensor([[0.9, 0.075, 0.025]]), 1)
    torch.testing.assert_close(given_object, torch.tensor([[0.75, 0.25]]))
