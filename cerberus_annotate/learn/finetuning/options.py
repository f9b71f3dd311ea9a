"""What a user can choose when a model is fine-tuned."""

from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.learn.training.plan import Plan


@dataclass(frozen=True)
class FinetuneOptions:
    """parent: a model's name or a checkpoint.  replay: data sets whose training split is learnt beside the harvest.
    steps: None for as many as the data need.  freeze: of the encoder, as in `Plan`.  precision: as Fabric names it.
    """

    parent: str
    replay: tuple[Path, ...] = ()
    steps: int | None = None
    freeze: str = "none"
    seed: int = 1
    accelerator: str = "auto"
    devices: int = 1
    precision: str = Plan.precision
