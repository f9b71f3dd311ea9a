"""Labels follow their image through crops; targets are what the network should give."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from numpy.random import default_rng

from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS, head_indices
from cerberus_annotate.learn.data.labelled_image import UNLABELLED, LabelledImage
from cerberus_annotate.learn.training import targets
from cerberus_annotate.learn.training.batches import batch_of
from cerberus_annotate.learn.training.colours import random_colours
from cerberus_annotate.learn.training.crops import Grid, centre_crop, random_crop
from cerberus_annotate.learn.training.heads import heads_of, network_for
from cerberus_annotate.learn.training.losses import instance_loss
from cerberus_annotate.learn.training.plan import Plan
from cerberus_annotate.learn.training.weak_lumina import weak_lumina
from cerberus_annotate.network.config import NUCLEUS_GROUPS, NUCLEUS_TYPES

MakeImage = Callable[..., LabelledImage]
GRID = Grid(side=96, mpp=0.5, input_finer=2, nuclei_finer=2)


def test_labels_follow_their_image_through_every_crop(make_image: MakeImage) -> None:
    image = make_image(5)
    for seed in range(20):
        crop = random_crop(image, GRID, default_rng(seed))
        assert crop.rgb.shape == (192, 192, 3)
        assert crop.nuclei is not None
        assert ((crop.rgb[..., 1] < 120) == (crop.nuclei > 0)).mean() > 0.97
        assert crop.nucleus_types is not None
        coarse = cv2.resize((crop.nuclei > 0).astype(np.uint8), (96, 96), interpolation=cv2.INTER_NEAREST)
        assert ((crop.nucleus_types > 0) == (coarse > 0)).mean() > 0.96


def test_an_image_of_another_pixel_size_is_shown_at_the_networks(make_image: MakeImage) -> None:
    image = make_image(6)
    half = replace(
        image,
        mpp=0.5,
        rgb=cv2.resize(image.rgb, (128, 128), interpolation=cv2.INTER_AREA),
        nuclei=cv2.resize(image.nuclei, (128, 128), interpolation=cv2.INTER_NEAREST_EXACT),
    )
    fine, coarse = centre_crop(image, GRID), centre_crop(half, GRID)
    assert fine.nuclei is not None
    assert coarse.nuclei is not None
    assert ((fine.nuclei > 0) == (coarse.nuclei > 0)).mean() > 0.96
    assert np.array_equal(fine.rgb, image.rgb[32:-32, 32:-32])


def test_typed_points_become_discs_on_their_nuclei(make_image: MakeImage) -> None:
    image = make_image(7)
    y, x = np.nonzero(image.nuclei == 9)
    points = np.array([[x.mean() + 0.5, y.mean() + 0.5, 7]])
    pointed = replace(image, nucleus_points=points, nucleus_types=None)
    for seed in range(10):
        crop = random_crop(pointed, GRID, default_rng(seed))
        marked = np.kron(crop.nucleus_types == 7, np.ones((2, 2), bool))
        assert not marked.any() or (crop.nuclei[marked] > 0).mean() > 0.9


def test_a_patch_with_a_class_is_turned_by_quarters_only(make_image: MakeImage) -> None:
    image = make_image(8, patch_class="TUM", mpp=None)
    crop = random_crop(image, Grid(128, 0.5, 2, 1), default_rng(1))
    assert crop.patch_class == "TUM"
    share = (crop.rgb[..., 1] < 120).mean() / (image.rgb[..., 1] < 120).mean()
    assert 0.6 < share < 1.6


def test_colours_change_and_shapes_do_not(make_image: MakeImage) -> None:
    image = make_image(9)
    shifted = [random_colours(image.rgb, default_rng(seed)) for seed in range(8)]
    assert len({picture.tobytes() for picture in shifted}) == 8
    for picture in shifted:
        grey = picture.mean(2)
        assert picture.dtype == np.uint8
        assert grey[image.nuclei > 0].mean() < grey[image.nuclei == 0].mean()


@pytest.mark.parametrize("ring", [3, 11])
def test_targets_are_each_instances_erosion_and_the_ring_around_it(make_image: MakeImage, ring: int) -> None:
    labels = make_image(3, radius=13).nuclei.astype(np.uint16)
    kernel = targets.ellipse(ring)
    inside, contour = np.zeros(labels.shape, bool), np.zeros(labels.shape, bool)
    for index in range(1, int(labels.max()) + 1):
        one = (labels == index).astype(np.uint8)
        eroded = cv2.erode(one, kernel) > 0
        inside |= eroded
        contour |= (cv2.dilate(one, kernel) > 0) & ~eroded
    assert np.array_equal(targets.inside_and_contour(labels, ring), np.where(inside, 1, np.where(contour, 2, 0)))


def test_an_inner_contour_and_the_inside_are_the_object(make_image: MakeImage) -> None:
    labels = make_image(4).nuclei.astype(np.uint16)
    classes = targets.inside_and_contour(labels, 5, inner=True)
    assert np.array_equal(classes > 0, labels > 0)
    assert 0 < (classes == 1).sum() < (labels > 0).sum()


def test_pixels_that_part_two_objects_weigh_more() -> None:
    labels = np.zeros((30, 40), np.uint16)
    labels[5:25, 5:18], labels[5:25, 20:35] = 1, 2
    weights = targets.gap_weights(labels, 7)
    assert weights[15, 18] == weights[15, 19] == 1 + targets.GAP_WEIGHT
    assert weights[15, 8] == weights[15, 30] == weights[2, 2] == 1


def test_a_type_without_a_counterpart_is_not_guessed() -> None:
    groups, fine = head_indices(NUCLEUS_LABELS, NUCLEUS_GROUPS), head_indices(NUCLEUS_LABELS, NUCLEUS_TYPES)
    label = NUCLEUS_LABELS.index
    assert NUCLEUS_GROUPS[groups[label("plasma")]] == "inflammatory"
    assert NUCLEUS_TYPES[fine[label("plasma")]] == "plasma"
    assert fine[label("inflammatory")] == fine[label("other")] == 0


def test_weak_lumina_lie_inside_glands_where_the_tissue_is_pale() -> None:
    rgb = np.full((300, 300, 3), (200, 130, 180), np.uint8)
    glands = np.zeros((300, 300), np.int32)
    cv2.circle(rgb, (100, 100), 70, (150, 90, 170), -1)
    cv2.circle(glands, (100, 100), 70, 1, -1)
    cv2.circle(rgb, (100, 100), 30, (245, 245, 245), -1)
    cv2.circle(rgb, (240, 240), 30, (245, 245, 245), -1)
    lumina = weak_lumina(rgb, glands, 0.5)
    assert lumina.max() == 1
    assert lumina[100, 100] == 1
    assert lumina[240, 240] == 0


def test_what_nobody_looked_at_teaches_nothing(make_image: MakeImage) -> None:
    image = make_image(3, mask=np.zeros((256, 256), np.uint8), mask_classes=("background", "tumour"))
    ignore = np.zeros((256, 256), bool)
    ignore[:, 128:] = True
    heads = heads_of(network_for(Plan(name="x", tasks=("nuclei", "nucleus-types", "mask"), data=())))
    looked, half = (centre_crop(replace(image, ignore=given), GRID) for given in (None, ignore))
    whole, batch = (batch_of([crop], heads, ("x",)) for crop in (looked, half))
    finer = GRID.nuclei_finer
    left, right = slice(None, 47 * finer), slice(49 * finer, None)
    assert (batch.weights["nuclei"][..., right] == 0).all()
    assert torch.equal(batch.weights["nuclei"][..., left], whole.weights["nuclei"][..., left])
    assert torch.equal(batch.targets["nuclei"], whole.targets["nuclei"])
    assert (batch.targets["nucleus-types"][..., 49:] == 0).all()
    assert (batch.targets["mask"][..., 49:] == UNLABELLED).all()
    assert (batch.targets["mask"][..., :47] == 0).all()

    logits = torch.randn(1, 3, 192, 192, requires_grad=True)
    instance_loss(logits, batch.targets["nuclei"], batch.weights["nuclei"]).backward()
    assert logits.grad is not None
    assert (logits.grad[..., right] == 0).all()
    assert (logits.grad[..., left] != 0).any()


def test_a_crop_always_shows_something_that_was_looked_at(make_image: MakeImage) -> None:
    ignore = np.ones((900, 900), bool)
    ignore[860:, 10:40] = False
    image = make_image(3, side=900, count=200, ignore=ignore)
    for seed in range(40):
        crop = random_crop(image, GRID, default_rng(seed))
        assert crop.ignored_nuclei is not None
        assert not crop.ignored_nuclei.all()


def test_an_image_that_nobody_looked_at_is_labelled_for_no_head(make_image: MakeImage) -> None:
    image = make_image(3, ignore=np.ones((256, 256), bool))
    heads = heads_of(network_for(Plan(name="x", tasks=("nuclei", "nucleus-types"), data=())))
    assert batch_of([centre_crop(image, GRID)], heads, ("x",)).rows == {}


def test_a_type_of_ones_own_is_learnt_by_a_head_that_has_it(make_image: MakeImage) -> None:
    labels = (*NUCLEUS_LABELS, "mitosis")
    image = make_image(3)
    assert image.nuclei is not None
    types = np.where(image.nuclei > 0, len(labels) - 1, 0).astype(np.uint8)
    crop = centre_crop(replace(image, nucleus_types=types, nucleus_labels=labels), GRID)
    config = network_for(Plan(name="x", tasks=("nuclei", "nucleus-types"), data=()))
    known = heads_of(config)
    assert "nucleus-types" not in batch_of([crop], known, ("x",)).targets
    types_head = known.of("nucleus-types")
    heads = replace(
        known, heads={**known.heads, "nucleus-types": replace(types_head, classes=(*types_head.classes, "mitosis"))}
    )
    target = batch_of([crop], heads, ("x",)).targets["nucleus-types"]
    assert set(target.unique().tolist()) == {0, len(types_head.classes)}
