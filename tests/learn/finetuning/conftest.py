"""A tiny parent that knows violet nuclei, and harvests of made-up tissue."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.loop import train, write_weights
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.network.config import NetworkConfig

PLAN = Plan(
    "parent",
    (DataPlan("made"),),
    tasks=("nuclei", "nucleus-types", "gland"),
    side=64,
    batch=4,
    steps=50,
    rate=4e-3,
    average=0.9,
    precision="32-true",
)
COLUMNS = ("image", "nuclei", "nucleus_types", "ignore", "nucleus_labels", "mpp", "split", "patient", "region", "name")


def narrow(plan: Plan) -> NetworkConfig:
    return replace(network_for(plan), widths=(8, 8, 16, 16, 16), head_width=8, blocks=(1, 1, 1, 1))


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network that has seen some nuclei and glands of one look."""
    folder = tmp_path_factory.mktemp("parent")
    images = [tissue(seed, glands=True) for seed in range(6)]
    last = train(PLAN, [images], folder, config=narrow(PLAN), accelerator="cpu")
    return write_weights(last, folder / "weights.pt")


def tissue(
    seed: int, nucleus: tuple[int, int, int] = (90, 50, 140), glands: bool = False, **changes: object
) -> LabelledImage:
    """160 px of 0.25 µm/px: round nuclei of one colour on pink, and with `glands` the left half as a gland."""
    rng = np.random.default_rng(seed)
    rgb = rng.normal((235, 190, 215), 6, (160, 160, 3)).clip(0, 255).astype(np.uint8)
    labels = np.zeros((160, 160), np.int32)
    rows, columns = np.mgrid[:160, :160]
    gland = np.zeros((160, 160), np.int32)
    if glands:
        gland[20:140, 20:80] = 1
        rgb[gland > 0] = rgb[gland > 0] * 0.8
    for number, (x, y) in enumerate(rng.integers(10, 150, (12, 2)), start=1):
        disc = (columns - x) ** 2 + (rows - y) ** 2 < 100
        rgb[disc], labels[disc] = nucleus, number
    image = LabelledImage(
        f"made-{seed}",
        "made",
        "train",
        0.25,
        rgb,
        labels,
        np.where(labels > 0, 2, 0).astype(np.uint8),
        glands=gland if glands else None,
    )
    return replace(image, **changes)  # type: ignore[arg-type]


@pytest.fixture
def write_harvest(tmp_path: Path) -> Callable[..., Path]:
    """A folder as `harvest` writes it: images, each a region of a slide in a split."""

    def write(
        images: Sequence[LabelledImage],
        slides: Sequence[str],
        splits: Sequence[str],
        labels: Sequence[str] = NUCLEUS_LABELS,
        name: str = "harvest",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        lines = [",".join(COLUMNS)]
        for number, (image, slide, split) in enumerate(zip(images, slides, splits, strict=True)):
            ending = f"{number}.png"
            ignore = np.zeros(image.rgb.shape[:2], bool) if image.ignore is None else image.ignore
            arrays = {"image": image.rgb, "nuclei": image.nuclei, "types": image.nucleus_types, "ignore": ignore}
            for kind, array in arrays.items():
                content = array.astype(np.uint8) * (255 if array.dtype == bool else 1)
                Image.fromarray(content).save(folder / f"{kind}-{ending}")
            files = [f"{kind}-{ending}" for kind in arrays]
            row = [*files, ";".join(labels), "0.25", split, slide, f"{slide}-{number}", f"{slide}-{number}"]
            lines.append(",".join(row))
        (folder / "manifest.csv").write_text("\n".join(lines))
        return folder

    return write


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Crops and looks as small as the networks."""
    monkeypatch.setattr("cerberus_annotate.learn.finetuning.lesson.SIDE", 64)
    monkeypatch.setattr("cerberus_annotate.learn.finetuning.lesson.BATCH", 4)
    monkeypatch.setattr("cerberus_annotate.learn.finetuning.run.LOOK_EVERY", 5)
