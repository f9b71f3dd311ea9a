"""A network ready for inference, with what a run must know of it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from cerberus_annotate.errors import UsageError
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import read_checkpoint, sha256_of
from cerberus_annotate.network.config import output_classes
from cerberus_annotate.network.folding import fold_norms
from cerberus_annotate.network.registry import find_weights

TASK_OUTPUTS = {
    "nuclei": ("Nuclei-INST", "Nuclei-TYPE"),
    "gland": ("Gland-INST", "Gland-TYPE"),
    "lumen": ("Lumen-INST",),
    "tissue": ("Patch-Class",),
}
"""The network's outputs that each task needs: instances first, then types where the model has them."""


@dataclass(frozen=True)
class Model:
    """A folded network in eval mode on its device.

    sha256: of the weights file.  mpp: µm/px of the network's grid, input_mpp of its input, which is stem_stride times
    finer.  margin: px of context around the kept part of a tile.  tasks: of `nuclei`, `gland`, `lumen`, `tissue`.
    classes: channel names by output name.
    """

    network: Cerberus
    name: str
    sha256: str
    device: str

    @property
    def mpp(self) -> float:
        return self.network.config.mpp

    @property
    def input_mpp(self) -> float:
        return self.network.config.input_mpp

    @property
    def stem_stride(self) -> int:
        return self.network.config.stem_stride

    @property
    def margin(self) -> int:
        return self.network.config.margin

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        return output_classes(self.network.config)

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(task for task, outputs in TASK_OUTPUTS.items() if outputs[0] in self.classes)


def choose_device(wanted: str) -> str:
    """The torch device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`. Raises UsageError when it is not there."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise UsageError("No CUDA device can be used by this torch; give --device cpu, or see `doctor`.")
        if index and int(index) >= torch.cuda.device_count():
            raise UsageError(f"There is no {wanted}; this machine has {torch.cuda.device_count()} CUDA device(s).")
    elif kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("No MPS device can be used by this torch; give --device cpu.")
    return wanted


def load_model(name_or_path: str | Path, device: str = "cpu") -> Model:
    """A registered model by name, or a checkpoint by path, folded and on `device`.

    A model need not have a task for slides: some only classify pixels or whole images. Raises ModelError when there
    is none, or its weights do not fit; UsageError for an unusable device.
    """
    path = find_weights(str(name_or_path))
    place = choose_device(device)
    network = fold_norms(read_checkpoint(path))
    network = network.to(place).to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]
    name = path.parent.name if path.name in ("weights.pt", "weights.tar") else path.stem
    return Model(network, name, sha256_of(path), place)
