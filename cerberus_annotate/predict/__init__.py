"""Tiles in, seam-free objects out.

Importing this package loads no torch; its functions do at the first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cerberus_annotate.predict.image import predict_image
    from cerberus_annotate.predict.stream import predict_slide

__all__ = ["predict_image", "predict_slide"]

_HOMES = {"predict_image": "image", "predict_slide": "stream"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
