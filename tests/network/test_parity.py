"""The official configuration gives what the public reference gives (fixtures of `shared/parity`)."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cerberus_annotate.network import fold_norms, official
from cerberus_annotate.network.cerberus import Cerberus

LOGITS, PROBABILITY, ARGMAX = 1e-3, 2e-4, 0.999


@pytest.fixture(scope="module")
def parity(shared: Path) -> Path:
    return shared / "parity"


@pytest.fixture(scope="module")
def reference(parity: Path) -> Cerberus:
    spec = importlib.util.spec_from_file_location("make_weights", parity / "make_weights.py")
    make_weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_weights)
    weights = make_weights.make(1)
    expected = json.loads((parity / "seed1_meta.json").read_text())["sets"][0]["weights_sha256"]
    assert make_weights.checksum(weights) == expected
    network = official()
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()}, strict=True)
    return network.eval()


def image_tensor(path: Path) -> torch.Tensor:
    rgb = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float()


def test_state_entries_are_those_of_the_official_checkpoints_in_order(parity: Path) -> None:
    wanted = [(name, tuple(shape)) for name, shape, _ in json.loads((parity / "state_dict.json").read_text())["state"]]
    assert [(name, tuple(value.shape)) for name, value in official().state_dict().items()] == wanted


@pytest.mark.parametrize("folded", [False, True], ids=["plain", "folded"])
@pytest.mark.parametrize("name", ["seed1_a", "seed1_b"])
def test_a_448_patch_gives_the_references_centre(reference: Cerberus, parity: Path, name: str, folded: bool) -> None:
    network = fold_norms(reference) if folded else reference
    expected = np.load(parity / f"{name}.npz")
    with torch.inference_mode():
        found = network(image_tensor(parity / f"{name}.png"), margin=152)
    for head, logits in found.items():
        if head == "Patch-Class":
            assert np.abs(logits[0].numpy() - expected["logits/Patch-Class"]).max() < LOGITS
            assert (logits[0].argmax(0).item() == expected[f"infer/{head}"]).all()
            continue
        assert np.abs(logits[0].numpy() - expected[f"logits_c144/{head}"]).max() < LOGITS
        probability = logits.softmax(1)[0].permute(1, 2, 0).numpy()
        if head.endswith("INST"):
            assert np.abs(probability[..., 1:] - expected[f"infer/{head}"]).max() < PROBABILITY
        else:
            assert (probability.argmax(-1) == expected[f"infer/{head}"]).mean() >= ARGMAX


def test_a_whole_768_tile_gives_the_references_maps_up_to_its_borders(reference: Cerberus, parity: Path) -> None:
    expected = np.load(parity / "seed1_tile768.npz")
    with torch.inference_mode():
        found = reference(image_tensor(parity / "seed1_tile768.png"))
    for head, logits in found.items():
        key, step = (f"logits_step16/{head}", 16) if f"logits_step16/{head}" in expected else (f"logits/{head}", 1)
        assert np.abs(logits[0, :, ::step, ::step].numpy() - expected[key]).max() < LOGITS


def test_only_wanted_outputs_are_computed_and_are_the_same(reference: Cerberus, parity: Path) -> None:
    image = image_tensor(parity / "seed1_a.png")
    with torch.inference_mode():
        nuclei = reference(image, margin=152, outputs=["Nuclei-INST"])
        everything = reference(image, margin=152)
    assert set(nuclei) == {"Nuclei-INST"}
    assert torch.equal(nuclei["Nuclei-INST"], everything["Nuclei-INST"])
