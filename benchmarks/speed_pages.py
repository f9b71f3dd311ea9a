"""Writes the tables of docs/speed.md and docs/scaling.md from what was measured.

    python -m benchmarks.speed_pages --slide SLIDE [--slide SLIDE …]   # measures first: a minute or two a slide
    python -m benchmarks.speed_pages                                    # only writes the tables anew

Measured figures lie in docs/results/speed.json (a list of what `benchmark speed --tasks nuclei,gland --json` prints)
and docs/results/slide-memory.json (`python -m benchmarks.slide_memory --out docs/results/slide-memory.json`). Tables
stand between `<!-- table: NAME -->` and `<!-- end -->`; all else on the pages is written by hand.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed_extrapolation import gpu_table, laptop_table, markdown, storage_table, writer_table
from cerberus_annotate.cli.benchmark_speed import STAGES

DOCS = Path(__file__).parents[1] / "docs"
SPEED, MEMORY = DOCS / "results" / "speed.json", DOCS / "results" / "slide-memory.json"
PAGES = (DOCS / "speed.md", DOCS / "scaling.md")
TASKS = "nuclei,gland"

Measured = dict[str, Any]


def main() -> None:
    """Measures what is asked for and writes the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slide", type=Path, action="append", default=[], help="measure it; may be repeated")
    given = parser.parse_args()
    if given.slide:
        command = [sys.executable, "-m", "cerberus_annotate", "benchmark", "speed", "--tasks", TASKS, "--json"]
        found = [subprocess.check_output([*command, "--slide", str(slide)], text=True) for slide in given.slide]
        SPEED.write_text(json.dumps(list(map(json.loads, found)), ensure_ascii=False, indent=1) + "\n", "utf-8")
    speeds: list[Measured] = json.loads(SPEED.read_text("utf-8"))
    sizes: list[Measured] = json.loads(MEMORY.read_text("utf-8"))
    tables: dict[str, Callable[[], str]] = {
        "stages": lambda: stage_table(speeds),
        "floor": floor_table,
        "memory": lambda: memory_table(sizes),
        "laptops": lambda: laptop_table(speeds[0]),
        "gpus": lambda: gpu_table(speeds[0]),
        "writer": lambda: writer_table(speeds[0]),
        "storage": lambda: storage_table(speeds[0]),
    }
    for page in PAGES:
        page.write_text(with_tables(page.read_text("utf-8"), tables), "utf-8")


def with_tables(text: str, tables: dict[str, Callable[[], str]]) -> str:
    """The page with every table between its marks made anew.  Raises KeyError for a name that is none."""
    mark = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return mark.sub(lambda found: f"{found[1]}\n{tables[found[2]]()}\n\n{found[3]}", text)


def stage_table(speeds: Sequence[Measured]) -> str:
    """A column a slide, seconds per mm² and core seconds in brackets."""
    rows: list[list[str]] = [
        [
            "measured",
            *(
                f"{each['part']['mm2']:.2f} mm², {each['part']['tiles']} tile{'s' * (each['part']['tiles'] > 1)}"
                for each in speeds
            ),
        ],
        ["tissue in it", *(f"{each['part']['tissue']:.0%}" for each in speeds)],
    ]
    for name, title in STAGES.items():
        found = [each["stages"][name] for each in speeds]
        rows.append([title, *(f"{took['s_per_mm2']:.2f} s ({took['core_s_per_mm2']:.2f})" for took in found)])
    floors = [each["floor"] for each in speeds]
    rows += [
        ["file, pixels", *(megabytes(f["file_bytes_per_mm2"], f["decoded_bytes_per_mm2"]) for f in floors)],
        ["objects", *(objects_of(floor) for floor in floors)],
        ["overlap of tiles", *(f"{each['part']['overlap']:.2f}" for each in speeds)],
        [
            "network at the ceiling",
            *(
                f"{f['network_s_per_mm2']:.2f} s, {each['network_share_of_ceiling']:.0%} reached"
                for f, each in zip(floors, speeds, strict=True)
            ),
        ],
        ["same objects as fp32", *map(agreement_of, speeds)],
    ]
    head = ["per mm²", *(f"{each['slide']['file']}, {each['slide']['mpp'][0]:.3g} µm/px" for each in speeds)]
    first = speeds[0]
    machine = first["machine"]
    return (
        f"{first['model']}, {', '.join(first['tasks'])}, {first['precision']} on {machine['device']}: "
        f"{machine['processor']}, {machine['cores']} cores, {machine['gmac_per_s']:,.0f} GMAC/s in one large product. "
        "Core seconds in brackets.\n\n" + markdown(head, rows)
    )


def floor_table() -> str:
    """The work of each configuration, from the networks themselves."""
    from cerberus_annotate.network.config import NetworkConfig, lean_config, official_config, output_classes
    from cerberus_annotate.network.model import TASK_OUTPUTS
    from cerberus_annotate.speed.floor import multiply_adds

    rows = []
    configurations: dict[str, NetworkConfig] = {"bundled": lean_config(), "official": official_config()}
    for name, config in configurations.items():
        given = output_classes(config)
        for tasks in (("nuclei",), ("gland",), ("nuclei", "gland"), ("nuclei", "gland", "lumen", "tissue")):
            outputs = [each for task in tasks for each in TASK_OUTPUTS[task] if each in given]
            found = [task for task in tasks if TASK_OUTPUTS[task][0] in given]
            each = multiply_adds(config, outputs)
            tflop = 2 * each * 1e6 / config.mpp**2 / 1e12
            rows.append([name, ", ".join(found), f"{each:,.0f}", f"{tflop:.2f}"])
    return markdown(["configuration", "tasks", "multiply-adds a px of the 0.5 µm grid", "TFLOP per mm²"], rows)


def memory_table(sizes: Sequence[Measured]) -> str:
    """A row a size."""
    rows = [
        [
            f"{each['width']:,} × {each['height']:,} px ({each['gigapixel']:.1f} gigapixel)",
            f"{each['nuclei']:,}",
            f"{each['peak_mb']:,} MB",
            f"{each['tiles_mb']:,} MB",
            f"{each['data_file_mb']:,.0f} MB",
            f"{each['seconds']:,.0f} s",
        ]
        for each in sorted(sizes, key=lambda each: each["gigapixel"])
    ]
    return markdown(["slide", "nuclei", "peak", "when the last tile was done", "data file", "time"], rows)


def megabytes(*numbers: float) -> str:
    """As `1.64 MB, 48 MB`."""
    return ", ".join(f"{each / 1e6:.3g} MB" for each in numbers)


def objects_of(floor: Measured) -> str:
    return ", ".join(f"{count:,.0f} {task}" for task, count in floor["objects_per_mm2"].items())


def agreement_of(speed: Measured) -> str:
    found = speed["agreement_with_fp32"]
    return ", ".join(f"{each['share']:.2%} of {task}" for task, each in found.items()) or "is fp32"


if __name__ == "__main__":
    main()
