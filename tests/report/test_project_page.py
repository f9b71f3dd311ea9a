"""The report's page: nothing in a name can break it, a thousand slides pass as an attachment, the curve is right."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cerberus_annotate.report.curve import HEIGHT, MARGIN, WIDTH, curves
from cerberus_annotate.report.facts import ClassCount, Learnt, ModelFacts, ReportFacts, Round, SlideFacts, Strip
from cerberus_annotate.report.gathering.project import THUMBNAILS
from cerberus_annotate.report.project_page import report_html

HOSTILE = '</script><script>alert("x")</script>'


def slide(name: str, characters: int = 100) -> SlideFacts:
    picture = "data:image/jpeg;base64,".ljust(characters, "A")
    counts = (ClassCount("Nucleus", (1, 2, 3), 4000, 320.0),)
    return SlideFacts(name, picture, "the tissue", 12.5, 0.1, counts, {"accepted": 3}, ())


def facts(slides: tuple[SlideFacts, ...], **more: object) -> ReportFacts:
    values = {"classes": (), "verdicts": {}, "strips": (), "models": (), "rounds": (), "learnt": ()}
    areas = {"area": "the tissue", "area_mm2": 12.5, "reviewed_mm2": 0.1}
    return ReportFacts("study", "today", "0.1", slides, **{**areas, **values, **more})


def slides_in(html: str) -> list[dict]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_a_name_is_shown_and_never_run() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    strip = Strip("deleted", HOSTILE, HOSTILE, picture, picture)
    named = {
        "strips": (strip,),
        "verdicts": {HOSTILE: {"deleted": 1}},
        "classes": (ClassCount(HOSTILE, (1, 2, 3), 1, None),),
        "models": (ModelFacts(HOSTILE, 1, "today", 1, 1),),
        "learnt": (Learnt(HOSTILE, HOSTILE, "today", 1, 1, HOSTILE),),
        "rounds": (Round(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.1, 0.2, 0.1, 0.3),),
    }
    html = report_html(replace(facts((slide(HOSTILE),), **named), project=HOSTILE))
    assert html.count("alert") > 10
    assert "<script>alert" not in html
    assert slides_in(html)[0]["name"] == HOSTILE


def test_a_thousand_slides_are_less_than_twenty_megabytes() -> None:
    slides = tuple(slide(f"slide {number}", THUMBNAILS // 1000) for number in range(1000))
    html = report_html(facts(slides))
    assert len(slides_in(html)) == 1000
    assert len(html.encode()) < 20e6


def test_it_needs_no_other_file() -> None:
    html = report_html(facts((slide("one"),)))
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "@import" not in html


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium to show the page")
def test_a_browser_shows_one_page_of_slides_and_runs_nothing_of_a_name(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    names = [HOSTILE, *(f"slide {number}" for number in range(60))]
    page.write_text(report_html(facts(tuple(map(slide, names)))), "utf-8")
    arguments = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom")
    shown = subprocess.run(["chromium", *arguments, page.as_uri()], capture_output=True, text=True, timeout=60)
    assert shown.stdout.count('<div class="slide">') == 24
    assert "1 to 24 of 61" in shown.stdout
    assert '<h3>&lt;/script&gt;&lt;script&gt;alert("x")&lt;/script&gt;</h3>' in shown.stdout


ROUNDS = [
    Round("v1", "cerberus-small", "held out", "nuclei, PQ", 0.40, 0.45, 0.43, 0.47),
    Round("v2", "v1", "held out", "nuclei, PQ", 0.44, 0.43, 0.41, 0.45),
    Round("other", "v1", "held out", "nuclei, PQ", 0.45, 0.46, 0.44, 0.48),
    Round("v2", "v1", "glas", "glands, object F1", 0.8, 0.8, 0.8, 0.8),
]


def test_a_line_of_a_curve_is_a_round_from_parent_to_model() -> None:
    nuclei, glands = curves(ROUNDS)
    assert (nuclei.title, glands.title) == ("nuclei, PQ, held out", "glands, object F1, glas")
    assert [name for _, name in nuclei.labels] == ["cerberus-small", "v1", "v2", "other"]
    at = {name: x for x, name in nuclei.labels}
    first, second, third = nuclei.segments
    assert (first.x1, first.x2) == (at["cerberus-small"], at["v1"])
    assert (second.x1, second.x2) == (at["v1"], at["v2"])
    assert (third.x1, third.x2) == (at["v1"], at["other"])
    assert first.y2 == third.y1 != second.y1
    assert first.high < first.y2 < first.low
    assert first.y2 < first.y1
    assert second.y2 > second.y1


def test_a_curve_stays_in_its_drawing_whatever_the_figures() -> None:
    for curve in curves(ROUNDS):
        for one in curve.segments:
            assert all(0 < x < WIDTH for x in (one.x1, one.x2))
            assert all(0 < y < HEIGHT - MARGIN / 2 for y in (one.y1, one.y2, one.low, one.high))
        assert all(0 < x < WIDTH for x, _ in curve.labels)
