"""A type head with more classes: the network stays as it was and says so of new ones when it has learnt them."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from cerberus_annotate.learn.data.label_names import head_indices
from cerberus_annotate.learn.training.batches import Batch
from cerberus_annotate.learn.training.heads import Heads, heads_of
from cerberus_annotate.network.cerberus import Cerberus

BEHIND = 0.5
"""Logits by which a new class starts behind an old one, so that it never leads at first."""


def new_types(present: Mapping[str, Iterable[str]], heads: Heads) -> dict[str, tuple[str, ...]]:
    """Of types by task those that the head of the task has no class for; tasks without a head are left out."""
    found = {}
    for task, names in present.items():
        labels = sorted(names)
        if task in heads.heads:
            table = head_indices(labels, heads.of(task).classes)
            found[task] = tuple(name for index, name in enumerate(labels) if not table[index])
    return {task: names for task, names in found.items() if names}


def widened(network: Cerberus, types: Mapping[str, tuple[str, ...]]) -> Cerberus:
    """A new network in eval mode with these classes behind the old ones of its type heads, by task.

    All weights are kept. The rows of a new class are the mean of those of the old classes (without the first, which
    stands for none), and its bias lies `BEHIND` lower, so that on every pixel another class leads: what the network
    says is at first what it said before.
    """
    if not types:
        return copy.deepcopy(network).eval()
    heads = heads_of(network.config)
    grown = {heads.output(task): names for task, names in types.items()}
    decoders = tuple(
        replace(
            decoder,
            heads=tuple(
                replace(head, classes=(*head.classes, *grown.get(decoder.outputs[head.kind], ())))
                for head in decoder.heads
            ),
        )
        for decoder in network.config.decoders
    )
    new = Cerberus(replace(network.config, decoders=decoders))
    state = dict(network.state_dict())
    for task, names in types.items():
        layer = _last_layer(heads, task)
        for part, lower in (("weight", 0.0), ("bias", BEHIND)):
            old = state[f"{layer}.{part}"]
            state[f"{layer}.{part}"] = _with_rows(old, len(heads.of(task).classes), len(names), lower)
    new.load_state_dict(state)
    return new.eval()


def begin_as(network: Cerberus, task: str, name: str, batches: Iterable[Batch]) -> None:
    """Starts a new class as the old one that the network takes its pixels for, `BEHIND` lower, so that little is left
    to learn. batches: crops with pixels of the class; without any it stays as it is.
    """
    heads = heads_of(network.config)
    classes = heads.of(task).classes
    votes = torch.zeros(classes.index(name))
    for batch in batches:
        if task not in batch.rows:
            continue
        pixels = batch.rgb[batch.rows[task]].float()
        with torch.inference_mode():
            logits = network(pixels, outputs=[heads.output(task)])[heads.output(task)]
        of_class = logits[:, : len(votes)].permute(0, 2, 3, 1)[batch.targets[task] == classes.index(name)]
        votes[1:] += torch.bincount(of_class[:, 1:].argmax(1), minlength=len(votes) - 1)
    if votes.any():
        layer = network.get_submodule(_last_layer(heads, task))
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        with torch.no_grad():
            for part, lower in ((layer.weight, 0.0), (layer.bias, BEHIND)):
                by_class = part.unflatten(0, (len(classes), -1))
                by_class[classes.index(name)] = by_class[int(votes.argmax())] - lower


def _last_layer(heads: Heads, task: str) -> str:
    return f"output_head.{heads.decoder(task)}.{heads.of(task).kind}.x.1.conv"


def _with_rows(old: Tensor, classes: int, added: int, lower: float) -> Tensor:
    """`old` (classes · k, …), class by class, with the rows of `added` more."""
    by_class = old.unflatten(0, (classes, -1))
    mean = by_class[1:].mean(0, keepdim=True) - lower
    return torch.cat([by_class, mean.expand(added, *mean.shape[1:])]).flatten(0, 1).clone()
