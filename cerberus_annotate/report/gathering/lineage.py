"""Where the models of a project are from, as far as they are registered here."""

import math
from collections.abc import Mapping, Sequence

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.network.lineage import Lineage
from cerberus_annotate.network.registry import read_lineage
from cerberus_annotate.report.facts import Learnt, Round

TASKS: Mapping[str, str] = {
    "nuclei": "nuclei",
    "nuclei_points": "nuclei as points",
    "gland": "glands",
    "lumen": "lumina",
    "semantic": "foreground",
    "patch": "patches",
}
MEASURES: Mapping[str, str] = {
    "pq": "PQ",
    "aji": "AJI",
    "dice": "Dice",
    "type_macro_f1": "macro F1 of types",
    "detection_f1": "F1 of detection",
    "object_f1": "object F1",
    "object_dice": "object Dice",
}


def lineages_of(names: Sequence[str]) -> dict[str, Lineage]:
    """Of the models and of their ancestors, parents before what was made of them; models without one are left out."""
    found: dict[str, Lineage] = {}
    for name in names:
        line: dict[str, Lineage] = {}
        ancestor: str = name
        while ancestor not in line and ancestor not in found and (lineage := _lineage(ancestor)) is not None:
            line[ancestor] = lineage
            ancestor = lineage.parent
        found |= dict(reversed(line.items()))
    return found


def learnt_of(lineages: Mapping[str, Lineage]) -> tuple[Learnt, ...]:
    """What each of them learnt."""
    return tuple(
        Learnt(
            name,
            lineage.parent,
            lineage.created[:10],
            sum(one.regions for one in lineage.harvests),
            sum(one.objects for one in lineage.harvests),
            lineage.reason,
        )
        for name, lineage in lineages.items()
    )


def rounds_of(lineages: Mapping[str, Lineage]) -> tuple[Round, ...]:
    """Their figures of whole tasks; those that were not defined on the held-out images are left out."""
    rounds = [
        Round(
            name,
            lineage.parent,
            str(figure["data"]),
            f"{TASKS.get(figure['task'], figure['task'])}, {MEASURES.get(figure['measure'], figure['measure'])}",
            float(figure["before"]["value"]),
            float(figure["after"]["value"]),
            *map(float, figure["after"]["ci"]),
        )
        for name, lineage in lineages.items()
        for figure in lineage.figures
        if figure["class"] is None
    ]
    return tuple(one for one in rounds if all(map(math.isfinite, (one.before, one.after, one.low, one.high))))


def _lineage(name: str) -> Lineage | None:
    """Of a registered model; a damaged one counts as unknown, as does a model from elsewhere."""
    try:
        return read_lineage(name)
    except CerberusError:
        return None
