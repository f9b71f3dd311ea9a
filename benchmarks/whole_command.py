"""The whole command on a slide: seconds per mm² of image and peak memory, as a user would see them.

    python benchmarks/whole_command.py ../shared/data/slides/CMU-1-Small-Region.svs [--rounds 3] [-- OPTIONS]

Makes a project in a temporary folder, runs `cerberus-annotate` on it as a process of its own, and measures wall time
and the process's peak resident memory. What stands after `--` is given to the command. Beside it stands what QuPath
0.6's own nucleus detection takes on one thread of a 2-core machine: 2.2 to 4.6 s/mm².
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cerberus_annotate.slide import open_slide

COMMAND = [sys.executable, "-m", "cerberus_annotate"]


def main() -> None:
    """Prints one line a round and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("options", nargs="*", help="options for cerberus-annotate, after --")
    given = parser.parse_args()
    with open_slide(given.slide) as slide:
        assert slide.mpp is not None, "this benchmark needs a slide with a pixel size"
        area = slide.width * slide.height * slide.mpp[0] * slide.mpp[1] / 1e6
    print(f"{given.slide.name}: {area:.2f} mm², {os.cpu_count()} cores")
    rates = []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder) / "project.qpproj"
            subprocess.run([*COMMAND, "create", project, given.slide], check=True, capture_output=True)
            started = time.perf_counter()
            done = subprocess.run(
                [*COMMAND, str(project), "--json", "--quiet", *given.options], check=True, stdout=subprocess.PIPE
            )
            wall = time.perf_counter() - started
        objects = json.loads(done.stdout)["objects"]
        rates.append(wall / area)
        print(f"{wall:.1f} s, {wall / area:.2f} s/mm², {objects}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(f"median {statistics.median(rates):.2f} s/mm², peak memory of the largest process {peak:.2f} GB")


if __name__ == "__main__":
    main()
