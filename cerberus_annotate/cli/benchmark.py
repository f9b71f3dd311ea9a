"""`benchmark`: models on the test splits of published data sets, beside published figures; and this machine's speed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cerberus_annotate.cli.arguments import FILE, FOLDER, device_option, json_option, precision_option
from cerberus_annotate.cli.benchmark_speed import command as speed_command

if TYPE_CHECKING:
    from cerberus_annotate.learn.evaluation.benchmarks import TestSet
    from cerberus_annotate.learn.evaluation.scores import Scores

NAMES = {
    "glas": "GlaS' test A, and test B where it is in the data",
    "ebhi-seg": "the test patients of this package's split of EBHI-Seg",
    "nct-crc": "CRC-VAL-HE-7K",
    "nuclei": "the test images of CoNSeP and of MoNuSeg",
}


@click.group(name="benchmark", short_help="Compare models with published figures; measure this machine's speed.")
def command() -> None:
    """Scores models on the official test images of a benchmark, or measures what a slide costs here.

    \b
    cerberus-annotate benchmark glas --data data/glas
    cerberus-annotate benchmark nuclei --data data --model cerberus-small --model mine
    cerberus-annotate benchmark ebhi-seg --data data/ebhi-seg --out ebhi-report
    cerberus-annotate benchmark nct-crc --data CRC-VAL-HE-7K --model mine
    cerberus-annotate benchmark speed --slide slide.svs
    """


def _scoring(name: str, images: str) -> click.Command:
    """The command that scores models on a benchmark's test `images`."""

    @click.command(name=name, short_help=f"Score models on {images}.")
    @click.option(
        "--data",
        "folders",
        type=FOLDER,
        multiple=True,
        required=True,
        help="The benchmark's data; for nuclei the folder with consep and monuseg, or one of the two. May be repeated.",
    )
    @click.option(
        "--model",
        "model_names",
        multiple=True,
        metavar="NAME|PATH",
        help="A model by name or a checkpoint; may be repeated. [default: the bundled one]",
    )
    @click.option("--out", type=FILE, metavar="DIR", help="Write the tables there, and a report of each model.")
    @device_option
    @precision_option
    @json_option
    def scoring(
        folders: tuple[Path, ...],
        model_names: tuple[str, ...],
        out: Path | None,
        device: str,
        precision: str,
        as_json: bool,
    ) -> None:
        score_benchmark(name, folders, model_names, out, device, precision, as_json)

    scoring.help = f"Scores models on {images} and prints them beside published figures."
    return scoring


for benchmark_name, test_images in NAMES.items():
    command.add_command(_scoring(benchmark_name, test_images))
command.add_command(speed_command)


def score_benchmark(
    name: str,
    folders: tuple[Path, ...],
    model_names: tuple[str, ...],
    out: Path | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Scores the models, prints and writes their tables."""
    from functools import partial

    from cerberus_annotate.cli.evaluate import command_line, print_tables
    from cerberus_annotate.cli.progress import ScoringProgress
    from cerberus_annotate.learn.evaluation.benchmarks import (
        BENCHMARKS,
        all_foreground,
        benchmark_tables,
        check_fit,
        find_test_sets,
    )
    from cerberus_annotate.learn.evaluation.plots import check_drawing
    from cerberus_annotate.learn.evaluation.prediction import predict_labelled
    from cerberus_annotate.learn.evaluation.report import INTERVALS, Evaluation, markdown_report, write_report
    from cerberus_annotate.learn.evaluation.scoring import score, score_predictions
    from cerberus_annotate.network import load_model
    from cerberus_annotate.predict.inference import choose_precision

    if out is not None:
        check_drawing()
    benchmark = BENCHMARKS[name]
    test_sets = find_test_sets(benchmark, folders)
    names = model_names or (benchmark.model,)
    models = {each: load_model(each, device) for each in dict.fromkeys(names)}
    for model in models.values():
        choose_precision(model.device, precision)
        for test_set in test_sets:
            check_fit(model, test_set)
    options = [("--data", str(folder)) for folder in folders] + [("--model", each) for each in model_names]
    given = [(option, value) for option, value in (("--device", device), ("--precision", precision)) if value != "auto"]
    line = command_line(["benchmark", name], [*options, *given, ("--out", None if out is None else str(out))], as_json)
    results: dict[str, dict[str, Scores]] = {}
    for test_set in test_sets:
        rows = results[test_set.title] = {}
        for called, model in models.items():
            with ScoringProgress(as_json, len(test_set.entries), f"{called}, {test_set.title}") as progress:
                rows[called] = score(model, test_set.images(), precision, progress)
            if out is not None:
                evaluation = Evaluation(called, model.sha256, test_set.title, None, line, rows[called])
                predict = partial(predict_labelled, model=model, precision=precision)
                write_report(out / _folder_name(called, test_set), evaluation, test_set.read, predict)
        if benchmark.foreground:
            rows["all foreground"] = score_predictions(all_foreground, test_set.images())
    tables = benchmark_tables(benchmark, results, {each.title: each.data.patch_classes for each in test_sets})
    content = {
        "benchmark": name,
        "command": line,
        "results": {title: {row: found.as_json() for row, found in rows.items()} for title, rows in results.items()},
    }
    if out is not None:
        (out / "results.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
        (out / "report.md").write_text(markdown_report(f"Benchmark {name}", line, tables), "utf-8")
    if as_json:
        click.echo(json.dumps(content, ensure_ascii=False))
        return
    print_tables(tables, f"Benchmark {name}")
    click.echo(INTERVALS)
    if out is not None:
        click.echo(f"Written to {out}.")


def _folder_name(model: str, test_set: "TestSet") -> str:
    return f"{Path(model).stem}-{test_set.title}".replace(" ", "-")
