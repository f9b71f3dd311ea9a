"""A type head with new classes says what it said before until it has learnt them."""

from pathlib import Path

import torch

from cerberus_annotate.learn.finetuning.widening import new_types, widened
from cerberus_annotate.learn.training.heads import heads_of
from cerberus_annotate.network.checkpoint import read_checkpoint

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


def test_without_new_types_the_network_is_the_same(parent: Path) -> None:
    network = read_checkpoint(parent)
    assert widened(network, {}) is network
