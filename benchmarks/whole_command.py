"""The whole command on a slide: seconds per mm² of image and peak memory, as a user would see them.

    python benchmarks/whole_command.py ../shared/data/slides/CMU-1-Small-Region.svs [--rounds 3] [-- OPTIONS]

Makes a project in a temporary folder, runs `cerberus-annotate` on it as a process of its own, and measures wall time
and the process's peak resident memory; the start of the program (Python, torch, the model) is what the command took
beyond the seconds that it notes for the image. What stands after `--` is given to the command. Beside it stands what
QuPath 0.6's own nucleus detection takes on one thread of a 2-core machine: 2.2 to 4.6 s/mm².
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
    # argparse cannot: an argument for all the rest takes nothing once an option has stood in between
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    own, options = sys.argv[1:at], sys.argv[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(own)
    with open_slide(given.slide) as slide:
        assert slide.mpp is not None, "this benchmark needs a slide with a pixel size"
        area = slide.width * slide.height * slide.mpp[0] * slide.mpp[1] / 1e6
    print(f"{given.slide.name}: {area:.2f} mm², {os.cpu_count()} cores")
    whole, alone = [], []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder) / "project.qpproj"
            subprocess.run([*COMMAND, "create", project, given.slide], check=True, capture_output=True)
            started = time.perf_counter()
            done = subprocess.run(
                [*COMMAND, str(project), "--json", "--quiet", *options], check=True, stdout=subprocess.PIPE
            )
            wall = time.perf_counter() - started
        summary = json.loads(done.stdout)
        image = sum(each["seconds"] for each in summary["images"])
        whole.append(wall / area)
        alone.append(image / area)
        print(
            f"{wall:.1f} s, {whole[-1]:.2f} s/mm²; without the start ({wall - image:.1f} s) {alone[-1]:.2f} s/mm²; "
            f"{summary['objects']}",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(
        f"median {statistics.median(whole):.2f} s/mm², without the start {statistics.median(alone):.2f} s/mm²; "
        f"peak memory of the largest process {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
