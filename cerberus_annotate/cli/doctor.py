"""`doctor`: is everything in order, here and in a project?"""

import json
import platform
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import click

import cerberus_annotate
from cerberus_annotate.cli.arguments import FILE, engine_option, json_option, slides_dir_option

LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "shapely", "openslide-python", "openslide-bin", "tifffile")


@click.command(name="doctor", short_help="Check the installation, the model and a project.")
@click.argument("project", type=FILE, required=False)
@slides_dir_option
@engine_option
@json_option
@click.pass_context
def command(ctx: click.Context, project: Path | None, slides_dir: tuple[Path, ...], engine: str, as_json: bool) -> None:
    """Tells versions, device and model, and what is wrong with PROJECT and how to mend it.

    Exit code 1 when something is wrong.

    \b
    cerberus-annotate doctor
    cerberus-annotate doctor project.qpproj
    """
    facts: dict[str, Any] = {
        "versions": _versions(),
        "device": None,
        "model": None,
        "paquo": None,
        "project": None if project is None else str(project),
    }
    problems: list[dict[str, Any]] = []
    facts["device"], trouble = _device()
    problems += _as_problems(trouble)
    facts["model"], trouble = _model()
    problems += _as_problems(trouble)
    facts["paquo"], trouble = _paquo()
    if engine == "paquo" and trouble:
        problems += _as_problems(trouble)
    elif project is not None:
        problems += _project_problems(project, slides_dir, engine)
    exit_code = int(any(problem["serious"] for problem in problems))
    if as_json:
        click.echo(json.dumps({**facts, "problems": problems, "exit_code": exit_code}, ensure_ascii=False))
        ctx.exit(exit_code)
    click.echo("  ".join(f"{name} {version}" for name, version in facts["versions"].items()))
    click.echo(f"device: {facts['device'] or 'none'}\nmodel: {facts['model'] or 'none'}")
    click.echo(f"for --engine paquo: {facts['paquo'] or f'nothing. {trouble}'}")
    for problem in problems:
        where = f"{problem['image']}: " if problem["image"] else ""
        click.echo(f"{'Problem' if problem['serious'] else 'Note'}: {where}{problem['problem']}")
    if not problems:
        click.echo("All is in order.")
    ctx.exit(exit_code)


def _versions() -> dict[str, str]:
    versions = {
        "cerberus-annotate": cerberus_annotate.__version__,
        "Python": platform.python_version(),
        sys.platform: platform.release(),
    }
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = "is missing"
    return versions


def _device() -> tuple[str | None, str]:
    """(what `--device auto` takes, problem)."""
    try:
        import torch

        from cerberus_annotate.network.model import choose_device
    except (ImportError, OSError) as error:
        return None, f"torch cannot be loaded ({error}). Install it anew: pip install --force-reinstall torch."
    device = choose_device("auto")
    if device == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})", ""
    return (f"cpu ({torch.get_num_threads()} threads); {_why_no_gpu()}" if device == "cpu" else device), ""


def _why_no_gpu() -> str:
    """What was looked for, and what is missing."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return "no GPU: this torch is built without CUDA (for an NVIDIA GPU install one that has it, see pytorch.org)"
    return (
        f"no GPU: torch {torch.__version__} finds no device (torch.cuda.is_available() is false). With an NVIDIA GPU, "
        "see whether `nvidia-smi` shows it; its driver may be missing or older than this torch needs"
    )


def _model() -> tuple[str | None, str]:
    """(the default model in words, problem)."""
    from cerberus_annotate.errors import CerberusError

    try:
        from cerberus_annotate.network import load_model
        from cerberus_annotate.network.registry import default_model

        model = load_model(default_model())
    except ImportError as error:
        return None, f"The network cannot be loaded ({error}). Install the package anew."
    except CerberusError as error:
        return None, str(error)
    return f"{model.name} ({', '.join(model.tasks)}; sha256 {model.sha256[:12]})", ""


def _paquo() -> tuple[str | None, str]:
    """(what `--engine paquo` would use, why it cannot)."""
    from cerberus_annotate.errors import UsageError
    from cerberus_annotate.qupath.paquo.installation import find_installation, refuse_unsupported

    try:
        found = find_installation()
        refuse_unsupported(found.version, found.jars)
    except UsageError as error:
        return None, str(error)
    return f"QuPath {found.version or 'of unknown version'} in {found.jars}, through paquo {found.paquo}", ""


def _as_problems(text: str) -> list[dict[str, Any]]:
    return [{"image": "", "problem": text, "serious": True}] if text else []


def _project_problems(project: Path, slides_dirs: tuple[Path, ...], engine: str) -> list[dict[str, Any]]:
    from cerberus_annotate.annotate.health import examine
    from cerberus_annotate.annotate.options import Options
    from cerberus_annotate.errors import CerberusError
    from cerberus_annotate.qupath import open_project

    try:
        opened = open_project(project, engine)
    except CerberusError as error:
        return _as_problems(str(error))
    return [asdict(finding) for finding in examine(opened, Options(slides_dirs=slides_dirs))]
