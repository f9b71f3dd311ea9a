"""From probability maps to polygons with class and confidence; knows nothing of torch, slides or QuPath.

Importing this package alone loads nothing heavy: the public names load their modules when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cerberus_annotate.objects.instances import gland_instances, lumen_instances, nucleus_instances
    from cerberus_annotate.objects.predicted import PredictedObject

__all__ = ["PredictedObject", "gland_instances", "lumen_instances", "nucleus_instances"]

_MODULES = {
    "PredictedObject": "predicted",
    "gland_instances": "instances",
    "lumen_instances": "instances",
    "nucleus_instances": "instances",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
