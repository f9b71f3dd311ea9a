"""The Cerberus network, its checkpoints, and the models that we know by name.

`official()` and `load_model()` load torch at the first use; importing this package does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cerberus_annotate.network.cerberus import Cerberus, official
    from cerberus_annotate.network.folding import fold_norms
    from cerberus_annotate.network.model import Model, load_model

__all__ = ["Cerberus", "Model", "fold_norms", "load_model", "official"]

_HOMES = {
    "Cerberus": "cerberus",
    "official": "cerberus",
    "fold_norms": "folding",
    "Model": "model",
    "load_model": "model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
