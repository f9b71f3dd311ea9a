"""Logistic regression on feature vectors: the same classifier for every kind of frozen feature."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

ITERATIONS = 100


@dataclass(frozen=True)
class Logistic:
    """A trained classifier. mean, scale: (d,) of the training features.  weights: (d, C).  offset: (C,)."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.int64]:
        """The most likely class of each row, (n,)."""
        logits = (features - self.mean) / self.scale @ self.weights + self.offset
        return logits.argmax(1)


def fit_logistic(features: NDArray[np.floating], labels: NDArray[np.integer], classes: int, penalty: float) -> Logistic:
    """Multinomial logistic regression of features (n, d) on labels (n,), by L-BFGS.

    Features are standardised and divided by the root of their number, so that one penalty on the squared weights means
    the same for few and for many of them.
    """
    mean = features.mean(0, dtype=np.float64)
    scale = (features.std(0, dtype=np.float64) + 1e-6) * np.sqrt(features.shape[1])
    inputs, targets = torch.from_numpy((features - mean) / scale), torch.from_numpy(labels.astype(np.int64))
    weights = torch.zeros(inputs.shape[1], classes, dtype=torch.float64, requires_grad=True)
    offset = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, offset], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(inputs @ weights + offset, targets) + penalty / 2 * weights.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return Logistic(mean, scale, weights.detach().numpy(), offset.detach().numpy())
