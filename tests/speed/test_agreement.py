"""Whether two ways of computing find the same objects."""

from shapely.affinity import translate
from shapely.geometry import box

from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.speed.agreement import Agreement, match


def nuclei(count: int, shift: float = 0.0) -> list[PredictedObject]:
    """Squares of 10 px, 30 px apart."""
    squares = (translate(box(0, 0, 10, 10), 30 * at + shift) for at in range(count))
    return [PredictedObject("nuclei", "Nucleus", square, 0.9) for square in squares]


def test_the_same_objects_agree_wholly_and_in_any_order() -> None:
    assert match(nuclei(5), nuclei(5)[::-1]) == Agreement(5, 5, 5)
    assert match(nuclei(5), nuclei(5)).share == 1.0


def test_an_object_counts_as_the_same_from_half_of_the_union_on() -> None:
    assert match(nuclei(4, shift=3), nuclei(4)).matched == 4
    assert match(nuclei(4, shift=4), nuclei(4)).matched == 0


def test_what_only_one_of_them_finds_counts_against_both() -> None:
    assert match(nuclei(4), nuclei(5)).share == 0.8
    assert match(nuclei(5), nuclei(4)).share == 0.8


def test_nothing_found_is_no_error() -> None:
    assert match([], []).share == 0.0
    assert match([], nuclei(2)) == Agreement(0, 2, 0)
