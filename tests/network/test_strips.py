"""A network in strips gives what it gives at once."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from cerberus_annotate.network import Model, fold_norms, fused, load_model, official, strips
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.strip_by_strip import strip_by_strip
from cerberus_annotate.slide.demo_slide import demo_picture


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("cerberus-small")


def at_once(network: Cerberus, image: Tensor, margin: int, outputs: list[str]) -> dict[str, Tensor]:
    pixels = image.permute(2, 0, 1)[None].float().contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        return network(pixels, margin, outputs)


def in_strips(network: Cerberus, image: Tensor, margin: int, outputs: list[str]) -> dict[str, Tensor]:
    with torch.inference_mode():
        return strip_by_strip(network, image, margin, outputs, lambda name, logits: logits)


def tissue(height: int, width: int) -> Tensor:
    picture = demo_picture()
    rows, columns = -(-height // len(picture)), -(-width // picture.shape[1])
    return torch.from_numpy(np.ascontiguousarray(np.tile(picture, (rows, columns, 1))[:height, :width]))


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape
        assert (found[name] - value).abs().max() <= 1e-5 * max(1, value.abs().max())


@pytest.mark.parametrize("strip", [16, 96])
@pytest.mark.parametrize(("height", "width", "margin"), [(432, 352, 104), (560, 304, 56), (224, 240, 0)])
def test_the_bundled_network_is_the_same_in_strips(
    model: Model, height: int, width: int, margin: int, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "STRIP", strip)
    image, outputs = tissue(2 * height, 2 * width), list(model.classes)
    assert_same(in_strips(model.network, image, margin, outputs), at_once(model.network, image, margin, outputs))


def test_the_official_network_is_the_same_in_strips() -> None:
    torch.manual_seed(1)
    network = fold_norms(official().eval()).to(memory_format=torch.channels_last)
    image, outputs = tissue(544, 592), ["Nuclei-INST", "Gland-TYPE", "Patch-Class"]
    assert_same(in_strips(network, image, 200, outputs), at_once(network, image, 200, outputs))


def test_without_the_fused_operators_nothing_changes(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    image, outputs = tissue(704, 640), ["Nuclei-INST", "Nuclei-TYPE"]
    monkeypatch.setattr(fused, "_fuses", lambda device, dtype: False)
    assert_same(in_strips(model.network, image, 104, outputs), at_once(model.network, image, 104, outputs))


def test_bf16_is_nearer_to_fp32_in_strips_than_at_once(model: Model) -> None:
    network = copy.deepcopy(model.network).to(torch.bfloat16)
    image, outputs = tissue(704, 640), ["Nuclei-INST", "Gland-INST"]
    exact = at_once(model.network, image, 104, outputs)
    pixels = image.permute(2, 0, 1)[None].to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        eager = network(pixels, 104, outputs)
    for name, value in in_strips(network, image, 104, outputs).items():
        assert (value.float() - exact[name]).abs().mean() <= 0.8 * (eager[name].float() - exact[name]).abs().mean()


def test_threads_are_as_they_were(model: Model) -> None:
    before = torch.get_num_threads()
    in_strips(model.network, tissue(448, 448), 104, ["Gland-INST"])
    assert torch.get_num_threads() == before


def test_a_smaller_tile_after_a_larger_one_is_right(model: Model) -> None:
    """Memory is kept from tile to tile."""
    outputs = ["Nuclei-INST", "Gland-INST"]
    in_strips(model.network, tissue(704, 640), 104, outputs)
    image = tissue(480, 512)
    assert_same(in_strips(model.network, image, 104, outputs), at_once(model.network, image, 104, outputs))
