"""`data`: what a data set for training or evaluation holds, and what is wrong with it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cerberus_annotate.cli.arguments import FOLDER, json_option

if TYPE_CHECKING:
    from cerberus_annotate.learn.data.check import Report
    from cerberus_annotate.learn.data.labelled_image import Entry

SHOWN = 20
"""Sentences of a kind that are printed; `--json` has all."""


@click.group(name="data", short_help="Check labelled images before training.")
def command() -> None:
    """Labelled images for training and evaluation.

    \b
    cerberus-annotate data check downloads/GlaS
    """


@command.command(name="check")
@click.argument("folder", type=FOLDER, metavar="DIR")
@json_option
@click.pass_context
def check_folder(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Tells what DIR holds: layout, splits, labels, classes, pixel size, licence, and what is wrong.

    Reads a folder with a manifest.csv, or one of the public sets as downloaded. Exit code 1 where something is wrong.

    \b
    cerberus-annotate data check downloads/GlaS
    """
    from cerberus_annotate.learn.data.check import check
    from cerberus_annotate.learn.data.layouts import read_data_set

    report = check(read_data_set(folder), _with_bar)
    if as_json:
        click.echo(json.dumps(asdict(report), ensure_ascii=False))
    else:
        _print(report)
    ctx.exit(1 if report.problems else 0)


def _with_bar(entries: "Sequence[Entry]") -> "Iterable[Entry]":
    """The entries, with a bar on a terminal's stderr."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(entries, "images", console=console, transient=True, disable=not console.is_terminal)


def _print(report: "Report") -> None:
    click.echo(f"{report.name}: {report.images:,} images (layout: {report.layout})")
    splits = {name or "none": count for name, count in report.splits.items()}
    lines = {
        "licence": f"{report.licence} ({report.source})",
        "splits": _counts(splits),
        "µm/px": _counts(report.mpp) if len(report.mpp) < 8 else _range(report.mpp),
        "labels": _counts(report.labels, "images"),
        "objects": _counts(report.objects),
        **{kind: _counts(counts) for kind, counts in report.classes.items() if kind != "mask"},
        "mask": _shares(report.classes.get("mask", {})),
    }
    for title, text in lines.items():
        if text:
            click.echo(f"  {title:<14}{text}")
    for title, sentences in (("Note", report.notes), ("Problem", report.problems)):
        for sentence in sentences[:SHOWN]:
            click.echo(f"{title}: {sentence}")
        if len(sentences) > SHOWN:
            click.echo(f"{title}s: {len(sentences) - SHOWN:,} more; --json prints all.")
    count = len(report.problems)
    click.echo("Nothing is wrong." if not count else f"{count:,} problem{'s' if count > 1 else ''}.")


def _counts(counts: dict[str, int], unit: str = "") -> str:
    return ", ".join(f"{name} {count:,}{unit and f' {unit}'}" for name, count in counts.items())


def _range(mpp: dict[str, int]) -> str:
    known = sorted(float(size) for size in mpp if size != "unknown")
    unknown = f", unknown {mpp['unknown']:,}" if "unknown" in mpp else ""
    return f"{known[0]:.4g} to {known[-1]:.4g}{unknown}"


def _shares(pixels: dict[str, int]) -> str:
    total = sum(pixels.values())
    return ", ".join(f"{name} {count / total:.1%}" for name, count in pixels.items())
