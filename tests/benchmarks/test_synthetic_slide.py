"""The slide without pixels, and that a run finds what it shows."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.slide_memory import size_of
from benchmarks.synthetic_slide import MPP, NUCLEUS_PITCH, SyntheticSlide, expected_nuclei, seeing_model
from cerberus_annotate.predict import predict_slide
from cerberus_annotate.slide import Region


def test_a_pixel_is_the_same_in_every_window() -> None:
    slide = SyntheticSlide(Path("none"), 12_000, 10_000)
    for level in (0, 1):
        whole = slide.read(Region(4100, 3900, 700, 600), level)
        part = slide.read(Region(4333, 4001, 200, 300), level)
        assert np.array_equal(whole[101:401, 233:433], part)
        assert len(np.unique(whole[..., 0])) == 3


def test_all_nuclei_and_glands_are_found_once() -> None:
    width, height = 100 * NUCLEUS_PITCH, 95 * NUCLEUS_PITCH
    slide = SyntheticSlide(Path("none"), width, height)
    found = predict_slide(slide, (MPP, MPP), seeing_model(), precision="fp32")
    assert found.counts["nuclei"] == expected_nuclei(width, height) == 9500
    assert 16 <= found.counts["gland"] <= 25
    types = {each.path_class for each in found}
    assert {"Nucleus: Epithelial", "Nucleus: Connective"} <= types


def test_a_size_in_gigapixel_or_px() -> None:
    assert size_of("100000x80000") == (100_000, 80_000)
    width, height = size_of("20")
    assert abs(width * height / 20e9 - 1) < 0.001


def test_a_small_run_from_end_to_end(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    out = tmp_path / "memory.json"
    own = [sys.executable, "-m", "benchmarks.slide_memory", "--sizes", "3000x2500", "--out", str(out)]
    subprocess.run(own, cwd=root, check=True, capture_output=True)
    (found,) = json.loads(out.read_text())
    assert abs(found["nuclei"] / expected_nuclei(3000, 2500) - 1) < 0.05
    assert found["start_mb"] <= found["tiles_mb"] <= found["peak_mb"]
