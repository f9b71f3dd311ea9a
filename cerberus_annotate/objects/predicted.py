"""What the network found, before any project knows of it."""

import uuid as uuid_module
from collections.abc import Mapping
from dataclasses import dataclass, field

from shapely.geometry import Polygon


@dataclass(frozen=True)
class PredictedObject:
    """One nucleus, gland, lumen or tissue area.

    `polygon` is valid, may have holes, and is in the pixels of whoever asked: of `rgb` for `predict_image`,
    level-0 pixels of the slide as QuPath shows it for a run. `path_class` is the class text as QuPath prints it
    (`Nucleus: Epithelial`). `confidence` is the mean probability inside, 0 to 1. `parent` is the `uuid` of the
    gland around a lumen. `measurements` are further numbers by name, with their unit in the name.
    """

    task: str
    path_class: str
    polygon: Polygon
    confidence: float
    uuid: uuid_module.UUID = field(default_factory=uuid_module.uuid4)
    parent: uuid_module.UUID | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)
