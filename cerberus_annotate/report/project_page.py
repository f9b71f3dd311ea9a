"""The report of a project as one HTML file."""

import json
from pathlib import Path
from typing import Any

from cerberus_annotate.files import write_whole
from cerberus_annotate.report.curve import HEIGHT, MARGIN, WIDTH, curves
from cerberus_annotate.report.facts import ReportFacts, SlideFacts
from cerberus_annotate.report.render import render

VERDICTS = ("accepted", "reshaped", "reclassified", "deleted", "added", "split", "merged")
A_PAGE = 24
"""Slides that are shown at a time."""

LABEL_WIDTH, LONGEST_LABEL = 72, 24
"""Characters of all models below a curve; names that would overlap are cut."""


def write_report(facts: ReportFacts, path: Path) -> None:
    """Writes the report as one HTML file that needs no other.  Raises ProjectError when it cannot be written."""
    write_whole(path, report_html(facts).encode(), "The report")


def report_html(facts: ReportFacts) -> str:
    """The report's HTML. Slides stand in it as data, of which a page at a time is shown."""
    drawn = curves(facts.rounds)
    return render(
        "report.html",
        facts=facts,
        slides=_script_safe(json.dumps([_slide(one) for one in facts.slides], ensure_ascii=False)),
        verdicts=[name for name in VERDICTS if name in facts.differences],
        strips={verdict: [one for one in facts.strips if one.verdict == verdict] for verdict in VERDICTS},
        curves=drawn,
        drawing={"width": WIDTH, "height": HEIGHT, "margin": MARGIN},
        label_length=min(LONGEST_LABEL, LABEL_WIDTH // max((len(curve.labels) for curve in drawn), default=1)),
        unreadable=sum(one.thumbnail is None for one in facts.slides),
        page_size=A_PAGE,
    )


def _slide(facts: SlideFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "picture": facts.thumbnail or "",
        "area": facts.area,
        "mm2": facts.area_mm2,
        "reviewed": facts.reviewed_mm2,
        "classes": [
            ["#{:02x}{:02x}{:02x}".format(*one.colour), one.name, one.count, one.density] for one in facts.classes
        ],
        "verdicts": {name: facts.verdicts[name] for name in VERDICTS if name in facts.verdicts},
        "warnings": list(facts.warnings),
        "objects": sum(one.count for one in facts.classes),
    }


def _script_safe(text: str) -> str:
    """JSON that can stand in a script element whatever the names in it say."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
