"""A page of results: what a command measured, as Markdown and JSON, beside what people wrote about it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cerberus_annotate.learn.evaluation.tables import Table, as_markdown
from cerberus_annotate.speed.floor import processor_name

READING = "## What it says"
"""What follows this heading is written by hand; a command that writes the page anew keeps it."""


def write_page(
    path: Path,
    heading: str,
    commands: Sequence[str],
    paragraphs: Sequence[str],
    tables: Sequence[Table],
    content: Mapping[str, Any],
) -> None:
    """Writes `path` (Markdown) with the tables and paragraphs, and `content` as JSON beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"# {heading}", "\n".join(f"    {command}" for command in commands), *paragraphs, as_markdown(tables)]
    path.write_text("\n\n".join(parts) + "\n" + _reading(path), "utf-8")
    text = json.dumps({"commands": list(commands), **content}, ensure_ascii=False, indent=1)
    path.with_suffix(".json").write_text(text + "\n", "utf-8")


def hardware() -> str:
    """This machine's processor and what torch uses of it, in words."""
    return f"{processor_name()}, {torch.get_num_threads()} thread(s), torch {torch.__version__}"


def _reading(path: Path) -> str:
    if not path.exists():
        return ""
    _, found, written = path.read_text("utf-8").partition(READING)
    return f"\n{READING}{written}" if found else ""
