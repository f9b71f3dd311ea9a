"""The model's weights on the workers: sent once, also to workers that come later; they need no model of their own."""

import threading
from pathlib import Path

from distributed import Client, Worker, WorkerPlugin

from cerberus_annotate.errors import ModelError, UsageError
from cerberus_annotate.network.model import Model, load_model

_files: dict[str, Path] = {}
_models: dict[tuple[str, str], Model] = {}
_lock = threading.Lock()


class Weights(WorkerPlugin):
    """Puts a weights file into the worker's own folder, which goes with the worker.

    The scheduler keeps it for workers to come until it ends itself.
    """

    idempotent = True

    def __init__(self, sha256: str, file_name: str, content: bytes) -> None:
        self.name = f"cerberus-annotate-{sha256}"
        self._sha256 = sha256
        self._file_name = file_name
        self._content = content

    def setup(self, worker: Worker) -> None:
        folder = Path(worker.local_directory) / self.name
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / self._file_name
        file.write_bytes(self._content)
        _files[self._sha256] = file


def model_here(sha256: str, device: str) -> Model:
    """The model of these weights in this worker's process.

    Raises ModelError when the weights did not arrive, UsageError for a device that is not there.
    """
    with _lock:
        if (sha256, device) not in _models:
            if sha256 not in _files:
                raise ModelError("The model's weights did not reach this worker; start it again.")
            model = load_model(_files[sha256], device=device)
            if model.sha256 != sha256:
                raise ModelError(f"The model's weights in {_files[sha256]} are damaged; start the worker again.")
            _models[sha256, device] = model
        return _models[sha256, device]


def send_weights(client: Client, model: Model, file: Path) -> None:
    """Sends the weights of `model`, which are in `file`, to all workers of now and later.

    Raises UsageError where a worker cannot take them, because it lacks this package.
    """
    try:
        client.register_plugin(Weights(model.sha256, file.name, file.read_bytes()))
    except Exception as error:
        raise UsageError(
            f"A worker of the cluster cannot take the model ({type(error).__name__}: {error}). Workers need this "
            "version of cerberus-annotate, with the extra cluster."
        ) from error
