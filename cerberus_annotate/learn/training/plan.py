"""What is trained on what, and how: a TOML file as frozen data. It travels in the checkpoint."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import LABELS

PRESETS = ("lean", "official")
TASKS = ("nuclei", "nucleus-types", "gland", "gland-types", "lumen", "mask", "patch")
FREEZE = ("none", "encoder", "first-1", "first-2", "first-3")


@dataclass(frozen=True)
class DataPlan:
    """One data set of a plan. path: its folder, relative to the data root.  splits: what may be trained on, empty for
    all.  share: how often its images are drawn, relative to the others.  ignore: labels that are not learnt from, by
    their names in `LabelledImage`.  mpp: µm/px of its images where they do not say it or are to be taken for others.
    """

    path: str
    splits: tuple[str, ...] = ()
    share: float = 1.0
    ignore: tuple[str, ...] = ()
    mpp: float | None = None


@dataclass(frozen=True)
class Plan:
    """A training run.

    preset: the network's shape.  tasks: the heads that it gets.  start: registered model or checkpoint whose weights
    of the same name and shape are taken over.  freeze: what of it does not learn: `encoder`, or its `first-k` layers.
    encoder_rate: learning rate of the encoder relative to the heads'.  side, batch: crops in px of the network's
    grid, and how many a step.  rate, decay, average: AdamW's learning rate and weight decay, and the decay of the
    moving average that becomes the model.  fall: the last part of the steps, over which the rate falls to zero.
    losses: weight by task.  reference_loss: the published targets and losses instead of ours.  weak_lumina: lumina are
    learnt from the pale areas inside annotated glands.  precision: as Lightning Fabric names it.
    """

    name: str
    data: tuple[DataPlan, ...]
    preset: str = "lean"
    tasks: tuple[str, ...] = ("nuclei", "nucleus-types", "gland", "lumen")
    start: str | None = None
    freeze: str = "none"
    encoder_rate: float = 1.0
    steps: int = 6000
    side: int = 256
    batch: int = 8
    seed: int = 1
    rate: float = 2e-3
    decay: float = 0.02
    average: float = 0.998
    fall: float = 0.3
    losses: Mapping[str, float] = field(default_factory=dict)
    reference_loss: bool = False
    weak_lumina: bool = False
    precision: str = "bf16-mixed"
    patch_classes: tuple[str, ...] = ()
    mask_classes: tuple[str, ...] = ("background", "foreground")

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON can hold it."""
        return {**asdict(self), "losses": dict(self.losses)}


def read_plan(path: Path) -> Plan:
    """The plan of a TOML file. Raises UsageError for a missing file, bad TOML, and keys or values that are none."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"There is no training plan {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML file: {error}.") from None
    return plan_from(content, str(path))


def plan_from(content: Mapping[str, Any], origin: str) -> Plan:
    """The plan that a mapping describes; `origin` names it in errors."""
    _check_keys(content, Plan, origin)
    if not content.get("name") or not content.get("data"):
        raise UsageError(f"{origin} needs a `name` and at least one [[data]] with a `path`.")
    data = []
    for entry in content["data"]:
        _check_keys(entry, DataPlan, f"[[data]] of {origin}")
        if "path" not in entry:
            raise UsageError(f"A [[data]] of {origin} has no `path`.")
        data.append(DataPlan(**{key: _frozen(value) for key, value in entry.items()}))
    rest = {key: _frozen(value) for key, value in content.items() if key != "data"}
    plan = Plan(**{**rest, "data": tuple(data)})
    _check_values(plan, origin)
    return plan


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_keys(content: Mapping[str, Any], kind: type, origin: str) -> None:
    known = {f.name: f for f in fields(kind)}
    for key, value in content.items():
        if key not in known:
            raise UsageError(f"{origin} has the key `{key}`; known are {', '.join(known)}.")
        default = known[key].default
        if isinstance(default, int | float) and not isinstance(value, int | float):
            raise UsageError(f"`{key}` of {origin} must be a number, not {value!r}.")


def _check_values(plan: Plan, origin: str) -> None:
    for data in plan.data:
        if unknown := set(data.ignore) - set(LABELS):
            names = ", ".join(sorted(unknown))
            raise UsageError(f"`ignore` of {data.path} names {names}; the labels are {', '.join(LABELS)}.")
    if plan.preset not in PRESETS:
        raise UsageError(f"`preset` of {origin} is {plan.preset!r}; it may be {', '.join(PRESETS)}.")
    for task in (*plan.tasks, *plan.losses):
        if task not in TASKS:
            raise UsageError(f"{origin} names the task {task!r}; the tasks are {', '.join(TASKS)}.")
    if plan.freeze not in FREEZE:
        raise UsageError(f"`freeze` of {origin} is {plan.freeze!r}; it may be {', '.join(FREEZE)}.")
    if plan.freeze != "none" and plan.start is None:
        raise UsageError(f"{origin} freezes a network that nothing is loaded into; give `start`.")
    if plan.side % 16 or plan.side < 64:
        raise UsageError(f"`side` of {origin} is {plan.side}; it must be a multiple of 16, from 64 on.")
    if plan.batch < 1 or plan.steps < 1 or sum(d.share for d in plan.data) <= 0 or any(d.share < 0 for d in plan.data):
        raise UsageError(f"`batch`, `steps` and the sum of shares of {origin} must be above 0.")
    if "patch" in plan.tasks and not plan.patch_classes:
        raise UsageError(f"{origin} trains `patch`; name its classes in `patch_classes`.")
