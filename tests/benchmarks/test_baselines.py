"""The networks that Cerberus is compared with: their shapes, and that they learn through the package's trainer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from torch import nn

from benchmarks.baselines.baseline import Baseline
from benchmarks.baselines.colour_only import colour_statistics, fit_colours
from benchmarks.baselines.medt import GatedAxialAttention, MedT
from benchmarks.baselines.segnet import SegNet
from benchmarks.baselines.unet import UNet
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.plan import DataPlan, Plan

PLAN = Plan("made", (DataPlan("made"),), tasks=("mask", "patch"), patch_classes=("a", "b", "c"))
SHAPE = replace(network_for(PLAN), stem_stride=1)
BODIES = {"unet": lambda: UNet(4), "segnet": lambda: SegNet(4), "medt": lambda: MedT(64)}


@pytest.fixture(params=list(BODIES))
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(1)
    return Baseline(SHAPE, BODIES[request.param]()).eval()


def pixels(count: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 255


def test_logits_have_the_shapes_of_cerberus(network: nn.Module) -> None:
    found = network(pixels(2, 64, 64))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "Region-SEG": (2, 2, 64, 64),
        "Image-Class": (2, 3, 1, 1),
    }


def test_margins_are_cut_off_and_change_nothing_else(network: nn.Module) -> None:
    x = pixels(1, 96, 112)
    with torch.inference_mode():
        whole, inner = network(x)["Region-SEG"], network(x, 16, ["Region-SEG"])["Region-SEG"]
    assert inner.shape == (1, 2, 64, 80)
    assert torch.allclose(inner, whole[:, :, 16:80, 16:96], atol=1e-4)


def test_rows_name_the_images_that_a_head_works_on(network: nn.Module) -> None:
    x = pixels(3, 64, 64)
    rows = {"Region": torch.tensor([2]), "Image-Class": torch.tensor([0, 2])}
    with torch.inference_mode():
        everything, some = network(x), network(x, rows=rows)
    torch.testing.assert_close(some["Region-SEG"], everything["Region-SEG"][[2]])
    torch.testing.assert_close(some["Image-Class"], everything["Image-Class"][[0, 2]])


def test_every_weight_learns(network: nn.Module) -> None:
    network.train()
    found = network(pixels(2, 64, 64))
    (found["Region-SEG"].square().mean() + found["Image-Class"].square().mean()).backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []


def test_unet_of_the_paper_s_width_has_its_31_million_weights() -> None:
    count = sum(value.numel() for value in UNet(64).parameters() if value.ndim == 4)
    assert 30.9e6 < count < 31.1e6  # 31.0 M in the usual count of figure 1


def test_segnet_s_encoder_is_vgg16() -> None:
    convolutions = [m for m in SegNet(64).down.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 13
    assert sum(m.weight.numel() for m in convolutions) == 14_710_464  # VGG16's 14,714,688 less its biases


def test_axial_attention_is_equation_3_written_out() -> None:
    torch.manual_seed(3)
    channels, length, heads = 8, 5, 2
    layer = GatedAxialAttention(channels, length, heads).eval().double()
    for gate, value in zip(
        ("gate_query", "gate_key", "gate_position", "gate_value"), (0.3, 0.5, 0.7, 0.9), strict=True
    ):
        getattr(layer, gate).data.fill_(value)
    x = torch.randn(1, channels, 1, length, dtype=torch.float64)
    with torch.inference_mode():
        found = layer(x)[0, :, 0]
        projected = layer.norm_projected(layer.project(x[:, :, 0]))[0].view(heads, 8, length)
    encodings = layer.encodings.detach()
    expected = torch.zeros(heads, 4, length, dtype=torch.float64)
    for head in range(heads):
        q, k, v = projected[head, :2], projected[head, 2:4], projected[head, 4:]
        for i in range(length):
            at = [encodings[:, i - w + length - 1] for w in range(length)]
            logits = torch.stack(
                [q[:, i] @ k[:, w] + 0.3 * q[:, i] @ at[w][:2] + 0.5 * k[:, w] @ at[w][2:4] for w in range(length)]
            )
            weights = logits.softmax(0)
            expected[head, :, i] = sum(weights[w] * (0.9 * v[:, w] + 0.7 * at[w][4:]) for w in range(length))
    with torch.inference_mode():
        expected = layer.norm(expected.reshape(1, channels, length))[0]
    torch.testing.assert_close(found, expected)


def test_medt_s_local_branch_sees_each_part_by_itself() -> None:
    torch.manual_seed(1)
    body = MedT(64).eval()
    x = pixels(1, 64, 64) / 255
    other = x.clone()
    other[:, :, :16, :16] = 0
    with torch.inference_mode():
        whole, changed = (body.local(part)[0] for part in (_parts(x), _parts(other)))
    assert torch.equal(whole[1:], changed[1:])
    assert not torch.equal(whole[0], changed[0])


def _parts(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[:, :, r : r + 16, c : c + 16] for r in range(0, 64, 16) for c in range(0, 64, 16)])


def test_medt_gives_a_part_of_its_side_what_it_gives_that_part_alone() -> None:
    torch.manual_seed(1)
    body = MedT(64).eval()
    x = pixels(1, 64, 160) / 255
    with torch.inference_mode():
        wide, first = body(x)[0], body(x[:, :, :, :64])[0]
    # the first 48 columns are in one window only
    torch.testing.assert_close(wide[:, :, :, :48], first[:, :, :, :48])


def test_colours_alone_tell_stains_apart_but_not_shapes() -> None:
    rng = default_rng(1)

    def image(base: tuple[int, int, int]) -> np.ndarray:
        return rng.normal(base, 12, (32, 32, 3)).clip(0, 255).astype(np.uint8)

    bases = {"pink": (230, 170, 200), "blue": (120, 100, 190)}
    images = [(name, image(base)) for name, base in bases.items() for _ in range(8)]
    model = fit_colours([rgb for _, rgb in images], [name for name, _ in images], tuple(bases))
    for name, base in bases.items():
        probabilities = model.probabilities(image(base))
        assert model.classes[int(probabilities.argmax())] == name
        assert probabilities.sum() == pytest.approx(1)
    rgb = images[0][1]
    shuffled = rng.permutation(rgb.reshape(-1, 3)).reshape(rgb.shape)
    np.testing.assert_allclose(colour_statistics(shuffled), colour_statistics(rgb), atol=1e-9)
