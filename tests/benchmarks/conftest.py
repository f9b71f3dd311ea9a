"""The benchmarks are no part of the installed package; they are found beside the tests."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    # last, so that an installed package is tested rather than the checkout
    sys.path.append(ROOT)
