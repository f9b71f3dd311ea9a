"""The checkpoint that a run goes on from; its averaged weights are what a user gets."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from cerberus_annotate.errors import ModelError, UsageError
from cerberus_annotate.files import write_in_one_step
from cerberus_annotate.learn.training.extension import Watch

LENGTHENED = ("steps", "fall")
"""What a plan may change between two starts of one run: how long it goes."""


def write_progress(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: Any,
    origin: dict[str, Any],
    step: int,
    watch: Watch | None = None,
) -> None:
    """Writes beside `path`, then renames, so that an interruption or a full disk leaves the checkpoint before."""
    content = {
        **origin,
        "state": average.state_dict(),
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
        **({} if watch is None else {"watch": watch.state()}),
    }
    try:
        write_in_one_step(path, lambda file: torch.save(content, file))
    except (OSError, RuntimeError) as error:
        raise ModelError(f"The checkpoint {path} could not be written: {error}. The one before it is kept.") from error


def read_progress(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: Any,
    origin: dict[str, Any],
    device: torch.device,
    watch: Watch | None = None,
) -> int:
    """Loads a checkpoint where there is one; gives the steps that it had done. Raises UsageError for another plan's."""
    if not path.exists():
        return 0
    saved = torch.load(path, map_location=device, weights_only=True)
    changed = _changed(saved, origin)
    if changed:
        raise UsageError(
            f"{path} is a checkpoint of another plan ({', '.join(changed)} differ); give another folder, or remove it."
        )
    network.load_state_dict(saved["network"])
    average.load_state_dict(saved["state"])
    optimiser.load_state_dict(saved["optimiser"])
    if watch is not None:
        watch.load(saved["watch"])
    return int(saved["step"])


def _changed(saved: dict[str, Any], origin: dict[str, Any]) -> list[str]:
    changed = [key for key in ("data", "config") if _plain(saved.get(key)) != _plain(origin[key])]
    before, now = saved.get("plan", {}), origin["plan"]
    changed += [f"`{key}`" for key in now if key not in LENGTHENED and _plain(before.get(key)) != _plain(now[key])]
    return changed


def _plain(value: Any) -> Any:
    """Tuples as lists: both come back from a checkpoint."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
