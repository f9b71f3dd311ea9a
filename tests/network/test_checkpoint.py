"""Checkpoints that load, and those that are refused with a sentence."""

import json
import pickle
from pathlib import Path

import pytest
import torch

from cerberus_annotate.errors import ModelError
from cerberus_annotate.network import load_model, official
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import read_checkpoint, write_checkpoint
from cerberus_annotate.network.config import NetworkConfig, lean_config, official_config
from cerberus_annotate.network.folding import fold_norms

SETTINGS = """
model_kwargs:
  decoder_kwargs: {Lumen: {INST: 3}, Gland: {INST: 3}, Nuclei: {INST: 3}, Nuclei#TYPE: {TYPE: 7}, Gland#TYPE: {TYPE: 3},
                   Patch-Class: {OUT: 9}}
  considered_tasks: [Nuclei, Nuclei#TYPE, Gland, Gland#TYPE, Lumen, Patch-Class]
"""


def test_a_configuration_survives_its_checkpoint(tmp_path: Path) -> None:
    network = Cerberus(lean_config())
    write_checkpoint(tmp_path / "lean.pt", network)
    again = read_checkpoint(tmp_path / "lean.pt")
    assert again.config == network.config
    for name, value in network.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), value.float(), rtol=1e-3, atol=1e-4)


def test_configurations_round_trip_as_plain_data() -> None:
    for config in (official_config(), lean_config()):
        assert NetworkConfig.from_dict(config.as_dict()) == config


@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_official_folder_loads(tmp_path: Path, prefix: str) -> None:
    state = {prefix + name: value for name, value in official().state_dict().items()}
    torch.save({"desc": state, "step": 1}, tmp_path / "weights.tar")
    (tmp_path / "settings.yml").write_text(SETTINGS)
    model = load_model(tmp_path)
    assert model.tasks == ("nuclei", "gland", "lumen", "tissue")
    assert (model.mpp, model.margin) == (0.5, 200)


def test_an_official_checkpoint_without_some_decoders_has_fewer_tasks(tmp_path: Path) -> None:
    state = {n: v for n, v in official().state_dict().items() if ".Lumen." not in n and "Patch-Class" not in n}
    torch.save({"desc": state}, tmp_path / "weights.tar")
    assert load_model(tmp_path / "weights.tar").tasks == ("nuclei", "gland")


def test_folding_keeps_the_outputs() -> None:
    network = Cerberus(lean_config())
    image = torch.rand(1, 3, 256, 256) * 255
    with torch.no_grad():
        network(image)  # moves the norms off their initial statistics
        network.eval()
        plain, folded = network(image, margin=40), fold_norms(network)(image, margin=40)
    for name, value in plain.items():
        assert torch.allclose(folded[name], value, atol=1e-4)


def test_a_margin_gives_the_same_as_cutting_afterwards() -> None:
    network = Cerberus(lean_config()).eval()
    image = torch.rand(1, 3, 448, 512) * 255
    finer = {"Nuclei-INST": 2}
    with torch.inference_mode():
        whole = network(image)
        for margin in (8, 40, 57, 104):
            for name, value in network(image, margin=margin).items():
                cut = margin * finer.get(name, 1)
                expected = whole[name][:, :, cut:-cut, cut:-cut]
                # sums come in another order: float32 rounds by the size of the largest logits
                assert (value - expected).abs().max() <= 1e-5 * whole[name].abs().max()


class Hostile:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("hostile-was-here"),))


@pytest.mark.parametrize("kind", ["missing", "text", "code", "list", "shapes", "names"])
def test_what_is_no_checkpoint_is_refused_with_a_sentence(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pt"
    if kind == "text":
        path.write_text("no weights")
    elif kind == "code":
        path.write_bytes(pickle.dumps({"desc": Hostile()}, protocol=2))
    elif kind == "list":
        torch.save([1, 2], path)
    elif kind in ("shapes", "names"):
        state = official().state_dict()
        if kind == "shapes":
            state["conv_map.weight"] = torch.zeros(1, 2, 3, 4)
        else:
            state["something.else"] = torch.zeros(1)
        torch.save(state, path)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert "weights.pt" in str(caught.value)
    assert not (tmp_path / "hostile-was-here").exists()


def test_variances_beyond_half_precision_come_back_as_they_were(tmp_path: Path) -> None:
    network = Cerberus(lean_config())
    network.backbone.bn1.running_var.fill_(120_000.0)
    write_checkpoint(tmp_path / "weights.pt", network)
    assert read_checkpoint(tmp_path / "weights.pt").backbone.bn1.running_var.eq(120_000.0).all()


def test_weights_that_are_no_numbers_are_neither_written_nor_read(tmp_path: Path) -> None:
    network = Cerberus(lean_config())
    write_checkpoint(tmp_path / "weights.pt", network)
    before = (tmp_path / "weights.pt").read_bytes()
    network.backbone.bn1.running_var[0] = torch.inf
    with pytest.raises(ModelError, match=r"no numbers, first in 'backbone\.bn1\.running_var'"):
        write_checkpoint(tmp_path / "weights.pt", network)
    assert (tmp_path / "weights.pt").read_bytes() == before
    torch.save({"config": json.dumps(network.config.as_dict()), "state": network.state_dict()}, tmp_path / "bad.pt")
    with pytest.raises(ModelError, match="no numbers"):
        read_checkpoint(tmp_path / "bad.pt")
