"""The curve of a model over its rounds, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from cerberus_annotate.report.facts import Round

WIDTH, HEIGHT, MARGIN = 560, 220, 46


@dataclass(frozen=True)
class Point:
    """x, y: in px of the drawing. label: the model. value: of the measure."""

    x: float
    y: float
    label: str
    value: float


@dataclass(frozen=True)
class Curve:
    """One measure on one set over the rounds. ticks: (y, value)."""

    title: str
    points: tuple[Point, ...]
    ticks: tuple[tuple[float, float], ...]
    path: str


def curves(rounds: Sequence[Round]) -> tuple[Curve, ...]:
    """A curve for each set and measure, in the order of the rounds; the first parent's figure is its first point."""
    of_measure: dict[tuple[str, str], list[Round]] = {}
    for one in rounds:
        of_measure.setdefault((one.data, one.measure), []).append(one)
    return tuple(_curve(f"{measure}, {data}", some) for (data, measure), some in of_measure.items())


def _curve(title: str, rounds: Sequence[Round]) -> Curve:
    values = [(rounds[0].parent, rounds[0].before), *((one.model, one.after) for one in rounds)]
    numbers = [value for _, value in values]
    spread = max(max(numbers) - min(numbers), 0.02)
    low, high = min(numbers) - 0.15 * spread, max(numbers) + 0.15 * spread

    def y_of(value: float) -> float:
        return round(MARGIN / 2 + (HEIGHT - 1.5 * MARGIN) * (high - value) / (high - low), 1)

    step = (WIDTH - 2 * MARGIN) / max(len(values) - 1, 1)
    points = tuple(
        Point(round(MARGIN + at * step, 1), y_of(value), label, value) for at, (label, value) in enumerate(values)
    )
    ticks = tuple((y_of(value), value) for value in (min(numbers), max(numbers)))
    return Curve(title, points, ticks, "M" + " L".join(f"{point.x} {point.y}" for point in points))
