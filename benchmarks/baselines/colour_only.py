"""What the colours of an image alone tell of its class: logistic regression on their statistics.

It sees no shape at all, so what it gets right is staining, scanners and how much of what is in the picture; a network
is worth what it does beyond that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import rgb2hed
from torch.nn import functional

BINS = 8
STAIN_RANGE = (-0.05, 0.30)
"""Of scikit-image's stain densities, beyond which little lies."""

RIDGE = 1e-3
ITERATIONS = 200


@dataclass(frozen=True)
class ColourOnly:
    """A trained classifier. weights: (d + 1, C), the last row the intercepts."""

    classes: tuple[str, ...]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    weights: NDArray[np.float64]

    def probabilities(self, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Of each class for an image, (C,)."""
        scaled = (colour_statistics(rgb) - self.mean) / self.deviation
        logits = scaled @ self.weights[:-1] + self.weights[-1]
        powers: NDArray[np.float64] = np.exp(logits - logits.max())
        return powers / powers.sum()


def colour_statistics(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean, standard deviation and 8-bin histogram of red, green, blue and three stains of uint8 (H, W, 3); (60,)."""
    colours = (rgb / 255).reshape(-1, 3)
    stains = rgb2hed(rgb).reshape(-1, 3)
    values = []
    for channels, span in ((colours, (0.0, 1.0)), (stains, STAIN_RANGE)):
        values += [channels.mean(0), channels.std(0)]
        values += [np.histogram(np.clip(c, *span), BINS, span)[0] / len(c) for c in channels.T]
    return np.concatenate(values)


def fit_colours(images: Sequence[NDArray[np.uint8]], labels: Sequence[str], classes: Sequence[str]) -> ColourOnly:
    """Multinomial logistic regression with a ridge penalty on standardised statistics; every image counts the same."""
    statistics = np.stack([colour_statistics(rgb) for rgb in images])
    mean, deviation = statistics.mean(0), statistics.std(0) + 1e-6
    inputs = torch.from_numpy(np.column_stack([(statistics - mean) / deviation, np.ones(len(statistics))]))
    targets = torch.tensor([list(classes).index(label) for label in labels])
    weights = torch.zeros(inputs.shape[1], len(classes), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(inputs @ weights, targets) + RIDGE * (weights[:-1] ** 2).sum()
        value.backward()
        return value

    optimiser.step(loss)
    return ColourOnly(tuple(classes), mean, deviation, weights.detach().numpy())
