"""Imports point along the data flow only (the contracts stand in pyproject.toml)."""

import subprocess
import sys
from pathlib import Path


def test_imports_point_along_the_data_flow() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_and_its_light_stations_load_no_torch() -> None:
    code = (
        "import sys, cerberus_annotate, cerberus_annotate.qupath, cerberus_annotate.network, cerberus_annotate.objects;"
        "import cerberus_annotate.slide, cerberus_annotate.network.registry;"
        "sys.exit(', '.join({'torch', 'cv2', 'skimage', 'openslide'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
