"""The tables of the simulated pathologist's page."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import Any

from benchmarks.simulated.data_sets import LEFT_OUT
from benchmarks.simulated.oracle import KINDS
from benchmarks.simulated.results import (
    ARMS,
    QUEUE,
    RANDOM,
    SCRATCH,
    Round,
    Spread,
    Start,
    edits_per_region,
    of_arm,
    pq_of,
    regions_needed,
    spread,
)
from cerberus_annotate.learn.evaluation.tables import MEASURE_TITLES, Table

LEAST_GAIN = 0.10
LEAST_SAVED = 0.20
MOST_LOST = 0.01

LEARNING = (QUEUE, RANDOM)

Value = Callable[[Mapping[str, Any]], float]


def tables_of(name: str, start: Start, rounds: Sequence[Round]) -> list[Table]:
    """All tables of a set."""
    title = LEFT_OUT[name].title
    made = [targets(title, start, rounds), curves(title, start, rounds), kinds_of_edits(title, start, rounds)]
    return [*made, known_sets(title, start, rounds)]


def curves(title: str, start: Start, rounds: Sequence[Round]) -> Table:
    """What each arm reaches after each round."""
    measures = [name for name in ("pq", "aji", "dice", "type_macro_f1") if name in start.held_out["measures"]]
    header = ("", "regions", "seeds", *(MEASURE_TITLES[name] for name in measures), "edits a region")
    header = (*header, "edits per 100 nuclei", "edits in the regions corrected, per 100 nuclei")

    def cells(held_out: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        values = [shown(spread([one["measures"][name] for one in held_out])) for name in measures]
        edits = [shown(spread([edits_per_region(one) for one in held_out]), 1)]
        return (*values, *edits, shown(spread([per_100(one["edits"], one["nuclei"]) for one in held_out]), 1))

    rows = [("start model", "0", "–", *cells([start.held_out]), "–")]
    for arm in ARMS:
        seeds = list(of_arm(rounds, arm).values())
        for at in range(max((len(of_seed) for of_seed in seeds), default=0)):
            found = [of_seed[at] for of_seed in seeds]
            own = [per_100(one.edits, one.nuclei) for one in found if one.nuclei]
            last = shown(spread(own), 1) if own else "–"
            corrected = f"{found[0].corrected}"
            rows.append((arm, corrected, str(len(found)), *cells([one.held_out for one in found]), last))
    regions, images = start.held_out["regions"], len(start.held_out["pq"])
    note = f"On {images} held-out images ({regions} regions, {start.held_out['nuclei']:,} nuclei); ± is the standard "
    note += (
        "deviation between seeds. The last column is of the regions of that round, pre-labelled by the model before."
    )
    return Table(f"{title}: by corrected regions", header, tuple(rows), (note,))


def per_100(edits: Mapping[str, int], nuclei: int) -> float:
    """Edits per 100 true nuclei."""
    return 100 * sum(edits.values()) / max(nuclei, 1)


def targets(title: str, start: Start, rounds: Sequence[Round]) -> Table:
    """What was to be reached, and whether it was."""
    rows = []
    for arm in LEARNING:
        last = [of_seed[-1] for of_seed in of_arm(rounds, arm).values()]
        if not last:
            continue
        before = pq_of(start.held_out)
        gain = spread([pq_of(one.held_out) / before - 1 if before else float("nan") for one in last])
        rows.append(
            (
                f"{arm}: PQ up by at least 10 %, interval above 0",
                *percent(gain),
                _above_0(gain) if gain.mean >= LEAST_GAIN else "no",
            )
        )
        saved = spread([1 - edits_per_region(one.held_out) / edits_per_region(start.held_out) for one in last])
        rows.append((f"{arm}: edits a region down by at least 20 %", *percent(saved), said(saved.mean >= LEAST_SAVED)))
        losses = lost(start, last)
        if losses:
            worst = min(losses, key=lambda name: losses[name].mean)
            fine = said(losses[worst].mean >= -MOST_LOST)
            rows.append((f"{arm}: known sets at most 1 point worse (worst: {worst})", *points(losses[worst]), fine))
    rows += comparison(rounds)
    note = "Of known sets the main measure counts here (PQ, object F1); the others stand below."
    header = ("", "mean", "95 % interval over seeds", "reached")
    return Table(f"{title}: what was to be reached", header, tuple(rows), (note,))


def comparison(rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    """Queue against random, and fine-tuning against training from scratch, paired by seed."""
    rows: list[tuple[str, ...]] = []
    arms = {arm: of_arm(rounds, arm) for arm in ARMS}
    both = sorted(arms[QUEUE].keys() & arms[RANDOM].keys())
    if both:
        rows.append(_queue_row("queue no worse than random: PQ, mean over rounds", arms, both, slice(None)))
        rows.append(_queue_row("queue no worse than random: PQ, after the last round", arms, both, slice(-1, None)))
    both = sorted(arms[SCRATCH].keys() & arms[RANDOM].keys())
    if both:
        more = spread([pq_of(arms[RANDOM][s][-1].held_out) - pq_of(arms[SCRATCH][s][-1].held_out) for s in both])
        rows.append(("random above training from scratch on the same regions: PQ", *points(more), _above_0(more)))
    return rows


def _queue_row(
    title: str, arms: Mapping[str, Mapping[int, Sequence[Round]]], seeds: Sequence[int], which: slice
) -> tuple[str, ...]:
    def mean(arm: str, seed: int) -> float:
        return spread([pq_of(one.held_out) for one in arms[arm][seed][which]]).mean

    more = spread([mean(QUEUE, seed) - mean(RANDOM, seed) for seed in seeds])
    within = "within the spread" if more.low <= 0 <= more.high else "no"
    return (title, *points(more), "yes" if more.mean >= 0 else within)


def _above_0(values: Spread) -> str:
    """Whether the interval lies above 0."""
    return "too few seeds" if isnan(values.low) else said(values.low > 0)


def regions_for_random(start: Start, rounds: Sequence[Round]) -> str:
    """How many regions in the queue's order give the PQ of all regions at random, as a sentence; "" where unknown."""
    curve = {arm: mean_curve(start, rounds, arm) for arm in LEARNING}
    if any(len(values) < 2 for _, values in curve.values()):
        return ""
    corrected, values = curve[QUEUE]
    everything, goal = curve[RANDOM][0][-1], curve[RANDOM][1][-1]
    needed = regions_needed(corrected, values, goal)
    if needed is None:
        return f"The PQ of {everything:.0f} regions at random ({goal:.3f}) is not reached in the queue's order."
    return (
        f"The PQ of {everything:.0f} regions at random ({goal:.3f}) is reached with {needed:.0f} in the queue's order "
        "(mean curves, straight lines between rounds)."
    )


def mean_curve(
    start: Start, rounds: Sequence[Round], arm: str, value: Value = pq_of
) -> tuple[list[float], list[float]]:
    """Corrected regions, and the mean over seeds of a value after each round, the start model first."""
    seeds = list(of_arm(rounds, arm).values())
    found = [[of_seed[at] for of_seed in seeds] for at in range(len(seeds[0]))] if seeds else []
    corrected = [0.0, *(float(some[0].corrected) for some in found)]
    return corrected, [value(start.held_out), *(spread([value(one.held_out) for one in some]).mean for some in found)]


def kinds_of_edits(title: str, start: Start, rounds: Sequence[Round]) -> Table:
    """Edits a held-out region by kind, before and after."""
    rows = [("start model", *_by_kind([start.held_out]))]
    for arm in ARMS:
        last = [of_seed[-1].held_out for of_seed in of_arm(rounds, arm).values()]
        if last:
            rows.append((f"{arm}, after the last round", *_by_kind(last)))
    return Table(f"{title}: edits a held-out region, by kind", ("", *KINDS), tuple(rows))


def _by_kind(held_out: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(shown(spread([one["edits"][kind] / one["regions"] for one in held_out]), 1) for kind in KINDS)


def known_sets(title: str, start: Start, rounds: Sequence[Round]) -> Table:
    """The sets that the start model knew, before and after the last round."""
    last = {arm: [of_seed[-1] for of_seed in of_arm(rounds, arm).values()] for arm in LEARNING}
    last = {arm: found for arm, found in last.items() if found}
    header = ("", "start model", *(part for arm in last for part in (f"{arm}, after", "difference (95 % interval)")))
    rows = []
    for known, measures in start.known.items():
        for measure, before in measures.items():
            cells = [f"{known}, {MEASURE_TITLES[measure]}", f"{before:.3f}"]
            for found in last.values():
                after = spread([one.known[known][measure] for one in found])
                change, interval = points(spread([one.known[known][measure] - before for one in found]))
                cells += [shown(after), f"{change} ({interval})"]
            rows.append(tuple(cells))
    return Table(f"{title}: the sets that the start model knew", header, tuple(rows))


def lost(start: Start, last: Sequence[Round]) -> dict[str, Spread]:
    """Each known set and its main measure, which is its first → after less before."""
    losses = {}
    for known, measures in start.known.items():
        measure, before = next(iter(measures.items()))
        losses[f"{known}, {MEASURE_TITLES[measure]}"] = spread([one.known[known][measure] - before for one in last])
    return losses


def shown(values: Spread, digits: int = 3) -> str:
    """Mean and standard deviation."""
    return f"{values.mean:.{digits}f}" + ("" if isnan(values.sd) else f" ± {values.sd:.{digits}f}")


def percent(values: Spread) -> tuple[str, str]:
    """A share and its interval, signed."""
    return f"{values.mean:+.1%}", "–" if isnan(values.low) else f"{values.low:+.1%} to {values.high:+.1%}"


def points(values: Spread) -> tuple[str, str]:
    """A difference of measures and its interval, signed."""
    return f"{values.mean:+.3f}", "–" if isnan(values.low) else f"{values.low:+.3f} to {values.high:+.3f}"


def said(holds: bool) -> str:
    """In a word."""
    return "yes" if holds else "no"
