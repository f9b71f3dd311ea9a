"""A type head with new classes says what it said before until it has learnt them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS
from cerberus_annotate.learn.finetuning.stopping import fixed_batches
from cerberus_annotate.learn.finetuning.widening import begin_as, new_types, widened
from cerberus_annotate.learn.training.heads import heads_of
from cerberus_annotate.learn.training.loop import grid_of
from cerberus_annotate.network.checkpoint import read_checkpoint
from tests.learn.finetuning.conftest import tissue

PIXELS = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 255


def test_types_with_a_class_of_their_own_or_a_wider_one_are_not_new(parent: Path) -> None:
    heads = heads_of(read_checkpoint(parent).config)
    present = {"nucleus-types": {"epithelial", "neutrophil", "tumour-cell", "mitosis"}, "gland-types": {"dysplastic"}}
    assert new_types(present, heads) == {"nucleus-types": ("mitosis", "tumour-cell")}


def test_a_wider_head_gives_the_old_answers_and_keeps_the_old_weights(parent: Path) -> None:
    old = read_checkpoint(parent)
    new = widened(old, {"nucleus-types": ("mitosis", "tumour-cell")})
    with torch.inference_mode():
        before, after = old(PIXELS), new(PIXELS)
    assert heads_of(new.config).of("nucleus-types").classes[-2:] == ("mitosis", "tumour-cell")
    assert after["Nuclei-TYPE"].shape[1] == before["Nuclei-TYPE"].shape[1] + 2
    assert torch.equal(after["Nuclei-TYPE"].argmax(1), before["Nuclei-TYPE"].argmax(1))
    assert torch.allclose(after["Nuclei-TYPE"][:, :-2], before["Nuclei-TYPE"], atol=1e-5)
    assert torch.equal(after["Gland-INST"], before["Gland-INST"])


def test_without_new_types_it_is_a_network_of_its_own_with_the_same_weights(parent: Path) -> None:
    network = read_checkpoint(parent)
    same = widened(network, {})
    for name, value in network.state_dict().items():
        assert torch.equal(same.state_dict()[name], value)
    with torch.no_grad():
        same.conv_map.weight.add_(1)
    assert not torch.equal(same.conv_map.weight, network.conv_map.weight)


def test_a_new_class_begins_as_the_one_that_its_nuclei_are_taken_for(parent: Path) -> None:
    old = read_checkpoint(parent)
    network = widened(old, {"nucleus-types": ("mitosis", "tumour-cell")})
    heads = heads_of(network.config)
    labels = (*NUCLEUS_LABELS, "tumour-cell")
    image = tissue(1)
    types = np.where(image.nuclei > 0, len(labels) - 1, 0).astype(np.uint8)
    image = replace(image, nucleus_types=types, nucleus_labels=labels)
    begin_as(network, "nucleus-types", "tumour-cell", fixed_batches([image], heads, grid_of(network.config, 64), 4))
    with torch.inference_mode():
        before, after = old(PIXELS)["Nuclei-TYPE"], network(PIXELS)["Nuclei-TYPE"]
    epithelial = heads.of("nucleus-types").classes.index("epithelial")
    assert torch.allclose(after[:, -1], before[:, epithelial] - 0.5, atol=1e-4)
    assert torch.allclose(after[:, :-2], before, atol=1e-5)
