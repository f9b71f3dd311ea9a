"""Losses of the network's heads; images without a label for a head do not come here."""

import torch
from torch import Tensor
from torch.nn import functional

from cerberus_annotate.learn.data.labelled_image import UNLABELLED


def instance_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice of inside and contour.

    logits (N, 3, H, W); target (N, H, W) int64 of 0 background, 1 inside, 2 contour; weight (N, H, W), 0 for pixels
    that do not count.
    """
    logits = logits.float()
    cross_entropy = (functional.cross_entropy(logits, target, reduction="none") * weight).sum() / weight.sum()
    return cross_entropy + soft_dice_loss(logits, torch.where(weight > 0, target, UNLABELLED))


def reference_instance_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy times the weight map, averaged over pixels (Cerberus' own). Shapes as in `instance_loss`."""
    return (functional.cross_entropy(logits.float(), target, reduction="none") * weight).mean()


def type_loss(logits: Tensor, target: Tensor, class_weight: Tensor) -> Tensor:
    """Cross-entropy over labelled pixels. logits (N, C, H, W); target (N, H, W) int64, 0 is unlabelled."""
    if not bool((target > 0).any()):
        return logits.sum() * 0
    return functional.cross_entropy(logits.float(), target, weight=class_weight, ignore_index=0)


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice of the classes beside background. target (N, H, W) int64, `UNLABELLED` ignored."""
    if not bool((target != UNLABELLED).any()):
        return logits.sum() * 0
    logits = logits.float()
    return functional.cross_entropy(logits, target, ignore_index=UNLABELLED) + soft_dice_loss(logits, target)


def patch_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy with labels smoothed by 0.1. logits (N, C, 1, 1); target (N,) int64."""
    return functional.cross_entropy(logits.float().flatten(1), target, label_smoothing=0.1)


def soft_dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 less the Dice of probabilities and truth over the batch, averaged over the classes beside background."""
    known = (target != UNLABELLED).unsqueeze(1)
    probability = logits.softmax(1)[:, 1:] * known
    classes = torch.where(target == UNLABELLED, 0, target)
    truth = functional.one_hot(classes, logits.shape[1]).permute(0, 3, 1, 2)[:, 1:].to(probability.dtype) * known
    overlap = (probability * truth).sum((0, 2, 3))
    total = (probability + truth).sum((0, 2, 3))
    return (1 - (2 * overlap + 1) / (total + 1)).mean()
