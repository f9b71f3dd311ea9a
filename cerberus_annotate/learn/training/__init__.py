"""Training: a plan and labelled images in, a checkpoint out."""

from importlib.util import find_spec

from cerberus_annotate.errors import UsageError


def require_learning_libraries() -> None:
    """Raises UsageError where the libraries of the extra `learn` are not installed."""
    if find_spec("lightning_fabric") is None:
        raise UsageError("Training needs Lightning Fabric; install it with: pip install 'cerberus-annotate[learn]'")
