"""Objects in an image that is in memory already."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.predict.stream import predict_slide
from cerberus_annotate.slide import Level, Region, Slide


class ArraySlide(Slide):
    """An RGB array, uint8 (H, W, 3), as a slide of one level."""

    def __init__(self, rgb: NDArray[np.uint8], mpp: tuple[float, float]) -> None:
        levels = (Level(1.0, rgb.shape[1], rgb.shape[0]),)
        super().__init__(Path("array"), levels, mpp=mpp, magnification=None, format="array")
        self._rgb = rgb

    def _read_inside(self, region: Region, level: int) -> NDArray[np.uint8]:
        return self._rgb[region.y : region.y + region.height, region.x : region.x + region.width]

    def close(self) -> None:
        """Nothing to let go of."""


def predict_image(
    rgb: NDArray[np.uint8],
    mpp: float,
    model: Model,
    tasks: Sequence[str] | None = None,
    precision: str = "auto",
    geometry: str = "auto",
) -> list[PredictedObject]:
    """The objects of an image; polygons in px of `rgb`.

    rgb: uint8 (H, W, 3).  mpp: its µm/px; it is resampled to the network's.  tasks: of `nuclei`, `gland`, `lumen`,
    `tissue`, None for all that the model has. Touches no file and no project. Raises ValueError for another array,
    UsageError for a task that the model lacks.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"rgb must be uint8 (H, W, 3), not {rgb.dtype} {rgb.shape}")
    slide = ArraySlide(rgb, (mpp, mpp))
    return list(predict_slide(slide, (mpp, mpp), model, tasks=tasks, precision=precision, geometry=geometry))
