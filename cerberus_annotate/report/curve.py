"""The curve of models over their rounds, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from cerberus_annotate.report.facts import Round

WIDTH, HEIGHT, MARGIN = 560, 220, 46
INSET = 40
"""px from the margin to the first and the last model, for their names below."""

LEAST_SPREAD = 0.02
"""Of the measure; smaller differences are not blown up to the height of the drawing."""


@dataclass(frozen=True)
class Segment:
    """A round: from the parent (x1, y1) to the model (x2, y2), with the model's interval; all in px of the drawing.

    told: the round in words.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    low: float
    high: float
    told: str


@dataclass(frozen=True)
class Curve:
    """One measure on one set over the rounds. ticks: (y, value). labels: (x, model)."""

    title: str
    segments: tuple[Segment, ...]
    ticks: tuple[tuple[float, float], ...]
    labels: tuple[tuple[float, str], ...]


def curves(rounds: Sequence[Round]) -> tuple[Curve, ...]:
    """A curve for each set and measure. A model stands at its first appearance, so several may be made of one."""
    of_measure: dict[tuple[str, str], list[Round]] = {}
    for one in rounds:
        of_measure.setdefault((one.data, one.measure), []).append(one)
    return tuple(_curve(f"{measure}, {data}", some) for (data, measure), some in of_measure.items())


def _curve(title: str, rounds: Sequence[Round]) -> Curve:
    models = list(dict.fromkeys(name for one in rounds for name in (one.parent, one.model)))
    numbers = [number for one in rounds for number in (one.before, one.after, one.low, one.high)]
    missing = max(0.0, LEAST_SPREAD - (max(numbers) - min(numbers))) / 2
    low, high = min(numbers) - missing, max(numbers) + missing
    step = (WIDTH - 2 * (MARGIN + INSET)) / (len(models) - 1 or 1)
    places = {name: round(MARGIN + INSET + at * step, 1) for at, name in enumerate(models)}

    def y_of(value: float) -> float:
        return round(MARGIN / 2 + (HEIGHT - 1.5 * MARGIN) * (high - value) / (high - low), 1)

    segments = tuple(
        Segment(
            places[one.parent],
            y_of(one.before),
            places[one.model],
            y_of(one.after),
            y_of(one.low),
            y_of(one.high),
            f"{one.parent}: {one.before:.4f}, {one.model}: {one.after:.4f} ({one.low:.4f} to {one.high:.4f})",
        )
        for one in rounds
    )
    ticks = tuple((y_of(value), value) for value in (low, high))
    return Curve(title, segments, ticks, tuple((x, name) for name, x in places.items()))
