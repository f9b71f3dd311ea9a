"""Slides made for the tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

MakeScn = Callable[[np.ndarray, tuple[int, int], tuple[int, int]], Path]


@pytest.fixture
def leica_slide(tmp_path: Path) -> MakeScn:
    """Writes a Leica SCN: pixels (levels 1 and 1/2, 0.5 µm/px) on a glass (width, height) at (x, y).

    OpenSlide shows the whole glass and names where the pixels lie as its bounds; QuPath shows only these.
    """

    def write(rgb: np.ndarray, glass: tuple[int, int], at: tuple[int, int]) -> Path:
        height, width = rgb.shape[:2]
        sides = {"width": width * 500, "height": height * 500, "x": at[0] * 500, "y": at[1] * 500}
        description = f"""<?xml version="1.0"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01" uuid="urn:uuid:0">
<collection name="slide" uuid="urn:uuid:1" sizeX="{glass[0] * 500}" sizeY="{glass[1] * 500}"><barcode></barcode>
<image name="image" uuid="urn:uuid:2"><creationDate>2020-01-01T00:00:00Z</creationDate>
<device model="SCN400" version="1"/><pixels sizeX="{width}" sizeY="{height}">
<dimension sizeX="{width}" sizeY="{height}" r="0" ifd="0"/>
<dimension sizeX="{width // 2}" sizeY="{height // 2}" r="1" ifd="1"/></pixels>
<view sizeX="{sides["width"]}" sizeY="{sides["height"]}" offsetX="{sides["x"]}" offsetY="{sides["y"]}"/>
<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings><illuminationSettings>
<numericalAperture>0.4</numericalAperture><illuminationSource>brightfield</illuminationSource>
</illuminationSettings></scanSettings></image></collection></scn>"""
        path = tmp_path / "slide.scn"
        with tifffile.TiffWriter(path, bigtiff=True) as tiff:
            for step in (1, 2):
                level = rgb if step == 1 else rgb.reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
                tiff.write(
                    level.astype(np.uint8),
                    photometric="rgb",
                    tile=(256, 256),
                    compression="adobe_deflate",
                    subfiletype=step - 1,
                    description=description if step == 1 else None,
                    resolution=(20_000 / step, 20_000 / step),
                    resolutionunit="CENTIMETER",
                    metadata=None,
                )
        return path

    return write
