"""The real network behind what `annotate` asks; loads torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from cerberus_annotate.errors import ModelError, UsageError

if TYPE_CHECKING:
    from cerberus_annotate.annotate.one_image import Predict
    from cerberus_annotate.annotate.plan import Expect
    from cerberus_annotate.annotate.several import Ahead
    from cerberus_annotate.predict.several_devices import SeveralDevices


def load_expectation(model: Any, precision: str, geometry: str) -> "Expect":
    """What `annotate.plan` asks for tiles and seconds, after a short measurement of this machine."""
    from cerberus_annotate.predict.expectation import expected_work, measure_speed

    return partial(expected_work, model=model, speed=measure_speed(model, precision), geometry=geometry)


def load_predictor(
    model_name: str | None, device: str, precision: str, batch_size: int | None, geometry: str
) -> tuple[Any, "Predict"]:
    """(model, predict) for a model name or path, the default one for None.

    Raises ModelError or UsageError when the model or the device cannot be used.
    """
    from cerberus_annotate.network import load_model
    from cerberus_annotate.network.registry import default_model
    from cerberus_annotate.predict import predict_slide
    from cerberus_annotate.predict.inference import choose_precision

    model = load_model(model_name or default_model(), device=device)
    if not model.tasks:
        raise ModelError(
            f"The model {model.name} finds nothing in slides: it has no head for nuclei, glands, lumina or tissue. "
            "It serves `evaluate`; choose another --model here."
        )
    choose_precision(model.device, precision)
    predict = partial(predict_slide, model=model, batch_size=batch_size, precision=precision, geometry=geometry)
    return model, predict


@contextmanager
def computing(
    cluster: str | None, model_name: str | None, device: str, precision: str, batch_size: int | None, geometry: str
) -> "Iterator[tuple[Any, Predict, Ahead | None]]":
    """(model, predict, ahead) of a run: on the cluster of a scheduler's address, on all GPUs, or on the one device.

    ahead: None where `predict` is for one image at a time. Raises as `load_predictor`, and UsageError for a cluster
    that cannot be used.
    """
    if cluster is None:
        model, predict = load_predictor(model_name, device, precision, batch_size, geometry)
        several = _on_all_devices(model, precision, batch_size, geometry)
        yield model, several or predict, several
        return
    try:
        from cerberus_annotate.predict.cluster.cluster import Cluster
        from cerberus_annotate.predict.cluster.connection import connected
        from cerberus_annotate.predict.cluster.weights import send_weights
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("dask", "distributed"):
            raise
        raise UsageError("--cluster needs Dask; install it with: pip install 'cerberus-annotate[cluster]'.") from error
    from cerberus_annotate.network.registry import default_model, find_weights

    name = model_name or default_model()
    # nothing is computed here, only its classes are needed
    model, _ = load_predictor(name, "cpu", "auto", None, geometry)
    with connected(cluster) as client:
        send_weights(client, model, find_weights(name))
        there = Cluster(client, model, device=device, precision=precision, batch_size=batch_size, geometry=geometry)
        yield model, there, there


def _on_all_devices(model: Any, precision: str, batch_size: int | None, geometry: str) -> "SeveralDevices | None":
    """What predicts on all GPUs; None where there is one device."""
    if model.device != "cuda":
        return None
    from cerberus_annotate.predict.several_devices import SeveralDevices, devices_of

    devices = devices_of(model.device)
    if len(devices) == 1:
        return None
    return SeveralDevices(model, devices, batch_size=batch_size, precision=precision, geometry=geometry)
