"""The tables of the pages on speed: from measured figures, and nothing beside the marks is touched."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed_extrapolation import days, laptop_table, storage_table, writer_table
from benchmarks.speed_pages import memory_table, stage_table, with_tables

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def speed() -> dict[str, Any]:
    took = {"s_per_mm2": 2.0, "core_s_per_mm2": 0.5}
    return {
        "slide": {"file": "a.svs", "width": 1, "height": 1, "mpp": [0.25, 0.25]},
        "part": {"mm2": 1.5, "tiles": 4, "tissue": 0.9, "overlap": 1.3},
        "machine": {"processor": "P", "cores": 2, "device": "cpu", "gmac_per_s": 100.0},
        "model": "m",
        "precision": "bf16",
        "tasks": ["nuclei"],
        "floor": {
            "multiply_adds_per_px": 80_000,
            "network_s_per_mm2": 1.0,
            "file_bytes_per_mm2": 2e6,
            "decoded_bytes_per_mm2": 48e6,
            "objects_per_mm2": {"nuclei": 5000.0},
        },
        "stages": dict.fromkeys(("read", "network", "extract", "join", "write", "end_to_end"), took),
        "sent_bytes_per_mm2": 1e6,
        "written_bytes_per_mm2": 3e6,
        "network_share_of_ceiling": 0.5,
        "agreement_with_fp32": {"nuclei": {"share": 0.9971}},
    }


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = "before\n<!-- table: one -->\nold\n<!-- end -->\nafter <!-- end -->\n"
    made = with_tables(page, {"one": lambda: "new"})
    assert made == "before\n<!-- table: one -->\n\nnew\n\n<!-- end -->\nafter <!-- end -->\n"
    assert with_tables(made, {"one": lambda: "new"}) == made
    with pytest.raises(KeyError):
        with_tables(page, {})


def test_measured_figures_stand_in_the_table(speed: dict[str, Any]) -> None:
    table = stage_table([speed, speed])
    for words in ("| 2.00 s (0.50) | 2.00 s (0.50) |", "5,000 nuclei", "99.71% of nuclei", "50% reached", "2 cores"):
        assert words in table


def test_extrapolations_show_their_arithmetic(speed: dict[str, Any]) -> None:
    assert "2.00 s/mm² × 100 mm² = 200 s" in laptop_table(speed)
    assert "| 10 | 5,000 × 200 s / 10 | 27.8 h |" in laptop_table(speed)
    assert "(0.50 s to join + 0.50 s to write) × 100 mm² = 100.0 s" in writer_table(speed)
    assert "| 2.00 MB/mm² × 225 mm² | 450 MB | 2.25 TB |" in storage_table(speed)
    assert days(3 * 86_400) == "3.0 days"


def test_sizes_are_in_order() -> None:
    one = {"width": 10, "height": 10, "gigapixel": 1, "nuclei": 5, "peak_mb": 900, "tiles_mb": 800}
    one |= {"data_file_mb": 3.0, "seconds": 7.0}
    table = memory_table([{**one, "gigapixel": 20}, one])
    assert table.index("1.0 gigapixel") < table.index("20.0 gigapixel")


def test_the_pages_are_those_of_the_measured_figures() -> None:
    speeds = json.loads((DOCS / "results/speed.json").read_text("utf-8"))
    assert stage_table(speeds) in (DOCS / "speed.md").read_text("utf-8")
    assert writer_table(speeds[0]) in (DOCS / "scaling.md").read_text("utf-8")
