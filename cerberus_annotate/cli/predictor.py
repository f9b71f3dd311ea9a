"""The real network behind what `annotate` asks; loads torch."""

from functools import partial
from typing import TYPE_CHECKING, Any

from cerberus_annotate.errors import ModelError

if TYPE_CHECKING:
    from cerberus_annotate.annotate.one_image import Predict
    from cerberus_annotate.annotate.plan import Expect


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
