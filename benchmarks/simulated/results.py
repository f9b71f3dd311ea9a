"""What each round gave, one JSON file each, and what all of them say together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from cerberus_annotate.errors import UsageError
from cerberus_annotate.files import write_whole

QUEUE, RANDOM, SCRATCH = "queue", "random", "scratch"
ARMS = (QUEUE, RANDOM, SCRATCH)

START = "start.json"
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Start:
    """The start model. sha256: of its weights. held_out: as `HeldOut.as_dict`. known: set → measure → value."""

    sha256: str
    held_out: Mapping[str, Any]
    known: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Round:
    """regions: corrected in this round, [image, left, top, right, bottom]. corrected: regions so far. nuclei, edits: in
    the regions of this round. known: of the last round of an arm that goes on from the start model, else empty.
    seconds: of processor by part.
    """

    arm: str
    seed: int
    round: int
    regions: Sequence[Sequence[Any]]
    corrected: int
    nuclei: int
    edits: Mapping[str, int]
    held_out: Mapping[str, Any]
    known: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


def arm_folder(out: Path, arm: str, seed: int) -> Path:
    """Where an arm's project, harvest and models lie."""
    return out / f"{arm}-{seed}"


def round_file(out: Path, arm: str, seed: int, number: int) -> Path:
    """Where a round's result lies."""
    return arm_folder(out, arm, seed) / f"round-{number}.json"


def write_result(path: Path, result: Start | Round) -> None:
    """Writes a result, whole or not at all."""
    write_json(path, asdict(result))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON, whole or not at all."""
    text = json.dumps(content, ensure_ascii=False, indent=1)
    write_whole(path, f"{text}\n".encode(), "The result")


def read_start(out: Path) -> Start | None:
    """The start model's result, None where it is not there."""
    path = out / START
    return Start(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def read_round(path: Path) -> Round | None:
    """A round's result, None where it is not there."""
    return Round(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def read_rounds(out: Path) -> list[Round]:
    """All results that are there, by arm, seed and round."""
    found = [read_round(path) for path in out.glob("*/round-*.json")]
    rounds = [one for one in found if one is not None]
    return sorted(rounds, key=lambda one: (ARMS.index(one.arm), one.seed, one.round))


def check_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """Writes what all results of a folder have in common.  Raises UsageError where it holds results of other ones."""
    path = out / SETTINGS
    if not path.exists():
        write_json(path, settings)
        return
    known = json.loads(path.read_text("utf-8"))
    other = [name for name, value in settings.items() if known.get(name) != value]
    if other:
        differs = ", ".join(f"{name} {known.get(name)} instead of {settings[name]}" for name in other)
        raise UsageError(f"{out} holds results of other settings ({differs}); give another --out.")


@dataclass(frozen=True)
class Spread:
    """Mean over seeds, standard deviation between them, and the 95 % interval of the mean by Student's t. The latter
    are NaN for one seed.
    """

    mean: float
    sd: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Of one value a seed."""
    array = np.asarray(values, float)
    mean = float(array.mean())
    if len(array) < 2:
        return Spread(mean, float("nan"), float("nan"), float("nan"), len(array))
    sd = float(array.std(ddof=1))
    reach = float(stats.t.ppf(0.975, len(array) - 1)) * sd / len(array) ** 0.5
    return Spread(mean, sd, mean - reach, mean + reach, len(array))


def edits_per_region(held_out: Mapping[str, Any]) -> float:
    """Edits of all kinds that a region needs, mean over regions."""
    return sum(held_out["edits"].values()) / held_out["regions"]


def pq_of(held_out: Mapping[str, Any]) -> float:
    """PQ of nuclei, mean over images."""
    return float(held_out["measures"]["pq"])


def finished_seeds(rounds: Sequence[Round], arm: str) -> list[int]:
    """Seeds of an arm that have as many rounds as the longest, in order."""
    last = max((one.round for one in rounds), default=0)
    return sorted(one.seed for one in rounds if one.arm == arm and one.round == last)


def of_arm(rounds: Sequence[Round], arm: str) -> dict[int, list[Round]]:
    """The rounds of each finished seed of an arm, in order."""
    seeds = finished_seeds(rounds, arm)
    return {seed: [one for one in rounds if one.arm == arm and one.seed == seed] for seed in seeds}


def regions_needed(corrected: Sequence[float], curve: Sequence[float], goal: float) -> float | None:
    """After how many regions a curve first reaches a value, between its points by a straight line; None if never."""
    for at, value in enumerate(curve):
        if value < goal:
            continue
        if at == 0:
            return float(corrected[0])
        before = curve[at - 1]
        return float(corrected[at - 1] + (corrected[at] - corrected[at - 1]) * (goal - before) / (value - before))
    return None
