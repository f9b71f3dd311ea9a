"""What heads beside those for slides say of an image in memory: a class for each pixel, or one for all of it."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cerberus_annotate.errors import UsageError
from cerberus_annotate.network.cerberus import CELL, WHOLE_IMAGE, Cerberus
from cerberus_annotate.network.model import Model

MASK_OUTPUT = "Region-SEG"
PATCH_OUTPUTS = (WHOLE_IMAGE, "Patch-Class")


def predict_mask(rgb: NDArray[np.uint8], mpp: float | None, model: Model) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The class of every pixel, uint8 (H, W), and the classes' names.

    rgb: uint8 (H, W, 3).  mpp: its µm/px, None where unknown: its pixels are then taken for the network's input. Raises
    UsageError for a model without such a head.
    """
    if MASK_OUTPUT not in model.classes:
        raise UsageError(f"The model {model.name} has no head for the classes of pixels ({MASK_OUTPUT}).")
    height, width = rgb.shape[:2]
    pixels, (rows, columns) = network_input(rgb, mpp, model.network)
    with torch.inference_mode():
        logits = model.network(pixels, outputs=[MASK_OUTPUT])[MASK_OUTPUT]
        logits = functional.interpolate(logits.float(), pixels.shape[2:], mode="bilinear", align_corners=False)
        logits = logits[:, :, :rows, :columns]
        logits = functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
    return logits.argmax(1)[0].to(torch.uint8).cpu().numpy(), model.classes[MASK_OUTPUT]


def predict_patch(
    rgb: NDArray[np.uint8], mpp: float | None, model: Model
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The probability of each class for the whole image, float32 (C,), and the classes' names.

    Parameters as in `predict_mask`. The tissue head, which looks at windows of 144 px of the grid, sees the middle one.
    """
    output = next((name for name in PATCH_OUTPUTS if name in model.classes), None)
    if output is None:
        raise UsageError(f"The model {model.name} has no head for the class of an image.")
    least = CELL * model.stem_stride if output != WHOLE_IMAGE else 0
    pixels, _ = network_input(rgb, mpp, model.network, least=least)
    with torch.inference_mode():
        probability = model.network(pixels, outputs=[output])[output].float().flatten(1).softmax(1)
    return probability[0].cpu().numpy(), model.classes[output]


def network_input(
    rgb: NDArray[np.uint8], mpp: float | None, network: Cerberus, margin: int = 0, least: int = 0
) -> tuple[torch.Tensor, tuple[int, int]]:
    """The image as a network takes it, float32 (1, 3, H, W) on its device, and the rows and columns that are its own.

    rgb: uint8 (h, w, 3) at `mpp`, resampled to the input's pixel size; None is the input's own. It is mirrored by
    `margin` px of the input on every side, and further below and right to a size that the network takes, at least
    `least`.
    """
    config = network.config
    if mpp is not None and mpp != config.input_mpp:
        factor = mpp / config.input_mpp
        size = tuple(max(1, round(side * factor)) for side in rgb.shape[1::-1])
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC).astype(np.uint8)
    rows, columns = rgb.shape[:2]
    step = 16 * config.stem_stride
    below, right = (max(-(-(side + 2 * margin) // step) * step, least) - side - margin for side in (rows, columns))
    padded = np.pad(rgb, ((margin, below), (margin, right), (0, 0)), "symmetric")
    pixels = torch.from_numpy(padded).permute(2, 0, 1)[None].float().to(next(network.parameters()).device)
    return pixels.contiguous(memory_format=torch.channels_last), (rows, columns)
