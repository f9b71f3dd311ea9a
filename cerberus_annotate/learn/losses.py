"""Losses of the network's heads; samples without a label for a head do not count."""

import torch
from torch import Tensor
from torch.nn import functional


def instance_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice of inside and contour.

    logits (N, 3, H, W); target (N, H, W) int64 of 0 background, 1 inside, 2 contour; weight (N, H, W).
    """
    if len(logits) == 0:
        return logits.sum()
    logits = logits.float()
    cross_entropy = (functional.cross_entropy(logits, target, reduction="none") * weight).sum() / weight.sum()
    probability = logits.softmax(1)[:, 1:]
    truth = functional.one_hot(target, 3).permute(0, 3, 1, 2)[:, 1:].to(probability.dtype)
    overlap = (probability * truth).sum((0, 2, 3))
    total = (probability + truth).sum((0, 2, 3))
    return cross_entropy + (1 - (2 * overlap + 1) / (total + 1)).mean()


def type_loss(logits: Tensor, target: Tensor, class_weight: Tensor) -> Tensor:
    """Cross-entropy over labelled pixels. logits (N, C, H, W); target (N, H, W) int64, 0 is unlabelled."""
    if not bool((target > 0).any()):
        return logits.sum() * 0
    return functional.cross_entropy(logits.float(), target, weight=class_weight, ignore_index=0)


def nucleus_type_weights(device: torch.device) -> Tensor:
    """Rarer types count more: CoNSeP's training tiles hold 9:5:8:1 pixels of types 1 to 4, tempered."""
    return torch.tensor([0.0, 1.0, 1.3, 1.1, 2.5], device=device)
