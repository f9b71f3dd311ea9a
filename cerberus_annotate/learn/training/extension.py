"""What another way of training changes in the loop, such as fine-tuning."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from cerberus_annotate.learn.training.batches import Batch
from cerberus_annotate.learn.training.plan import TASKS


class Watch(Protocol):
    """Looks at the averaged network every `every` steps, before the first and after the last, and may end the run.

    What `state` gives travels in the checkpoint and comes back to `load`.
    """

    every: int

    @property
    def stopped(self) -> bool:
        """Whether the run has ended."""

    def check(self, step: int, average: nn.Module) -> None:
        """Looks at the averaged network after `step` steps."""

    def state(self) -> dict[str, Any]:
        """All that it remembers, as tensors and plain values."""

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""


@dataclass(frozen=True)
class Extension:
    """losses: of a batch, by name, instead of those of its labels alone.  rate: of a step, relative to the plan's.
    prepare: called with the network in training mode before every step.  watch: may end the run before.  columns: names
    of the losses.
    """

    losses: Callable[[nn.Module, Batch], dict[str, Tensor]]
    rate: Callable[[int], float]
    prepare: Callable[[nn.Module], None] = lambda network: None
    watch: Watch | None = None
    columns: tuple[str, ...] = TASKS
