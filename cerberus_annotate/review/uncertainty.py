"""How unsure a network is, from the probabilities that it gives for several views of the same pixels.

All functions take tensors and change nothing. Entropy says that one view alone leaves the class open (at outlines it
always does); the Jensen-Shannon divergence between views says that the answer hangs on how the region is looked at,
which is what more training can mend (as BALD does with several networks: Houlsby et al. 2011, arXiv:1112.5745, and
Beluch et al., CVPR 2018).
"""

import math

import torch
from torch import Tensor

LEAST_COVERED = 0.02
"""Share of a region. With fewer objects there is nothing to be unsure of; and as much background is taken into every
mean, because few objects say little."""


def entropy(probability: Tensor, dim: int) -> Tensor:
    """Shannon entropy along `dim` as a share of the largest possible one, 0 to 1."""
    count = probability.shape[dim]
    if count < 2:
        return torch.zeros_like(probability.sum(dim))
    return torch.special.entr(probability).sum(dim) / math.log(count)


def disagreement(probability: Tensor, dim: int) -> Tensor:
    """Jensen-Shannon divergence between views (Lin, IEEE Trans. Inf. Theory 1991), 0 to 1.

    probability: (views, …) with the classes along `dim`. What is shared by all views, such as an outline that nobody
    can place to the pixel, takes no part in it.
    """
    count = min(probability.shape[0], probability.shape[dim])
    if count < 2:
        return torch.zeros_like(probability.sum(dim)[0])
    shared = torch.special.entr(probability.mean(0)).sum(dim - 1 if dim > 0 else dim)
    apart = torch.special.entr(probability).sum(dim).mean(0)
    return (shared - apart).clamp_min(0) / math.log(count)


def over_objects(values: Tensor, objects: Tensor, inside: Tensor) -> Tensor:
    """Mean of a map where objects are or may be, (N,).

    values: (N, h, w). objects: (N, h, w), probability of an object at the pixel, 0 to 1, which is the pixel's weight:
    background that everybody is sure of does not dilute the mean. inside: (h, w), 1 where the region is, 0 beyond.
    A region with next to no objects has 0.
    """
    weight = objects * inside
    total, least = weight.sum((1, 2)), LEAST_COVERED * inside.sum()
    return (values * weight).sum((1, 2)) / (total + least) * (total >= least)


def of_types(probability: Tensor, dim: int) -> Tensor:
    """Probabilities of the types given that there is an object: without the first class, which means none."""
    types = probability.narrow(dim, 1, probability.shape[dim] - 1)
    return types / types.sum(dim, keepdim=True).clamp_min(1e-6)
