"""The demo slide is made offline and looks like H&E."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from cerberus_annotate.slide import open_slide, write_demo_slide


def test_the_demo_slide_opens_as_a_pyramid_with_pixel_size(tmp_path: Path) -> None:
    write_demo_slide(tmp_path / "demo.tif")
    with open_slide(tmp_path / "demo.tif") as slide:
        assert slide.format == "openslide: generic-tiff"
        assert (slide.width, slide.height, len(slide.levels)) == (512, 512, 2)
        assert slide.mpp == (0.5, 0.5)
        pixels = slide.thumbnail(512).astype(int)
    stained = pixels[pixels.min(axis=2) < 200]
    red, green, blue = stained.T
    assert np.mean((green <= red) & (green <= blue)) > 0.9  # pink and purple, no brown
    assert np.mean((blue > red) & (green < 150)) > 0.04  # nuclei
    assert np.mean(red > blue + 20) > 0.3  # eosin


def test_importing_the_station_loads_no_heavy_library() -> None:
    heavy = "torch", "cv2", "skimage", "openslide", "tifffile", "PIL"
    code = f"import sys, cerberus_annotate.slide; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
