"""Charts of scores. matplotlib is loaded when one is drawn. Colours are Okabe and Ito's, told apart by everyone."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.evaluation.scores import Confusion, Estimates
from cerberus_annotate.learn.evaluation.tables import IN_PIXELS, MEASURE_TITLES, SMALLER_IS_BETTER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DPI = 150


def check_drawing() -> None:
    """Raises UsageError where matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise UsageError("Plots need matplotlib: pip install 'cerberus-annotate[learn]', or leave --out out.") from None


def plot_confusion(confusion: Confusion, title: str, path: Path) -> None:
    """A PNG of the shares of each true class, with counts in the fields."""
    from matplotlib.figure import Figure

    counts = confusion.counts
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows, columns = counts.shape
    figure = Figure(figsize=(2.6 + 0.85 * columns, 1.8 + 0.6 * rows), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        text = f"{count:,}\n{share:.0%}" if count else "0"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if share > 0.55 else "black")
    axes.set_xticks(range(columns), confusion.found, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(rows), confusion.true)
    axes.set_xlabel("found as")
    axes.set_ylabel("is")
    axes.set_title(title, fontsize=11)
    figure.colorbar(picture, ax=axes, label="share of the true class", fraction=0.05)
    save(figure, path)


def plot_classes(per_class: Mapping[str, Estimates], title: str, path: Path) -> None:
    """A PNG of bars: a group a class, a bar a measure, with 95 % intervals."""
    from matplotlib.figure import Figure

    everything = list(dict.fromkeys(name for of_class in per_class.values() for name in of_class))
    names = [name for name in everything if name not in IN_PIXELS]
    width = 0.8 / len(names)
    figure = Figure(figsize=(1.8 + 0.36 * len(per_class) * max(len(names), 2), 3.8), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(per_class))
    for index, name in enumerate(names):
        found = [of_class.get(name) for of_class in per_class.values()]
        there = [place for place, each in zip(places, found, strict=True) if each is not None]
        values = np.array([each.value for each in found if each is not None])
        reach = np.array([(each.value - each.low, each.high - each.value) for each in found if each is not None])
        axes.bar(
            np.array(there) + (index - (len(names) - 1) / 2) * width,
            values,
            width,
            # a percentile interval may lie beside the value it belongs to
            yerr=np.maximum(reach.T, 0),
            color=COLOURS[index % len(COLOURS)],
            label=MEASURE_TITLES[name] + (" (smaller is better)" if name in SMALLER_IS_BETTER else ""),
            error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": "#333333"},
        )
    axes.set_xticks(places, list(per_class), rotation=20 if len(per_class) > 3 else 0, ha="center")
    axes.set_ylim(0, 1)
    axes.set_ylabel("score, with 95 % interval")
    axes.grid(axis="y", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(title, fontsize=11)
    figure.legend(loc="outside lower center", ncols=min(len(names), 3), frameon=False, fontsize=8)
    save(figure, path)


def save(figure: "Figure", path: Path) -> None:
    """Writes a figure; the same figure gives the same bytes."""
    figure.savefig(path, metadata={"Software": None})
