"""From labelled images and predictions to scores."""

import json
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from shapely.geometry import Polygon, box

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import UNLABELLED, LabelledImage
from cerberus_annotate.learn.evaluation.drawing import drawn
from cerberus_annotate.learn.evaluation.prediction import Prediction, predict_labelled, scorable_tasks, type_indices
from cerberus_annotate.learn.evaluation.scores import Scores
from cerberus_annotate.learn.evaluation.scoring import score, score_predictions
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import DecoderConfig, HeadConfig, PatchHeadConfig, lean_config
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.predicted import PredictedObject

HEAD = ("nolabel", "epithelial", "inflammatory", "connective")


def image(name: str = "one", **labels: object) -> LabelledImage:
    return LabelledImage(name, "made", "test", 0.5, np.full((40, 50, 3), 200, np.uint8), **labels)


def instances(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    labels = np.zeros((40, 50), np.int32)
    for index, (top, left, bottom, right) in enumerate(boxes, start=1):
        labels[top:bottom, left:right] = index
    return labels


def scored(pairs: list[tuple[LabelledImage, Prediction]]) -> Scores:
    predictions = iter([prediction for _, prediction in pairs])
    return score_predictions(lambda _: next(predictions), [label for label, _ in pairs])


def types(labels: np.ndarray, *names: str) -> np.ndarray:
    return np.array([0, *(NUCLEUS_LABELS.index(name) for name in names)], np.uint8)[labels]


class TestNuclei:
    two = instances((2, 2, 12, 12), (20, 20, 30, 30))
    one_of_them = instances((2, 2, 12, 12))

    def test_pq_aji_and_dice_are_means_over_images(self) -> None:
        scores = scored(
            [
                (image(nuclei=self.two), Prediction(nuclei=self.two)),
                (image(nuclei=self.two), Prediction(nuclei=self.one_of_them)),
            ]
        ).tasks["nuclei"]
        assert scores.measures["pq"].value == pytest.approx((1 + 2 / 3) / 2)
        assert scores.measures["aji"].value == pytest.approx((1 + 0.5) / 2)
        assert scores.measures["dice"].value == pytest.approx((1 + 2 / 3) / 2)
        assert "type_macro_f1" not in scores.measures

    def test_where_nobody_looked_neither_misses_nor_false_finds_count(self) -> None:
        ignore = np.zeros((40, 50), bool)
        ignore[:, 16:] = True
        false_find = instances((2, 2, 12, 12), (5, 40, 15, 49))
        for found in (self.one_of_them, false_find):
            labelled = image(nuclei=self.two, ignore=ignore)
            assert scored([(labelled, Prediction(nuclei=found))]).tasks["nuclei"].measures["pq"].value == 1

    def test_types_are_compared_in_the_classes_of_the_head(self) -> None:
        labelled = image(nuclei=self.two, nucleus_types=types(self.two, "lymphocyte", "epithelial"))
        scores = scored([(labelled, Prediction(self.two, np.array([0, 2, 3]), HEAD))]).tasks["nuclei"]
        assert scores.measures["type_macro_f1"].value == 0.5
        assert list(scores.per_class) == ["epithelial", "inflammatory"]
        assert scores.per_class["inflammatory"]["f1"].value == 1
        assert scores.confusion.true == ("epithelial", "inflammatory")
        assert scores.confusion.counts.tolist() == [[0, 0, 1], [0, 1, 0]]

    def test_a_type_that_the_head_does_not_have_is_no_error(self) -> None:
        labelled = image(nuclei=self.two, nucleus_types=types(self.two, "epithelial", "other"))
        scores = scored([(labelled, Prediction(self.two, np.array([0, 1, 2]), HEAD))]).tasks["nuclei"]
        assert scores.measures["type_macro_f1"].value == scores.measures["mpq_plus"].value == 1

    def test_found_nuclei_without_a_type_have_their_own_column(self) -> None:
        labelled = image(nuclei=self.two, nucleus_types=types(self.two, "epithelial", "epithelial"))
        scores = scored([(labelled, Prediction(self.two, np.array([0, 1, 0]), HEAD))]).tasks["nuclei"]
        assert scores.confusion.found[-1] == "no type"
        assert scores.confusion.counts.tolist() == [[1, 0, 0, 1]]

    def test_mpq_is_per_image_and_mpq_plus_is_pooled(self) -> None:
        typed = image(nuclei=self.two, nucleus_types=types(self.two, "epithelial", "epithelial"))
        pairs = [
            (typed, Prediction(self.two, np.array([0, 1, 1]), HEAD)),
            (
                image(nuclei=self.one_of_them, nucleus_types=types(self.one_of_them, "epithelial")),
                Prediction(np.zeros_like(self.two), np.array([0]), HEAD),
            ),
        ]
        measures = scored(pairs).tasks["nuclei"].measures
        assert measures["mpq"].value == 0.5
        assert measures["mpq_plus"].value == pytest.approx(2 / 2.5)

    def test_an_image_without_nuclei_counts(self) -> None:
        nothing = np.zeros((40, 50), np.int32)
        scores = scored([(image(nuclei=nothing), Prediction(nuclei=nothing))]).tasks["nuclei"]
        assert scores.measures["pq"].value == 1
        scores = scored([(image(nuclei=nothing), Prediction(nuclei=self.two))]).tasks["nuclei"]
        assert scores.measures["pq"].value == 0


class TestPoints:
    def points(self, *rows: tuple[float, float, str]) -> np.ndarray:
        return np.array([(x, y, NUCLEUS_LABELS.index(name)) for x, y, name in rows]).reshape(-1, 3)

    def test_a_point_and_the_nucleus_around_it_are_a_pair(self) -> None:
        found = instances((2, 2, 12, 12), (20, 20, 30, 30), (2, 30, 8, 36))
        given = self.points((7, 7, "epithelial"), (3, 3, "epithelial"), (25, 25, "lymphocyte"), (45, 35, "connective"))
        labelled = image(nucleus_points=given)
        scores = scored([(labelled, Prediction(found, np.array([0, 1, 1, 3]), HEAD))]).tasks["nuclei_points"]
        # pairs: the first (its centre is nearer) and the third point; two points missed, one nucleus spurious
        assert scores.measures["detection_f1"].value == pytest.approx(4 / 7)
        assert scores.confusion.counts.tolist() == [[1, 0, 0], [1, 0, 0]]
        assert scores.measures["type_macro_f1"].value == pytest.approx((2 / 3 + 0 + 0) / 3)

    def test_images_with_outlines_are_scored_by_them_alone(self) -> None:
        labels = instances((2, 2, 12, 12))
        labelled = image(nuclei=labels, nucleus_points=self.points((7, 7, "epithelial")))
        assert list(scored([(labelled, Prediction(labels, np.array([0, 1]), HEAD))]).tasks) == ["nuclei"]

    def test_no_points_and_nothing_found(self) -> None:
        empty = image(nucleus_points=np.zeros((0, 3)))
        scores = scored([(empty, Prediction(np.zeros((40, 50), np.int32), np.array([0]), HEAD))])
        assert scores.tasks["nuclei_points"].measures["detection_f1"].value == 1


class TestGlands:
    def test_objects_are_pooled_over_images(self) -> None:
        two, one = instances((2, 2, 12, 12), (20, 20, 30, 30)), instances((2, 2, 12, 12))
        nothing = np.zeros_like(two)
        scores = scored(
            [
                (image(glands=two), Prediction(glands=two)),
                (image(glands=one), Prediction(glands=nothing)),
            ]
        ).tasks["gland"]
        assert scores.measures["object_f1"].value == pytest.approx(4 / 5)
        assert scores.measures["object_dice"].value == pytest.approx((200 / 300 + 1) / 2)
        assert scores.measures["object_hausdorff"].value == pytest.approx((100 / 300 * np.hypot(40, 50) + 0) / 2)
        assert scores.measures["pq"].value == 0.5

    def test_lumina_are_scored_the_same_way(self) -> None:
        one = instances((2, 2, 12, 12))
        scores = scored([(image(lumina=one), Prediction(lumina=one))])
        assert scores.tasks["lumen"].measures["object_f1"].value == 1


class TestMasks:
    def mask(self, columns: int) -> np.ndarray:
        mask = np.zeros((40, 50), np.uint8)
        mask[:, :columns] = 1
        return mask

    def pair(self, patch_class: str | None, true: int, found: int) -> tuple[LabelledImage, Prediction]:
        names = ("background", "foreground")
        labelled = image(mask=self.mask(true), mask_classes=names, patch_class=patch_class)
        return labelled, Prediction(mask=self.mask(found), mask_classes=names)

    def test_dice_is_averaged_within_each_class_then_over_them(self) -> None:
        pairs = [self.pair("polyp", 20, 20), self.pair("polyp", 20, 0), self.pair("normal", 20, 20)]
        scores = scored(pairs).tasks["semantic"]
        assert scores.measures["dice"].value == pytest.approx((0.5 + 1) / 2)
        assert scores.per_class["polyp"]["dice"].value == 0.5
        assert scores.per_class["normal"]["recall"].value == 1

    def test_without_patch_classes_it_is_the_mean_of_images(self) -> None:
        scores = scored([self.pair(None, 20, 20), self.pair(None, 20, 0), self.pair(None, 20, 20)]).tasks["semantic"]
        assert scores.measures["dice"].value == pytest.approx(2 / 3)
        assert not scores.per_class

    def test_unlabelled_pixels_count_nowhere(self) -> None:
        labelled, prediction = self.pair(None, 20, 40)
        labelled.mask[:, 20:40] = UNLABELLED
        assert scored([(labelled, prediction)]).tasks["semantic"].measures["dice"].value == 1

    def test_several_foreground_classes_are_told_apart_by_name(self) -> None:
        names = ("background", "gland", "tumour")
        truth = self.mask(20)
        truth[:, 30:] = 2
        found = np.where(truth == 2, 1, np.where(truth == 1, 2, 0)).astype(np.uint8)
        labelled = image(mask=truth, mask_classes=names)
        prediction = Prediction(mask=found, mask_classes=("background", "tumour", "stroma"))
        scores = scored([(labelled, prediction)]).tasks["semantic"]
        assert scores.measures["dice"].value == 1
        assert {name: found["dice"].value for name, found in scores.per_class.items()} == {"tumour": 1}


class TestPatches:
    classes = ("polyp", "normal", "low-grade IN")

    def pair(self, true: str, *probabilities: float) -> tuple[LabelledImage, Prediction]:
        return image(patch_class=true), Prediction(patch=np.array(probabilities), patch_classes=self.classes)

    def test_accuracy_confusion_and_calibration(self) -> None:
        pairs = [
            self.pair("polyp", 0.8, 0.2, 0),
            self.pair("normal", 0.6, 0.4, 0),
            self.pair("low_grade_IN", 0, 0, 1),
        ]
        scores = scored(pairs).tasks["patch"]
        assert scores.measures["accuracy"].value == pytest.approx(2 / 3)
        assert scores.measures["macro_f1"].value == pytest.approx((2 / 3 + 0 + 1) / 3)
        assert scores.measures["ece"].value == pytest.approx((0.2 + 0.6 + 0) / 3)
        assert scores.confusion.counts.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
        assert scores.images[1].values["probability"] == 0.4

    def test_classes_that_the_head_does_not_have_are_left_out_with_a_note(self) -> None:
        scores = scored([self.pair("polyp", 1, 0, 0), self.pair("cyst", 1, 0, 0)]).tasks["patch"]
        assert scores.measures["accuracy"].value == 1
        assert "cyst" in scores.notes[0]
        with pytest.raises(UsageError, match="patch classes"):
            scored([self.pair("cyst", 1, 0, 0)])

    def test_the_benchmarks_abbreviations_are_tissue_classes(self) -> None:
        labelled = image(patch_class="NORM")
        prediction = Prediction(patch=np.array([0.1, 0.9]), patch_classes=("stroma", "normal_epi"))
        assert scored([(labelled, prediction)]).tasks["patch"].measures["accuracy"].value == 1


class TestNothingToScore:
    def test_is_said_in_a_sentence(self) -> None:
        with pytest.raises(UsageError, match="no images"):
            scored([])
        with pytest.raises(UsageError, match=r"no head for what is labelled here \(glands\)"):
            scored([(image(glands=instances((1, 1, 5, 5))), Prediction())])

    def test_json_holds_every_measure_with_its_interval_and_never_nan(self) -> None:
        labels = instances((2, 2, 12, 12))
        labelled = image(nuclei=labels, nucleus_types=types(labels, "epithelial"), patch_class="x")
        prediction = Prediction(labels, np.array([0, 1]), HEAD, patch=np.array([1.0]), patch_classes=("x",))
        content = scored([(labelled, prediction)]).as_json()
        assert content["nuclei"]["pq"] == {"value": 1, "ci": [1, 1]}
        assert content["nuclei"]["per_class"]["epithelial"]["f1"] == {"value": 1, "ci": [1, 1]}
        assert content["patch"]["accuracy"]["value"] == 1
        assert json.dumps(content, allow_nan=False)


class TestDrawing:
    def test_a_pixel_belongs_to_the_object_that_its_centre_lies_in(self) -> None:
        labels = drawn([PredictedObject("nuclei", "Nucleus", box(3, 2, 8, 7), 1)], (20, 20))
        expected = np.zeros((20, 20), int)
        expected[2:7, 3:8] = 1
        assert np.array_equal(labels, expected)

    def test_holes_show_what_was_there_before(self) -> None:
        ring = Polygon(box(0, 0, 20, 20).exterior.coords, [box(5, 5, 10, 10).exterior.coords])
        labels = drawn(
            [PredictedObject("gland", "Gland", box(2, 2, 12, 12), 1), PredictedObject("gland", "Gland", ring, 1)],
            (20, 20),
        )
        assert (labels[5:10, 5:10] == 1).all()
        assert np.count_nonzero(labels == 2) == 400 - 25

    def test_what_lies_outside_the_image_is_cut(self) -> None:
        labels = drawn([PredictedObject("gland", "Gland", box(-5, -5, 5, 5), 1)], (10, 10))
        assert np.count_nonzero(labels) == 25

    def test_types_are_had_back_from_class_texts(self) -> None:
        texts = ("Nucleus: Connective", "Nucleus", "Nucleus: Epithelial", "Something else")
        nuclei = [PredictedObject("nuclei", text, box(0, 0, 1, 1), 1) for text in texts]
        assert type_indices(nuclei, HEAD).tolist() == [0, 3, 0, 1, 0]


@pytest.fixture(scope="module")
def model() -> Model:
    """A small untrained network with every head."""
    torch.manual_seed(0)
    instance = HeadConfig("INST", ("background", "inside", "contour"))
    shape = lean_config()
    config = replace(
        shape,
        widths=(8, 8, 8, 8, 8),
        decoders=(
            DecoderConfig("Nuclei", (instance, HeadConfig("TYPE", HEAD))),
            DecoderConfig("Gland", (instance,), stages=3),
            DecoderConfig("Lumen", (instance,), stages=3),
            DecoderConfig("Region", (HeadConfig("SEG", ("background", "foreground")),), stages=3),
        ),
        patch_head=PatchHeadConfig("Image-Class", ("normal", "polyp")),
    )
    return Model(Cerberus(config).eval().requires_grad_(False), "untrained", "0" * 64, "cpu")


class TestPredicting:
    def test_every_task_that_is_labelled_at_the_labels_resolution(self, model: Model) -> None:
        zeros = np.zeros((40, 50), np.int32)
        labelled = image(nuclei=zeros, glands=zeros, lumina=zeros, mask=zeros.astype(np.uint8), patch_class="polyp")
        assert scorable_tasks(labelled, model) == ("nuclei", "gland", "lumen", "semantic", "patch")
        found = predict_labelled(labelled, model, "fp32")
        for each in (found.nuclei, found.glands, found.lumina, found.mask):
            assert each.shape == (40, 50)
        assert found.mask_classes == ("background", "foreground")
        assert found.patch.sum() == pytest.approx(1)
        assert len(found.nucleus_types) == found.nuclei.max() + 1

    def test_nothing_else_is_computed(self, model: Model) -> None:
        found = predict_labelled(image(patch_class="polyp"), model, "fp32")
        assert found.nuclei is found.glands is found.mask is None

    def test_an_unknown_pixel_size_is_the_networks(self, model: Model) -> None:
        rng = np.random.default_rng(0)
        rgb = cv2.GaussianBlur(rng.integers(0, 256, (40, 50, 3), np.uint8), (0, 0), 2)
        labelled = replace(image(mask=np.zeros((40, 50), np.uint8), patch_class="polyp"), rgb=rgb)
        unknown, known, other = (
            predict_labelled(replace(labelled, mpp=mpp), model, "fp32").patch for mpp in (None, model.input_mpp, 1.0)
        )
        assert np.array_equal(unknown, known)
        assert not np.array_equal(unknown, other)

    def test_a_model_is_scored_from_its_own_predictions(self, model: Model) -> None:
        told: list[tuple[int, str]] = []
        images = [image(name, patch_class="polyp") for name in ("one", "two")]
        scores = score(model, images, "fp32", lambda *done: told.append(done))
        assert told == [(1, "one"), (2, "two")]
        assert scores.images == 2
        assert scores.tasks["patch"].measures["accuracy"].value in (0, 1)
        with pytest.raises(UsageError, match="untrained has no head"):
            score(replace_heads(model), images)


def replace_heads(model: Model) -> Model:
    config = replace(model.network.config, patch_head=None)
    return replace(model, network=Cerberus(config).eval())


def test_the_bundled_model_on_a_tile(shared_tile: Callable[[], LabelledImage]) -> None:
    from cerberus_annotate.network import load_model
    from cerberus_annotate.network.registry import DEFAULT_MODEL, registered_models

    if not any(each.name == DEFAULT_MODEL for each in registered_models()):
        pytest.skip("the bundled weights are not there")
    scores = score(load_model(DEFAULT_MODEL), [shared_tile()]).tasks["nuclei"]
    assert scores.measures["dice"].value > 0.5
    assert scores.measures["aji"].value < scores.measures["dice"].value
    assert "type_macro_f1" in scores.measures
