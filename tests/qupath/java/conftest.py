"""The fuzzer lies among the benchmarks, which are no part of the installed package."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[3])
if ROOT not in sys.path:
    # last, so that an installed package is tested rather than the checkout
    sys.path.append(ROOT)
