"""The metrics against slow and plain implementations of their definitions, and what must hold of any maps."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion
from skimage.metrics import hausdorff_distance

from cerberus_annotate.learn.evaluation import metrics

maps = arrays(np.int32, (9, 11), elements=st.sampled_from([0, 0, 1, 2, 3, 5, 70000]))
cheap = settings(max_examples=60, deadline=None)


def objects(labels: np.ndarray) -> list[np.ndarray]:
    return [labels == each for each in np.unique(labels) if each]


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def best(one: np.ndarray, others: list[np.ndarray]) -> int:
    return int(np.argmax([(one & other).sum() for other in others]))


def plain_aji(truth: np.ndarray, found: np.ndarray) -> float:
    left = objects(found)
    used: set[int] = set()
    shared = union = 0
    for one in objects(truth):
        scores = [iou(one, other) for other in left]
        if not scores or max(scores) == 0:
            union += one.sum()
            continue
        partner = int(np.argmax(scores))
        used.add(partner)
        shared += (one & left[partner]).sum()
        union += (one | left[partner]).sum()
    return shared / (union + sum(each.sum() for index, each in enumerate(left) if index not in used))


def plain_aji_plus(truth: np.ndarray, found: np.ndarray) -> float:
    """Every one-to-one assignment tried."""
    ones, others = objects(truth), objects(found)
    short, long = sorted((ones, others), key=len)
    tried = []
    for chosen in itertools.permutations(range(len(long)), len(short)):
        pairs = [(one, long[index]) for one, index in zip(short, chosen, strict=True) if (one & long[index]).any()]
        shared = sum((one & other).sum() for one, other in pairs)
        everything = sum(each.sum() for each in (*ones, *others))
        tried.append((sum(iou(one, other) for one, other in pairs), shared / (everything - shared)))
    top = max(score for score, _ in tried)
    return [value for score, value in tried if score > top - 1e-12]


def plain_pq(truth: np.ndarray, found: np.ndarray) -> float:
    ones, others = objects(truth), objects(found)
    scores = [iou(one, other) for one in ones for other in others]
    hits = [score for score in scores if score > 0.5]
    return sum(hits) / (0.5 * len(ones) + 0.5 * len(others))


def plain_object_dice(truth: np.ndarray, found: np.ndarray) -> float:
    ways = []
    for ones, others in ((objects(truth), objects(found)), (objects(found), objects(truth))):
        area = sum(one.sum() for one in ones)
        total = 0.0
        for one in ones:
            other = others[best(one, others)]
            total += one.sum() / area * 2 * (one & other).sum() / (one.sum() + other.sum())
        ways.append(total)
    return sum(ways) / 2


def plain_object_hausdorff(truth: np.ndarray, found: np.ndarray) -> float:
    ways = []
    for ones, others in ((objects(truth), objects(found)), (objects(found), objects(truth))):
        area = sum(one.sum() for one in ones)
        total = 0.0
        for one in ones:
            distances = [hausdorff_distance(one, other) for other in others]
            meets = any((one & other).any() for other in others)
            total += one.sum() / area * (distances[best(one, others)] if meets else min(distances))
        ways.append(total)
    return sum(ways) / 2


def plain_boundary_f1(truth: np.ndarray, found: np.ndarray, tolerance: float) -> float:
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    points = []
    for labels in (truth, found):
        edges = [one & ~binary_erosion(one, cross, border_value=1) for one in objects(labels)]
        points.append(np.argwhere(np.any(edges, axis=0)) if edges else np.zeros((0, 2)))
    if len(points[0]) == 0 or len(points[1]) == 0:
        return float(len(points[0]) == len(points[1]))
    near = np.linalg.norm(points[0][:, None] - points[1][None], axis=2) <= tolerance
    recall, precision = near.any(1).mean(), near.any(0).mean()
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


@cheap
@given(maps, maps)
def test_against_plain_implementations(truth: np.ndarray, found: np.ndarray) -> None:
    pairs = metrics.overlap(truth, found)
    assert metrics.boundary_f1(truth, found, 1.5) == pytest.approx(plain_boundary_f1(truth, found, 1.5))
    if not truth.any() or not found.any():
        return
    assert metrics.aggregated_jaccard(pairs) == pytest.approx(plain_aji(truth, found))
    assert any(metrics.aggregated_jaccard_plus(pairs) == pytest.approx(each) for each in plain_aji_plus(truth, found))
    assert metrics.panoptic_quality(pairs)[0] == pytest.approx(plain_pq(truth, found))
    assert metrics.object_dice(metrics.object_dice_sums(pairs)) == pytest.approx(plain_object_dice(truth, found))
    sums = metrics.object_hausdorff_sums(truth, found, pairs)
    assert metrics.object_hausdorff(sums) == pytest.approx(plain_object_hausdorff(truth, found), rel=1e-5)


def of_maps(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    pairs = metrics.overlap(truth, found)
    counts = metrics.pixel_counts(truth, found)
    quality, detection, segmentation = metrics.panoptic_quality(pairs)
    return {
        "dice": metrics.dice(counts),
        "jaccard": metrics.jaccard(counts),
        "boundary_f1": metrics.boundary_f1(truth, found, 1),
        "pq": quality,
        "dq": detection,
        "sq": segmentation,
        "aji_plus": metrics.aggregated_jaccard_plus(pairs),
        "object_dice": float(metrics.object_dice(metrics.object_dice_sums(pairs))),
        "object_hausdorff": float(metrics.object_hausdorff(metrics.object_hausdorff_sums(truth, found, pairs))),
        "aji": metrics.aggregated_jaccard(pairs),
        "object_f1": float(metrics.object_f1(np.array(metrics.object_hits(pairs)))),
    }


@cheap
@given(maps)
def test_a_perfect_result_is_perfect(truth: np.ndarray) -> None:
    scores = of_maps(truth, truth.copy())
    assert scores.pop("object_hausdorff") == 0
    assert set(scores.values()) == {1.0}


@cheap
@given(maps, maps, st.permutations([11, 12, 13, 14]))
def test_the_numbers_of_objects_mean_nothing(truth: np.ndarray, found: np.ndarray, new: list[int]) -> None:
    # ties between equally good partners are broken by number, so only what has none is compared
    table = dict(zip((1, 2, 3, 5, 70000), (*new, 99), strict=True))
    renamed = np.vectorize(lambda each: table.get(each, 0))(found).astype(np.int32)
    first, second = of_maps(truth, found), of_maps(truth, renamed)
    for name in ("dice", "jaccard", "boundary_f1", "pq", "dq", "sq"):
        assert first[name] == pytest.approx(second[name])


@cheap
@given(maps, maps)
def test_what_is_symmetric_is_and_all_is_in_range(truth: np.ndarray, found: np.ndarray) -> None:
    there, back = of_maps(truth, found), of_maps(found, truth)
    for name in ("dice", "jaccard", "boundary_f1", "pq", "dq", "sq", "object_dice", "object_hausdorff"):
        assert there[name] == pytest.approx(back[name])
    assert there.pop("object_hausdorff") <= np.hypot(*truth.shape)
    assert all(0 <= score <= 1 for score in there.values())


@cheap
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_macro_f1_is_the_mean_of_one_against_the_rest(images: list[tuple[int, int]]) -> None:
    true, found = (np.array(each) for each in zip(*images, strict=True))
    scores = []
    for each in np.unique(true):
        counts = metrics.pixel_counts(true == each, found == each)
        scores.append(metrics.dice(counts))
    counts = metrics.confusion(true, found, 4)
    assert metrics.macro_f1(counts) == pytest.approx(np.mean(scores))
    assert metrics.accuracy(counts) == pytest.approx(np.mean(true == found))


@cheap
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_calibration_error_by_bins_drawn_by_hand(predictions: list[tuple[float, bool]]) -> None:
    confidence, right = (np.array(each) for each in zip(*predictions, strict=True))
    edges = np.linspace(0, 1, 16)
    gap = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high) if low else (confidence <= high)
        if inside.any():
            gap += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    found = metrics.calibration_error(metrics.calibration_sums(confidence, right))
    assert found == pytest.approx(gap) or np.any(np.isclose(confidence[:, None], edges[None]))


def test_a_resample_is_the_measure_of_the_images_that_it_drew() -> None:
    images = np.random.default_rng(2).integers(0, 9, (3, 3)).astype(float)
    every = {float(metrics.object_f1(images[list(chosen)].sum(0))) for chosen in itertools.product(range(3), repeat=3)}
    estimate = metrics.bootstrap(images, {"f1": metrics.object_f1})["f1"]
    assert min(every) <= estimate.low <= estimate.value <= estimate.high <= max(every)
