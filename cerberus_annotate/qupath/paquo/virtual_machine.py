"""QuPath's classes inside this process. A process can hold one JVM, and so one QuPath."""

import functools
from typing import Any

from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath.paquo.installation import WAY_OUT, find_installation, refuse_unsupported

#: -Xrs leaves Ctrl-C to Python, so that a run ends as it does with the other engine.
_OPTIONS = ("-Djava.awt.headless=true", "-Xrs")


@functools.cache
def start() -> str:
    """Start QuPath's classes once; returns QuPath's version.

    Raises UsageError when paquo or QuPath are missing, do not fit, or Java does not start.
    """
    installation = find_installation()
    refuse_unsupported(installation.version, installation.jars)
    from paquo.jpype_backend import start_jvm

    finding = installation.finding
    options = list(dict.fromkeys((*finding.jvm_options, *_OPTIONS)))
    try:
        version = start_jvm(finder=lambda: finding._replace(jvm_options=options), finder_kwargs={})
    except (RuntimeError, OSError, TypeError) as error:
        raise UsageError(
            f"The Java of the QuPath at {installation.jars} does not start: {error}. See java_opts in .paquo.toml and "
            f"PAQUO_JAVA_OPTS. {WAY_OUT}"
        ) from error
    if version is None:
        raise UsageError(f"A Java without QuPath's classes runs in this process already. {WAY_OUT}")
    refuse_unsupported(str(version), installation.jars)
    # Whatever QuPath has to say belongs to the log; stdout is for what the command prints.
    system = java_class("java.lang.System")
    system.setOut(system.err)
    try:
        import paquo.projects
    except (ImportError, TypeError, AttributeError) as error:
        raise UsageError(
            f"paquo {installation.paquo} cannot work with the QuPath {version} at {installation.jars} ({error}). "
            f"{WAY_OUT}"
        ) from error
    if paquo.java.LogManager is not None:
        paquo.java.LogManager.setWarn()
    return str(version)


@functools.cache
def java_class(name: str) -> Any:
    """A Java class by its full name."""
    import jpype

    return jpype.JClass(name)


def java_errors(*others: type[BaseException]) -> tuple[type[BaseException], ...]:
    """What calls of Java raise in Python, and `others`."""
    import jpype

    return (jpype.JException, *others)


def reason(error: BaseException) -> str:
    """The innermost cause of what Java raised, in its own words."""
    step: Any = error
    while getattr(step, "getCause", None) is not None and step.getCause() is not None:
        step = step.getCause()
    text = step.getMessage() if hasattr(step, "getMessage") else None
    kind = type(step).__name__.rpartition(".")[2]
    return f"{kind}: {text}" if text is not None else kind


def java_path(path: Any) -> Any:
    """A java.nio.file.Path of a path."""
    return java_class("java.io.File")(str(path)).toPath()
