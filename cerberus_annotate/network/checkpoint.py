"""Checkpoints on disk: ours, the official ones, plain state dicts. Tensors only, never arbitrary pickle."""

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from cerberus_annotate.errors import ModelError
from cerberus_annotate.files import write_in_one_step
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import DecoderConfig, HeadConfig, NetworkConfig, official_config

State = Mapping[str, Tensor]


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checkpoint(
    path: Path, network: Cerberus, half: bool = True, plan: Mapping[str, Any] | None = None, data: str = ""
) -> None:
    """Writes our format: the configuration as JSON beside the state, and where it was trained the plan and the
    fingerprint of its data.

    half: convolutions in half precision; norms stay as they are, their variances go beyond what it holds. Raises
    ModelError for weights that are no numbers.
    """
    state = {
        name: value.half() if half and value.dtype == torch.float32 and value.ndim > 1 else value
        for name, value in network.state_dict().items()
    }
    _check_numbers(state, path)
    origin = {} if plan is None else {"plan": json.dumps(plan), "data": data}
    content = {"config": json.dumps(network.config.as_dict()), "state": state, **origin}
    write_in_one_step(path, lambda file: torch.save(content, file))


def read_plan_of(path: Path) -> dict[str, Any]:
    """The plan that a checkpoint of ours was trained by, {} where it has none. Raises ModelError."""
    plan = _load_tensors(path).get("plan", "{}")
    return dict(json.loads(plan) if isinstance(plan, str) else plan)


def read_checkpoint(path: Path) -> Cerberus:
    """The network of a checkpoint file, unfolded, float32, in eval mode.

    Takes our format, a training checkpoint (its averaged weights), an official `weights.tar` (with
    `settings.yml` beside it where there is one) and a plain state dict of the official network. Raises ModelError.
    """
    content = _load_tensors(path)
    if "config" in content and "state" in content:
        config = content["config"]
        try:
            parsed = NetworkConfig.from_dict(json.loads(config) if isinstance(config, str) else config)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The checkpoint {path} has a configuration that this version cannot read.") from error
        return network_with(parsed, content["state"], path)
    state = _without_prefix(content.get("desc", content))
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path} holds no network weights (no state dict, no 'desc' with one).")
    return network_with(_official_config_of(state, path), state, path)


def network_with(config: NetworkConfig, state: State, path: Path) -> Cerberus:
    """The network of `config` with the weights `state`; `path` is named in the ModelError when they do not fit."""
    network = Cerberus(config)
    expected = network.state_dict()
    missing = [name for name in expected if name not in state]
    extra = [name for name in state if name not in expected]
    misfits = [name for name in expected if name in state and expected[name].shape != state[name].shape]
    if missing or extra or misfits:
        raise ModelError(f"The weights in {path} do not fit the network: {_misfit(expected, state)}.")
    _check_numbers(state, path)
    network.load_state_dict({name: value.to(expected[name].dtype) for name, value in state.items()})
    return network.eval()


def _check_numbers(state: State, path: Path) -> None:
    bad = [name for name, value in state.items() if value.is_floating_point() and not bool(torch.isfinite(value).all())]
    if bad:
        raise ModelError(
            f"The weights for {path} hold values that are no numbers, first in '{bad[0]}': the network is broken. "
            "Train again from an earlier checkpoint, with a lower `rate`."
        )


def _misfit(expected: State, state: State) -> str:
    parts = []
    for label, names in (
        ("missing", [n for n in expected if n not in state]),
        ("unknown", [n for n in state if n not in expected]),
    ):
        if names:
            parts.append(f"{len(names)} entries {label}, the first '{names[0]}'")
    for name in expected:
        if name in state and expected[name].shape != state[name].shape:
            parts.append(f"'{name}' has shape {tuple(state[name].shape)} where {tuple(expected[name].shape)} is needed")
            break
    return "; ".join(parts)


def _load_tensors(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelError(f"There is no checkpoint {path}.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{path} cannot be read as a checkpoint of tensors; it is damaged, or holds code, which is never run."
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__} where a state dict is needed.")
    return content


def _without_prefix(state: State) -> State:
    if state and all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _official_config_of(state: State, path: Path) -> NetworkConfig:
    """The official configuration, less what the settings or the state lack."""
    config = official_config()
    settings = path.with_name("settings.yml")
    classes = _decoder_classes(settings) if settings.is_file() else {}
    decoders = []
    for decoder in config.decoders:
        if not any(name.startswith(f"decoder_head.{decoder.name}.") for name in state):
            continue
        heads = tuple(
            _resized(head, classes.get(decoder.name, {}).get(head.kind, len(head.classes))) for head in decoder.heads
        )
        decoders.append(DecoderConfig(decoder.name, heads))
    patch = config.patch_head
    if patch is not None and f"decoder_head.{patch.name}.conv1.weight" not in state:
        patch = None
    classifier = config.unused_classifier if "backbone.fc.weight" in state else 0
    return replace(config, decoders=tuple(decoders), patch_head=patch, unused_classifier=classifier)


def _resized(head: HeadConfig, channels: int) -> HeadConfig:
    if channels == len(head.classes):
        return head
    return HeadConfig(head.kind, ("nolabel", *(f"type {index}" for index in range(1, channels))))


def _decoder_classes(settings: Path) -> dict[str, dict[str, int]]:
    try:
        content = yaml.safe_load(settings.read_text(encoding="utf-8"))
        decoders = content["model_kwargs"]["decoder_kwargs"]
        return {str(name): {str(k): int(v) for k, v in heads.items()} for name, heads in decoders.items()}
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise ModelError(f"{settings} cannot be read as Cerberus settings (model_kwargs, decoder_kwargs).") from error
