"""The metrics against cases worked by hand."""

import numpy as np
import pytest

from cerberus_annotate.learn.evaluation import metrics

TRUTH = np.array([[1, 1, 1, 1, 0, 7, 7, 0]])
FOUND = np.array([[5, 5, 5, 0, 0, 0, 9, 9]])
PAIRS = metrics.overlap(TRUTH, FOUND)
COUNTS = metrics.pixel_counts(TRUTH, FOUND)


def row(*ids: int) -> np.ndarray:
    return np.array([ids])


def pairs_of(truth: np.ndarray, found: np.ndarray) -> metrics.Overlap:
    return metrics.overlap(truth, found)


class TestPixels:
    def test_counts_of_foreground(self) -> None:
        assert (COUNTS.hits, COUNTS.false_alarms, COUNTS.misses) == (4, 1, 2)
        assert metrics.dice(COUNTS) == pytest.approx(8 / 11)
        assert metrics.jaccard(COUNTS) == pytest.approx(4 / 7)
        assert metrics.precision(COUNTS) == pytest.approx(4 / 5)
        assert metrics.recall(COUNTS) == pytest.approx(4 / 6)

    def test_pixels_that_no_one_labelled_do_not_count(self) -> None:
        counts = metrics.pixel_counts(TRUTH, FOUND, counted=np.arange(8)[None] < 4)
        assert (counts.hits, counts.false_alarms, counts.misses) == (3, 0, 1)

    @pytest.mark.parametrize("measure", [metrics.dice, metrics.jaccard, metrics.precision, metrics.recall])
    def test_empty_masks(self, measure: object) -> None:
        nothing, all_of_it = np.zeros((3, 3)), np.ones((3, 3))
        assert measure(metrics.pixel_counts(nothing, nothing)) == 1
        assert measure(metrics.pixel_counts(nothing, all_of_it)) == 0
        assert measure(metrics.pixel_counts(all_of_it, nothing)) == 0

    def test_boundary_within_a_tolerance(self) -> None:
        truth, found = np.zeros((20, 20), int), np.zeros((20, 20), int)
        truth[5:15, 5:15], found[5:15, 7:17] = 1, 1
        # of 36 px: 9 of the upper and of the lower row each, and the two of the inner side next to those rows
        assert metrics.boundary_f1(truth, found, 1) == pytest.approx((9 + 9 + 2) / 36)
        assert metrics.boundary_f1(truth, found, 2) == 1
        assert metrics.boundary_f1(truth, np.zeros_like(truth), 2) == 0
        assert metrics.boundary_f1(np.zeros_like(truth), np.zeros_like(truth), 2) == 1

    def test_the_line_between_touching_objects_is_a_boundary(self) -> None:
        one, two = np.ones((9, 10), int), np.ones((9, 10), int)
        two[:, 5:] = 2
        assert metrics.boundary_f1(one, one, 1) == 1
        assert metrics.boundary_f1(two, one, 1) == 0


class TestInstances:
    def test_aji_pairs_each_true_object_with_its_best(self) -> None:
        assert metrics.aggregated_jaccard(PAIRS) == pytest.approx((3 + 1) / (4 + 3))

    def test_aji_lets_one_found_object_serve_twice_and_aji_plus_does_not(self) -> None:
        pairs = pairs_of(row(1, 1, 1, 2, 2, 0), row(3, 3, 3, 3, 3, 3))
        assert metrics.aggregated_jaccard(pairs) == pytest.approx((3 + 2) / (6 + 6))
        assert metrics.aggregated_jaccard_plus(pairs) == pytest.approx(3 / (6 + 2))

    def test_pq_matches_above_half(self) -> None:
        assert metrics.panoptic_quality(PAIRS) == pytest.approx((0.375, 0.5, 0.75))
        half = pairs_of(row(1, 1), row(1, 0))
        assert metrics.panoptic_quality(half) == (0, 0, 0)

    def test_classes_pooled_and_per_image(self) -> None:
        first = metrics.class_panoptic_sums(PAIRS, np.array([1, 2]), np.array([1, 2]), 3)
        assert first.tolist() == [[1, 0, 0, 0.75], [0, 1, 1, 0], [0, 0, 0, 0]]
        second = metrics.class_panoptic_sums(pairs_of(row(1, 1), row(1, 1)), np.array([1]), np.array([1]), 3)
        assert metrics.mean_panoptic_quality(first) == pytest.approx((0.75 + 0) / 2)
        assert metrics.mean_panoptic_quality(second) == 1
        assert metrics.mean_panoptic_quality(first + second) == pytest.approx((1.75 / 2 + 0) / 2)
        assert np.isnan(metrics.class_panoptic_quality(first)[2])

    def test_a_nucleus_without_a_type_counts_for_no_class(self) -> None:
        sums = metrics.class_panoptic_sums(PAIRS, np.array([0, 1]), np.array([1, 1]), 1)
        assert sums.tolist() == [[0, 1, 1, 0]]
        assert np.isnan(metrics.mean_panoptic_quality(np.zeros((2, 4))))


class TestTypes:
    truth = row(1, 1, 0, 2, 2, 0, 3, 3, 0, 4, 4, 0, 0, 0)
    found = row(1, 1, 0, 2, 2, 0, 3, 3, 0, 0, 0, 0, 5, 5)

    def counts(self) -> metrics.TypeCounts:
        return metrics.type_counts(pairs_of(self.truth, self.found), np.array([1, 1, 2, 2]), np.array([1, 2, 2, 3]), 4)

    def test_confusion_of_matched_nuclei_and_the_rest(self) -> None:
        counts = self.counts()
        assert counts.confusion[:, 1:].tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
        assert counts.missed.tolist() == [0, 1, 0, 0]
        assert counts.spurious.tolist() == [0, 0, 1, 0]

    def test_matched_only_and_as_detections(self) -> None:
        counts = self.counts()
        assert metrics.type_precision(counts)[:2] == pytest.approx([1, 1 / 2])
        assert metrics.type_recall(counts)[:2] == pytest.approx([1 / 2, 1])
        assert metrics.type_f1(counts)[:2] == pytest.approx([2 / 3, 2 / 3])
        assert metrics.type_macro_f1(counts) == pytest.approx(2 / 3)
        # class 1: 2 / (2 + 2*1); class 2: 2 / (2 + 2*1 + 1)
        assert metrics.type_f_detection(counts) == pytest.approx((2 / 4 + 2 / 5) / 2)
        assert np.isnan(metrics.type_f1(counts)[2:]).all()

    def test_a_class_whose_nuclei_are_all_missed_scores_nothing_but_counts(self) -> None:
        counts = metrics.type_counts(pairs_of(row(1, 0, 2), row(1, 0, 0)), np.array([1, 2]), np.array([1]), 2)
        assert metrics.type_f1(counts).tolist() == [1, 0]
        assert metrics.type_macro_f1(counts) == 0.5

    def test_untyped_true_nuclei_are_left_out_and_untyped_found_ones_are_errors(self) -> None:
        counts = metrics.type_counts(pairs_of(row(1, 0, 2), row(1, 0, 2)), np.array([0, 1]), np.array([1, 0]), 1)
        assert counts.confusion.tolist() == [[1, 0]]
        assert metrics.type_macro_f1(counts) == 0


class TestGlands:
    def test_a_hit_needs_half_of_the_true_object(self) -> None:
        assert metrics.object_hits(PAIRS) == (2, 0, 0)
        assert metrics.object_hits(pairs_of(row(1, 1, 1, 1, 1), row(2, 2, 0, 3, 3))) == (0, 2, 1)
        assert metrics.object_hits(pairs_of(row(1, 1, 1, 1), row(2, 2, 3, 3))) == (1, 1, 0)

    def test_f1_is_pooled_over_images(self) -> None:
        hits = np.array([[2, 0, 0], [0, 2, 1]])
        assert metrics.object_f1(hits).tolist() == [1, 0]
        assert metrics.object_f1(hits.sum(0)) == pytest.approx(4 / 7)

    def test_object_dice_weighs_by_area_both_ways(self) -> None:
        first = (4 * 6 / 7 + 2 * 2 / 4) / 6
        second = (3 * 6 / 7 + 2 * 2 / 4) / 5
        assert metrics.object_dice(metrics.object_dice_sums(PAIRS)) == pytest.approx((first + second) / 2)

    def test_object_hausdorff_weighs_by_area_both_ways(self) -> None:
        sums = metrics.object_hausdorff_sums(TRUTH, FOUND, PAIRS)
        assert sums.tolist() == pytest.approx([4 * 1 + 2 * 1, 6, 3 * 1 + 2 * 1, 5])
        assert metrics.object_hausdorff(sums) == 1

    def test_an_object_that_meets_none_is_compared_with_the_nearest_by_hausdorff_distance(self) -> None:
        truth = row(1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        found = row(0, 0, 2, 2, 2, 2, 2, 0, 0, 0) + row(0, 0, 0, 0, 0, 0, 0, 0, 3, 0)
        found[0, 7] = 0
        pairs = pairs_of(truth, found)
        # object 2 begins nearer but ends 6 px away, object 3 is 8 px away
        assert metrics.object_hausdorff_sums(truth, found, pairs)[:2].tolist() == [6, 1]

    def test_the_middle_of_a_hole_may_be_the_farthest_pixel(self) -> None:
        ring = np.ones((21, 21), int)
        ring[3:18, 3:18] = 0
        disc = np.zeros((21, 21), int)
        disc[3:18, 3:18] = 1
        assert metrics.hausdorff_distances(disc, ring, pairs_of(disc, ring)) == pytest.approx(8)

    def test_where_one_map_is_empty_the_distance_is_the_diagonal(self) -> None:
        truth, nothing = np.zeros((30, 40), int), np.zeros((30, 40), int)
        truth[2:5, 2:6] = 4
        for maps in ((truth, nothing), (nothing, truth)):
            sums = metrics.object_hausdorff_sums(*maps, pairs_of(*maps))
            assert metrics.object_hausdorff(sums) == 0.5 * 50
        assert (
            metrics.object_hausdorff(metrics.object_hausdorff_sums(nothing, nothing, pairs_of(nothing, nothing))) == 0
        )


class TestClassification:
    def test_confusion_and_what_comes_from_it(self) -> None:
        counts = metrics.confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)
        assert counts.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
        assert metrics.accuracy(counts) == 0.75
        assert metrics.class_precision(counts)[:2].tolist() == [1, 0.5]
        assert metrics.class_recall(counts)[:2].tolist() == pytest.approx([2 / 3, 1])
        assert metrics.macro_f1(counts) == pytest.approx((4 / 5 + 2 / 3) / 2)

    def test_absent_classes_are_left_out_and_no_images_are_not_defined(self) -> None:
        counts = metrics.confusion(np.array([0]), np.array([1]), 2)
        assert metrics.macro_f1(counts) == 0
        assert np.isnan(metrics.class_f1(counts)[1])
        assert np.isnan(metrics.accuracy(np.zeros((2, 2))))
        assert np.isnan(metrics.macro_f1(np.zeros((2, 2))))

    def test_calibration_error_is_the_gap_weighed_by_bin(self) -> None:
        confidence, right = np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, True, True, False])
        sums = metrics.calibration_sums(confidence, right, bins=10)
        assert metrics.calibration_error(sums) == pytest.approx((2 * 0.1 + 2 * 0.1) / 4)
        assert np.isnan(metrics.calibration_error(np.zeros((10, 3))))
        assert metrics.calibration_sums(np.array([0.0, 1.0]), np.array([0, 1]), 4)[:, 0].tolist() == [1, 0, 0, 1]


class TestEmptyMaps:
    @pytest.mark.parametrize(("truth", "found", "score"), [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0)])
    def test_instance_measures(self, truth: int, found: int, score: float) -> None:
        pairs = pairs_of(np.full((3, 3), truth), np.full((3, 3), found))
        assert metrics.aggregated_jaccard(pairs) == score
        assert metrics.aggregated_jaccard_plus(pairs) == score
        assert metrics.panoptic_quality(pairs)[0] == score
        assert metrics.object_f1(np.array(metrics.object_hits(pairs))) == score
        assert metrics.object_dice(metrics.object_dice_sums(pairs)) == score

    def test_maps_of_two_shapes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="shapes"):
            metrics.overlap(np.zeros((2, 3), int), np.zeros((3, 2), int))


def f1_of(hits: np.ndarray, seed: int = metrics.SEED) -> metrics.Estimate:
    return metrics.bootstrap(hits, {"f1": metrics.object_f1}, seed)["f1"]


class TestBootstrap:
    def test_the_interval_of_a_mean_is_that_of_its_standard_error(self) -> None:
        values = np.random.default_rng(1).normal(0.6, 0.1, 400)
        estimate = metrics.mean_estimates({"score": values})["score"]
        half = 1.96 * values.std() / np.sqrt(400)
        assert estimate.value == pytest.approx(values.mean())
        assert (estimate.low, estimate.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.002)

    def test_pooled_measures_are_pooled_again(self) -> None:
        estimate = f1_of(np.array([[1, 0, 0], [0, 0, 9]]))
        assert (estimate.value, estimate.low, estimate.high) == (pytest.approx(2 / 11), 0, 1)

    def test_the_same_every_time(self) -> None:
        hits = np.random.default_rng(0).integers(0, 9, (12, 3))
        assert f1_of(hits) == f1_of(hits)
        assert f1_of(hits, seed=6) != f1_of(hits)

    def test_many_images_are_drawn_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hits = np.random.default_rng(0).integers(0, 9, (12, 3))
        at_once = f1_of(hits)
        monkeypatch.setattr("cerberus_annotate.learn.evaluation.metrics.resampling.AT_A_TIME", 12 * 7)
        assert f1_of(hits) == at_once

    def test_what_is_not_defined_has_no_estimate(self) -> None:
        assert metrics.bootstrap(np.zeros((0, 3)), {"f1": metrics.object_f1}) == {}
        assert metrics.mean_estimates({"score": np.array([np.nan])}) == {}
        partly = metrics.mean_estimates({"score": np.array([np.nan, 0.5])})["score"]
        assert (partly.value, partly.low, partly.high) == (0.5, 0.5, 0.5)
