"""Small networks with weights by chance, made-up tissue, projects over it."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import INSTANCE_CLASSES, DecoderConfig, HeadConfig, NetworkConfig
from cerberus_annotate.network.model import Model, load_model
from cerberus_annotate.qupath import Project, create_project
from cerberus_annotate.slide.pyramid import write_pyramid

SIDE = 400


@pytest.fixture(scope="session")
def tiny() -> Model:
    """A network of a few channels that has never learnt anything."""
    instance = HeadConfig("INST", INSTANCE_CLASSES)
    config = NetworkConfig(
        blocks=(1, 1, 1, 1),
        widths=(4, 4, 4, 4, 8),
        stem_kernel=3,
        head_width=4,
        decoders=(
            DecoderConfig("Nuclei", (instance, HeadConfig("TYPE", ("nolabel", "dark", "pale")))),
            DecoderConfig("Gland", (instance,), stages=3),
        ),
        patch_head=None,
        margin=104,
    )
    torch.manual_seed(1)
    network = Cerberus(config).eval().requires_grad_(False)
    return Model(network, "tiny", "0" * 64, "cpu")


@pytest.fixture(scope="session")
def bundled() -> Model:
    return load_model("cerberus-small")


def tissue(seed: int, side: int = SIDE, nuclei: int = 60, radius: int = 7) -> NDArray[np.uint8]:
    """Purple discs on pink tissue with grain, 0.5 µm/px."""
    rng = np.random.default_rng(seed)
    rgb = rng.normal((225, 165, 200), 8, (side, side, 3)).clip(0, 255).astype(np.uint8)
    for x, y in rng.integers(radius, side - radius, (nuclei, 2)).tolist():
        cv2.circle(rgb, (x, y), radius, (95, 55, 140), -1)
    return rgb


@pytest.fixture
def make_tissue() -> Callable[..., NDArray[np.uint8]]:
    return tissue


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """A project of slides of 200 µm with the given names."""

    def make(*names: str, mpp: float | None = 0.5) -> Project:
        project = create_project(tmp_path / "project")
        for seed, name in enumerate(names or ("one.tif",)):
            write_pyramid(tmp_path / name, tissue(seed), mpp)
            add_slide(project, describe_slide(tmp_path / name))
        return project

    return make
