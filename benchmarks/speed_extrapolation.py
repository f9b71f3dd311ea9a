"""From seconds per mm² measured on one machine to 5,000 slides on many: tables whose every number is arithmetic.

Nothing here is measured. What is assumed stands in the constants; docs/scaling.md tells it to the reader.
"""

from collections.abc import Sequence
from typing import Any

SLIDES = 5000
TISSUE_MM2 = 100
"""Of a slide; a large section has 200 to 400, a biopsy 5 to 20."""
SCANNED_MM2 = 225
"""15 mm × 15 mm; the file holds the glass too."""

MACHINES = (1, 10, 50)
GPUS = (1, 8, 32)
SHARES = (0.1, 0.4)
"""Of the data sheet's rate that the network reaches: little, as convolutions of few channels do, and what we aim at."""
PEAKS = {"L4": 121, "A100": 312, "H100 SXM": 989}
"""TFLOP/s in bf16 without sparsity, of NVIDIA's data sheets."""
CORES_PER_GPU = 16
"""For reading and extraction, each as fast as one of the measured machine."""

DAY = 86_400

Measured = dict[str, Any]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def laptop_table(speed: Measured) -> str:
    """Machines like the measured one, each with slides of its own."""
    each = speed["stages"]["end_to_end"]["s_per_mm2"]
    slide = each * TISSUE_MM2
    rows = [[f"{count}", f"{SLIDES:,} × {slide:,.0f} s / {count}", days(SLIDES * slide / count)] for count in MACHINES]
    return f"A slide: {each:.2f} s/mm² × {TISSUE_MM2} mm² = {slide:,.0f} s ({slide / 60:.0f} min).\n\n" + markdown(
        ["machines", f"{SLIDES:,} slides", "extrapolated"], rows
    )


def gpu_table(speed: Measured) -> str:
    """GPUs from data sheets, with processors beside them that read and extract."""
    from cerberus_annotate.network.config import lean_config, official_config, output_classes
    from cerberus_annotate.predict.geometry import LARGEST_SIDE, NUCLEUS_HALO
    from cerberus_annotate.speed.floor import multiply_adds

    read, extract = (speed["stages"][name]["core_s_per_mm2"] for name in ("read", "extract"))
    beside = (read + extract) / CORES_PER_GPU
    rows = []
    for name, config in (("bundled", lean_config()), ("official", official_config())):
        tasks = speed["floor"]["multiply_adds_per_px"]
        adds = tasks if name == "bundled" else multiply_adds(config, output_classes(config))
        overlap = ((LARGEST_SIDE + 2 * (config.margin + NUCLEUS_HALO)) / LARGEST_SIDE) ** 2
        tflop = 2 * adds * 1e6 / config.mpp**2 / 1e12 * overlap
        for gpu, peak in PEAKS.items():
            network = [tflop / (peak * share) for share in reversed(SHARES)]
            whole = [max(each, beside) for each in network]
            rows.append(
                [
                    f"{name}, {tflop:.2f} TFLOP/mm² with an overlap of {overlap:.2f}",
                    gpu,
                    f"{network[0]:.3f} to {network[1]:.3f} s/mm²",
                    *(span(*(days(SLIDES * TISSUE_MM2 * each / count) for each in whole)) for count in GPUS),
                ]
            )
    head = ["network", "GPU", "network stage", *(f"{count} GPU{'s' * (count > 1)}" for count in GPUS)]
    return (
        f"Reading and extraction: ({read:.2f} s + {extract:.2f} s) / {CORES_PER_GPU} cores a GPU = {beside:.3f} s/mm²."
        "\n\n" + markdown(head, rows)
    )


def writer_table(speed: Measured) -> str:
    """What is done in one place, however many machines compute."""
    stages = speed["stages"]
    join, write = (stages[name]["core_s_per_mm2"] for name in ("join", "write"))
    alone = (join + write) * TISSUE_MM2
    rows = [[f"{count}", f"{SLIDES:,} × {alone:.1f} s / {count}", days(SLIDES * alone / count)] for count in (1, 4, 16)]
    return (
        f"A slide: ({join:.2f} s to join + {write:.2f} s to write) × {TISSUE_MM2} mm² = {alone:.1f} s of one core."
        "\n\n" + markdown(["projects at a time, a core each", f"{SLIDES:,} slides", "extrapolated"], rows)
    )


def storage_table(speed: Measured) -> str:
    """Bytes to keep and to move."""
    floor = speed["floor"]
    files = floor["file_bytes_per_mm2"] * SCANNED_MM2
    sent, written = (speed[name] * TISSUE_MM2 for name in ("sent_bytes_per_mm2", "written_bytes_per_mm2"))
    shared = floor["file_bytes_per_mm2"]
    rows = [
        ["slides, read once", f"{floor['file_bytes_per_mm2'] / 1e6:.2f} MB/mm² × {SCANNED_MM2} mm²", *kept(files)],
        ["objects from workers", f"{speed['sent_bytes_per_mm2'] / 1e6:.2f} MB/mm² × {TISSUE_MM2} mm²", *kept(sent)],
        [
            "data file and ledger",
            f"{speed['written_bytes_per_mm2'] / 1e6:.2f} MB/mm² × {TISSUE_MM2} mm²",
            *kept(written),
        ],
    ]
    rates = [
        [
            "a slide file is read at",
            f"{shared / 1e6:.2f} MB/mm² × rate",
            f"{rate} mm²/s",
            f"{shared * rate / 1e6:,.0f} MB/s",
        ]
        for rate in (1, 10, 40)
    ]
    return (
        markdown(["what", "arithmetic", "a slide", f"{SLIDES:,} slides"], rows)
        + "\n\n"
        + markdown(["network", "arithmetic", "at", "needs"], rates)
    )


def kept(size: float) -> tuple[str, str]:
    """A slide's bytes, and those of all."""
    return f"{size / 1e6:,.0f} MB", f"{size * SLIDES / 1e12:.2f} TB"


def span(least: str, most: str) -> str:
    """Two numbers, or one where they are alike."""
    return least if least == most else f"{least} to {most}"


def days(seconds: float) -> str:
    """In hours below two days."""
    return f"{seconds / 3600:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:,.1f} days"
