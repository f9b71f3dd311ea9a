"""The order of regions of images in memory."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cerberus_annotate.errors import UsageError
from cerberus_annotate.network.model import Model
from cerberus_annotate.predict.image import ArraySlide
from cerberus_annotate.review.observing import Observer
from cerberus_annotate.review.ranking import rank_regions

MakeTissue = Callable[..., NDArray[np.uint8]]
SIZE = 64.0


def test_every_region_gets_a_place_a_score_and_a_reason(bundled: Model, make_tissue: MakeTissue) -> None:
    images = [(f"image {seed}", make_tissue(seed, 256), 0.5) for seed in range(2)]
    ranking = rank_regions(images, bundled, size=SIZE, tasks=["nuclei"])
    assert len({(one.candidate.image, one.candidate.bounds) for one in ranking.regions}) == 8
    assert ranking.blurred == ranking.empty == 0
    for one in ranking.regions:
        assert one.parts.keys() == {"entropy", "disagreement", "rarity"}
        assert 0 <= one.score <= 1
        assert one.reason
    assert ranking.regions[0].score == max(one.score for one in ranking.regions)


def test_given_boxes_and_budget_are_kept_to(bundled: Model, make_tissue: MakeTissue) -> None:
    boxes = {"a": [(0, 0, 128, 128), (100, 100, 256, 230)], "b": []}
    images = [("a", make_tissue(1, 256), 0.5), ("b", make_tissue(2, 256), 0.5)]
    ranking = rank_regions(images, bundled, boxes, tasks=["nuclei"], budget=1)
    assert len(ranking.regions) == 1
    assert ranking.regions[0].candidate.bounds in boxes["a"]


def test_blur_glass_and_empty_tissue_are_not_proposed(bundled: Model, make_tissue: MakeTissue) -> None:
    sharp, soft = make_tissue(1, 256), cv2.GaussianBlur(make_tissue(2, 256), (0, 0), 5)
    empty = make_tissue(3, 256, nuclei=0)
    glass = make_tissue(4, 256)
    glass[:, :140] = 242
    images = [("sharp", sharp, 0.5), ("soft", soft, 0.5), ("empty", empty, 0.5), ("glass", glass, 0.5)]
    ranking = rank_regions(images, bundled, size=128.0, tasks=["nuclei"])
    assert [one.candidate.image for one in ranking.regions] == ["sharp"]
    assert (ranking.blurred, ranking.empty) == (1, 2)


def test_where_all_is_empty_something_is_proposed_all_the_same(bundled: Model, make_tissue: MakeTissue) -> None:
    ranking = rank_regions([("a", make_tissue(3, 256, nuclei=0), 0.5)], bundled, size=SIZE, tasks=["nuclei"])
    assert (len(ranking.regions), ranking.empty) == (4, 4)


def test_a_copy_waits_for_what_is_different(bundled: Model, make_tissue: MakeTissue) -> None:
    rgb = make_tissue(1, 256)
    boxes = {"a": [(0, 0, 128, 128), (0, 0, 128, 128), (128, 0, 256, 128), (128, 128, 256, 256)]}
    ranking = rank_regions([("a", rgb, 0.5)], bundled, boxes, tasks=["nuclei"])
    found = [one.candidate.bounds for one in ranking.regions]
    assert len(set(found[:3])) == 3


def test_the_pixel_size_decides_what_is_seen(bundled: Model, make_tissue: MakeTissue) -> None:
    """The same tissue at another pixel size is nearly the same to the network."""
    rgb = make_tissue(1, 128, nuclei=15)
    finer = cv2.resize(rgb, (256, 256), interpolation=cv2.INTER_CUBIC)
    observer = Observer.of(bundled, ("nuclei",))

    def covered(pixels: NDArray[np.uint8], mpp: float) -> float:
        side = len(pixels)
        (seen,) = observer.observe(ArraySlide(pixels, (mpp, mpp)), (mpp, mpp), [(0, 0, side, side)])
        assert seen.area == pytest.approx((side * mpp) ** 2)
        return sum(seen.amounts["Nuclei-TYPE"].values())

    assert covered(rgb, 0.5) > 500
    assert covered(finer, 0.25) == pytest.approx(covered(rgb, 0.5), rel=0.2)


def test_nothing_to_rank_is_an_empty_order(tiny: Model) -> None:
    assert rank_regions([], tiny).regions == ()


@pytest.mark.parametrize(
    ("task", "said"), [("tissue", "'tissue' cannot be reviewed"), ("lumen", "tiny has no task 'lumen'")]
)
def test_a_task_that_cannot_be_is_a_sentence(tiny: Model, task: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        rank_regions([], tiny, tasks=[task])
