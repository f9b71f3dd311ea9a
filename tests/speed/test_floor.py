"""What a mm² costs at least."""

from pathlib import Path

import pytest
import torch

from cerberus_annotate.network.config import lean_config, official_config, output_classes
from cerberus_annotate.slide import open_slide
from cerberus_annotate.slide.pyramid import write_pyramid
from cerberus_annotate.speed.floor import floor_of, matmul_ceiling, multiply_adds, slide_bytes
from cerberus_annotate.speed.sample import write_sample


def test_the_official_network_costs_what_is_published_of_it() -> None:
    everything = output_classes(official_config())
    assert multiply_adds(official_config(), everything) == pytest.approx(0.92e6, rel=0.01)


def test_heads_that_are_not_asked_for_cost_nothing() -> None:
    config = lean_config()
    nuclei = multiply_adds(config, ["Nuclei-INST", "Nuclei-TYPE"])
    assert nuclei < multiply_adds(config, ["Nuclei-INST", "Nuclei-TYPE", "Gland-INST"])
    # the stem alone: 8 x 8 px of 3 colours to 32 channels
    assert nuclei > 8 * 8 * 3 * 32


def test_a_mm2_of_the_sample(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.tif")
    with open_slide(tmp_path / "sample.tif") as slide:
        assert slide.mpp == pytest.approx((0.5, 0.5))
        floor = floor_of(slide, (0.5, 0.5), official_config(), ["Nuclei-INST"], slide_bytes(slide.path))
        assert floor.grid_pixels == 4e6
        assert floor.decoded_bytes == pytest.approx(12e6)
        assert floor.file_bytes * slide.width * slide.height * 0.25e-6 == pytest.approx(
            (tmp_path / "sample.tif").stat().st_size
        )
        assert floor.tflop == pytest.approx(2 * floor.multiply_adds * 4e6 / 1e12)
        # at 2 µm/px a level of a sixteenth of the pixels does
        coarse = floor_of(slide, (0.125, 0.125), lean_config(), ["Nuclei-INST"], 1)
        assert coarse.decoded_bytes == pytest.approx(3 * 64e6 / 4)


def test_a_slide_is_as_large_as_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a.mrxs").write_bytes(b"123")
    (tmp_path / "a" / "Data0000.dat").write_bytes(b"4567")
    (tmp_path / "b.svs").write_bytes(b"12")
    assert slide_bytes(tmp_path / "a.mrxs") == 7
    assert slide_bytes(tmp_path / "b.svs") == 2
    write_pyramid(tmp_path / "0.dcm", torch.zeros(8, 8, 3, dtype=torch.uint8).numpy(), None)
    (tmp_path / "1.dcm").write_bytes(b"1")
    assert slide_bytes(tmp_path / "1.dcm") == (tmp_path / "0.dcm").stat().st_size + 1


def test_the_ceiling_is_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cerberus_annotate.speed.floor.CEILING_SECONDS", 0.0)
    # a tenth of what the slowest processor of the last ten years gives, and more than any gives
    assert 1e8 < matmul_ceiling("cpu", torch.float32) < 1e15
