"""The page of the simulated pathologist: every set whose results were reported, with one picture."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.result_pages import hardware, write_page
from benchmarks.simulated.data_sets import LEFT_OUT
from benchmarks.simulated.results import (
    ARMS,
    SCRATCH,
    SETTINGS,
    Round,
    Start,
    edits_per_region,
    of_arm,
    pq_of,
    read_rounds,
    read_start,
    spread,
)
from benchmarks.simulated.rounds import CANDIDATES
from benchmarks.simulated.tables import LEARNING, Value, mean_curve, regions_for_random, tables_of
from cerberus_annotate.errors import UsageError
from cerberus_annotate.files import write_whole

COLOURS = {"queue": "#1b6ca8", "random": "#d1791d", "scratch": "#7a7a7a"}
NAMES = {"queue": "review queue", "random": "random regions", "scratch": "from scratch, random regions"}


def write_page_of(path: Path, name: str, out: Path) -> None:
    """Writes the page anew with the results in `out` for the set `name`; other sets stay as they were reported.

    Raises UsageError where there are none.
    """
    start, rounds = read_start(out), read_rounds(out)
    if start is None or not rounds:
        raise UsageError(f"{out} has no results yet; run without --only-report first.")
    beside = path.with_suffix(".json")
    known = json.loads(beside.read_text("utf-8"))["sets"] if beside.exists() else {}
    settings = json.loads((out / SETTINGS).read_text("utf-8"))
    own = {"settings": settings, "hardware": hardware(), "start": asdict(start), "rounds": [asdict(r) for r in rounds]}
    sets = {each: own if each == name else known.get(each) for each in LEFT_OUT}
    sets = {each: content for each, content in sets.items() if content is not None}
    read = {each: _read(content) for each, content in sets.items()}
    picture = path.with_suffix(".png")
    write_whole(picture, draw(read), "The picture")
    write_page(
        path,
        "A simulated pathologist: what correcting regions is worth",
        [command(each, content["settings"]) for each, content in sets.items()],
        paragraphs(sets, read, picture.name),
        [table for each, (start, rounds) in read.items() for table in tables_of(each, start, rounds)],
        {"sets": sets},
    )


def _read(content: Mapping[str, Any]) -> tuple[Start, list[Round]]:
    return Start(**content["start"]), [Round(**one) for one in content["rounds"]]


def command(name: str, settings: Mapping[str, Any]) -> str:
    """What gives a set's results."""
    return (
        f"python -m benchmarks.simulated_pathologist {name} --data ../shared/data "
        f"--start runs/without-{name}/weights.pt --out runs/simulated-{name} --rounds {settings['rounds']} "
        f"--regions {settings['regions']} --steps {settings['steps']}{' --replay' if settings['replay'] else ''}"
    )


def paragraphs(
    sets: Mapping[str, Mapping[str, Any]], read: Mapping[str, tuple[Start, Sequence[Round]]], picture: str
) -> list[str]:
    """How it was done, and what the queue saves."""
    settings = next(iter(sets.values()))["settings"]
    needed = [
        f"{LEFT_OUT[name].title}: {sentence}"
        for name, (start, rounds) in read.items()
        if (sentence := regions_for_random(start, rounds))
    ]
    beside = (
        "and beside them, in every other crop, the training images of the sets that it knows (`--replay`)"
        if settings["replay"]
        else "and nothing else, so what it knew before is kept by the parent's own output only"
    )
    machines = ", ".join(dict.fromkeys(content["hardware"] for content in sets.values()))
    return [
        f"![PQ and edits a region against corrected regions]({picture})",
        "The start models (`benchmarks/start_models/`) have not seen the set that is corrected. Rounds: "
        f"{settings['rounds']}. In each {settings['regions']} regions of about 125 µm a side are chosen, pre-labelled "
        "with `annotate` in a QuPath project, corrected, marked as reviewed, harvested and learnt with `finetune` "
        f"({settings['steps']} steps). Each time the start model learns all regions so far, "
        f"{beside}. As always, the harvest holds out about 20 % of "
        "the images for the gate, which teach nothing, and 10 % that only tell when to stop; they count as corrected.",
        "The pathologist knows the truth and leaves an outline as it is where its IoU with a nucleus is at least 0.7; "
        "reshapes it from 0.3 on (half of them with the brush, half drawn anew); deletes what lies on no nucleus; adds "
        "what is missing; and corrects types where the set has them (CoNSeP: four groups). Each is an edit. Edits a "
        "region are counted on all regions of the held-out images by the same rule.",
        "Regions and held-out images are disjoint by image. CoNSeP: 27 training images give regions, the 9 test images "
        "are held out; which images are of one slide is not published. DSB 2018: a hash of the name splits the stage 1 "
        "images 60 to 40, and its test images are held out; images there can be crops of one larger image, which is "
        "not published either, and its pixel sizes are estimates.",
        f"Queue: the order of `review` among {CANDIDATES * settings['regions']} regions drawn by chance; random: drawn "
        "by chance; scratch: a network of the same shape from random weights, trained on the random arm's harvest with "
        "as many steps as all rounds together. A seed decides samples, crops and tools. Intervals are Student's t over "
        "seeds and say nothing of other images.",
        *needed,
        f"Hardware: {machines}.",
    ]


def draw(read: Mapping[str, tuple[Start, Sequence[Round]]]) -> bytes:
    """A PNG: a row a set; PQ and edits a region against corrected regions, mean and spread of every arm."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(read), 2, figsize=(9, 3.1 * len(read)), squeeze=False, layout="constrained")
    for row, (name, (start, rounds)) in zip(axes, read.items(), strict=True):
        title = LEFT_OUT[name].title
        _draw_curves(row[0], start, rounds, pq_of)
        row[0].set_title(f"{title}: PQ, held-out images", fontsize=9)
        row[0].legend(frameon=False, fontsize=8)
        _draw_curves(row[1], start, rounds, edits_per_region)
        row[1].set_title(f"{title}: edits a region, held-out images", fontsize=9)
        row[1].set_ylim(bottom=0, top=1.06 * row[1].get_ylim()[1])
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    pyplot.close(figure)
    return buffer.getvalue()


def _draw_curves(axes: Any, start: Start, rounds: Sequence[Round], value: Value) -> None:
    """Dots are seeds, the band is one standard deviation."""
    axes.axhline(value(start.held_out), color="0.75", linewidth=0.8, linestyle=":")
    for arm in ARMS:
        seeds = of_arm(rounds, arm)
        if not seeds:
            continue
        corrected, mean = mean_curve(start, rounds, arm, value)
        each = [[value(one.held_out) for one in of_seed] for of_seed in seeds.values()]
        for values in each:
            axes.plot(corrected[-len(values) :], values, ".", color=COLOURS[arm], markersize=4, alpha=0.6)
        if arm == SCRATCH:
            axes.plot(corrected[-1:], mean[-1:], "s", color=COLOURS[arm], label=NAMES[arm])
            continue
        assert arm in LEARNING
        spreads = [0.0, *(spread(values).sd if len(values) > 1 else 0.0 for values in zip(*each, strict=True))]
        axes.plot(corrected, mean, "-", color=COLOURS[arm], label=NAMES[arm])
        low = [at - by for at, by in zip(mean, spreads, strict=True)]
        high = [at + by for at, by in zip(mean, spreads, strict=True)]
        axes.fill_between(corrected, low, high, color=COLOURS[arm], alpha=0.15, linewidth=0)
    axes.set_xlabel("corrected regions", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xticks(sorted({0, *(one.corrected for one in rounds)}))
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
