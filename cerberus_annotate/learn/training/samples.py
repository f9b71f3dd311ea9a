"""Pictures of what a network in training makes of a batch."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cerberus_annotate.learn.training.batches import INSTANCES, Batch
from cerberus_annotate.learn.training.heads import Heads
from cerberus_annotate.learn.training.objective import decoder_rows, logits_of, outputs_wanted

TRUTH, FOUND = (0, 158, 115), (213, 94, 0)


def write_samples(path: Path, network: nn.Module, batch: Batch, heads: Heads) -> None:
    """One row of crops a pixel task: outlines of the truth in green, of the prediction in orange."""
    pixels = batch.rgb.float().contiguous(memory_format=torch.channels_last)
    computed = decoder_rows(batch, heads)
    with torch.inference_mode():
        logits = network(pixels, outputs=outputs_wanted(batch, heads), rows=computed)
    rows = []
    for task in (*INSTANCES, "mask"):
        if task not in batch.rows:
            continue
        found = logits_of(task, logits, computed, batch, heads).argmax(1).cpu().numpy()
        truth = batch.targets[task].cpu().numpy()
        images = batch.rgb[batch.rows[task]].permute(0, 2, 3, 1).cpu().numpy()
        rows.append(np.hstack([_outlined(i, t, f) for i, t, f in zip(images, truth, found, strict=True)]))
    if not rows:
        return
    width = max(row.shape[1] for row in rows)
    picture = np.vstack([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])


def _outlined(rgb: NDArray[np.uint8], truth: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.uint8]:
    drawn = np.ascontiguousarray(rgb)
    for classes, colour in ((truth, TRUTH), (found, FOUND)):
        inside = cv2.resize((classes == 1).astype(np.uint8), drawn.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, outlines, -1, colour, 1)
    return drawn
