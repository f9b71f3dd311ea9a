"""What a square millimetre costs at least: multiply-adds, bytes, and how fast this machine multiplies."""

import platform
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import NetworkConfig
from cerberus_annotate.slide import Slide

COUNTED_SIDE = 288
"""px of the grid a side; a multiple of 144, so that the tissue head's cells come out whole."""

CEILING_SECONDS = 1.0
CEILING_ROUNDS = 5


@dataclass(frozen=True)
class Floor:
    """What a mm² of a slide costs at least, whatever the program.

    multiply_adds: of the network per px of its grid, without overlap.  grid_pixels: of the grid per mm².
    file_bytes: the slide file's share per mm².  decoded_bytes: RGB per mm² of the level that is read.
    """

    multiply_adds: float
    grid_pixels: float
    file_bytes: float
    decoded_bytes: float

    @property
    def tflop(self) -> float:
        """10¹² floating-point operations per mm², two a multiply-add."""
        return 2 * self.multiply_adds * self.grid_pixels / 1e12


def floor_of(
    slide: Slide, mpp: tuple[float, float], config: NetworkConfig, outputs: Collection[str], file_bytes: int
) -> Floor:
    """mpp: (x, y) µm per level-0 px.  outputs: of the network.  file_bytes: of the whole slide."""
    finest = min(config.input_mpp / each for each in mpp) * 1.0001
    downsample = max((level.downsample for level in slide.levels if level.downsample <= finest), default=1.0)
    pixels = 1e6 / (mpp[0] * mpp[1])
    return Floor(
        multiply_adds(config, outputs),
        1e6 / config.mpp**2,
        file_bytes / (slide.width * slide.height / pixels),
        3 * pixels / downsample**2,
    )


def multiply_adds(config: NetworkConfig, outputs: Collection[str]) -> float:
    """Of the network per px of its grid, counted over a whole square (nothing is computed: torch's meta device)."""
    with torch.device("meta"), torch.no_grad():
        network = Cerberus(config).eval()
        side = COUNTED_SIDE * config.stem_stride
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, side, side), outputs=outputs)
    return counter.get_total_flops() / 2 / COUNTED_SIDE**2


def slide_bytes(path: Path) -> int:
    """Size of a slide on disk, with the files that belong to it (MIRAX: its folder; DICOM: the folder it lies in)."""
    if path.suffix.lower() == ".dcm":
        return sum(file.stat().st_size for file in path.parent.glob("*.dcm"))
    beside = path.with_suffix("") if path.suffix.lower() == ".mrxs" else path
    files = [path, *beside.rglob("*")] if beside.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def matmul_ceiling(device: str, dtype: torch.dtype) -> float:
    """Multiply-adds per second of one large matrix product: the most that this device gives; the best of a second."""
    side = 8192 if device.startswith("cuda") else 2048
    one = torch.rand(side, side, device=device).to(dtype)
    best, until, rounds = float("inf"), time.perf_counter() + CEILING_SECONDS, 0
    while rounds < CEILING_ROUNDS or time.perf_counter() < until:
        started = time.perf_counter()
        product = one @ one
        product[-1, -1].item()  # waits for the device
        best, rounds = min(best, time.perf_counter() - started), rounds + 1
    return side**3 / best


def processor_name() -> str:
    """The processor in words."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
