"""Raw maps and instances of the reference, and blobs to cut up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(frozen=True)
class Maps:
    """One of the parity files: inside and contour (H, W) float32 by head, type maps, and the reference's results."""

    heads: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
    types: Mapping[str, NDArray[np.uint8]]
    reference: Mapping[str, NDArray]


@pytest.fixture(scope="session", params=["post_a", "post_b"])
def maps(request: pytest.FixtureRequest, shared: Path) -> Maps:
    stored = dict(np.load(shared / "parity" / f"{request.param}.npz"))
    divisor = np.float32(255 if stored["raw/Gland-INST"].dtype == np.uint8 else 1)
    heads, types = {}, {}
    for name in ("Gland", "Lumen", "Nuclei"):
        both = stored[f"raw/{name}-INST"].astype(np.float32) / divisor
        heads[name] = both[..., 0], both[..., 1]
        if f"raw/{name}-TYPE" in stored:
            types[name] = stored[f"raw/{name}-TYPE"]
    return Maps(heads, types, stored)


def smooth_noise(seed: int, height: int, width: int, grain: float) -> NDArray[np.float32]:
    """Noise between 0 and 1 whose blobs are about `grain` px wide."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), grain, mode="wrap")
    ranks = noise.ravel().argsort().argsort().reshape(noise.shape)
    return (ranks / noise.size).astype(np.float32)


@pytest.fixture(scope="session")
def blobs() -> Callable[[int, int, int, float], NDArray[np.float32]]:
    return smooth_noise
