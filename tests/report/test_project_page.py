"""The report's page: nothing in a name can break it, a thousand slides pass as an attachment, the curve is right."""

import json
import re

import numpy as np

from cerberus_annotate.report.curve import HEIGHT, curves
from cerberus_annotate.report.facts import ClassCount, ReportFacts, Round, SlideFacts, Strip
from cerberus_annotate.report.project_page import report_html

HOSTILE = '</script><script>alert("x")</script>'


def slide(name: str, side: int = 220, seed: int = 0) -> SlideFacts:
    rough = np.random.default_rng(seed).integers(90, 250, (side // 4, side // 4, 3), np.uint8)
    picture = np.kron(rough, np.ones((4, 4, 1), np.uint8))  # as hard to compress as tissue
    return SlideFacts(name, picture, 12.5, 0.1, (ClassCount("Nucleus", (1, 2, 3), 4000, 320.0),), {"accepted": 3}, ())


def facts(slides: tuple[SlideFacts, ...], **more: object) -> ReportFacts:
    values = {"classes": (), "verdicts": {}, "strips": (), "models": (), "rounds": (), "runs": (), "notes": ()}
    return ReportFacts("study", "today", "0.1", slides, **{**values, **more})


def slides_in(html: str) -> list[dict]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_a_name_is_shown_and_never_run() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    strip = Strip("deleted", HOSTILE, HOSTILE, picture, picture)
    html = report_html(facts((slide(HOSTILE),), strips=(strip,), verdicts={"deleted": 1}))
    assert "alert" in html
    assert "<script>alert" not in html
    assert slides_in(html)[0]["name"] == HOSTILE


def test_a_thousand_slides_are_less_than_twenty_megabytes() -> None:
    html = report_html(facts(tuple(slide(f"slide {number}", seed=number) for number in range(1000))))
    assert len(slides_in(html)) == 1000
    assert len(html.encode()) < 20e6


def test_it_needs_no_other_file() -> None:
    html = report_html(facts((slide("one"),)))
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "@import" not in html


def test_a_curve_begins_with_the_first_parent_and_has_a_point_a_round() -> None:
    rounds = [
        Round("v1", "cerberus-small", "held out", "nuclei pq", 0.4, 0.45),
        Round("v2", "v1", "held out", "nuclei pq", 0.45, 0.43),
        Round("v2", "v1", "glas", "gland object f1", 0.8, 0.8),
    ]
    first, second = curves(rounds)
    assert [(point.label, point.value) for point in first.points] == [
        ("cerberus-small", 0.4),
        ("v1", 0.45),
        ("v2", 0.43),
    ]
    heights = [point.y for point in first.points]
    assert heights[1] < heights[2] < heights[0] < HEIGHT
    assert [point.value for point in second.points] == [0.8, 0.8]
