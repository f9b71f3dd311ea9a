"""What a measurement found, as plain facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cerberus_annotate.slide import Region
from cerberus_annotate.speed.agreement import Agreement
from cerberus_annotate.speed.floor import Floor
from cerberus_annotate.speed.stages import Seconds


@dataclass(frozen=True)
class Part:
    """The measured part of a slide.

    region: in level-0 px.  tissue: how much of it is tissue, 0 to 1.  mm2: of the tiles over it.  tile_side: in network
    px.  overlap: px that the network computes per px that is kept.
    """

    region: Region
    tissue: float
    mm2: float
    tiles: int
    tile_side: int
    overlap: float


@dataclass(frozen=True)
class Machine:
    """cores: that this process may use.  ceiling: multiply-adds per second of a matrix product on the device."""

    processor: str
    cores: int
    device: str
    ceiling: float


@dataclass(frozen=True)
class Speed:
    """What a part of a slide costs.

    slide: the file's name.  mpp: (x, y) µm per level-0 px.  stages: `read`, `network`, `extract`, `join`, `write` and
    `end_to_end`, in seconds per mm².  sent, written: bytes per mm², of the tiles' objects on their way from a worker,
    and by which the project grows.  objects: per mm², by task.  agreement: with fp32, by task; empty where fp32 is what
    was measured.
    """

    slide: str
    size: tuple[int, int]
    mpp: tuple[float, float]
    part: Part
    machine: Machine
    model: str
    precision: str
    tasks: tuple[str, ...]
    floor: Floor
    stages: Mapping[str, Seconds]
    sent: float
    written: float
    objects: Mapping[str, float]
    agreement: Mapping[str, Agreement]

    @property
    def network_floor(self) -> float:
        """Seconds per mm² of the network, without overlap, at the device's ceiling."""
        return self.floor.multiply_adds * self.floor.grid_pixels / self.machine.ceiling

    @property
    def ceiling_reached(self) -> float:
        """Share of the ceiling that the network's useful multiply-adds reach, 0 to 1."""
        return self.network_floor / self.stages["network"].wall

    def as_json(self) -> dict[str, Any]:
        """As `docs/speed.md` describes it."""
        region = self.part.region
        return {
            "slide": {"file": self.slide, "width": self.size[0], "height": self.size[1], "mpp": list(self.mpp)},
            "part": {
                "x": region.x,
                "y": region.y,
                "width": region.width,
                "height": region.height,
                "tissue": round(self.part.tissue, 3),
                "mm2": round(self.part.mm2, 4),
                "tiles": self.part.tiles,
                "tile_side_px": self.part.tile_side,
                "overlap": round(self.part.overlap, 3),
            },
            "machine": {
                "processor": self.machine.processor,
                "cores": self.machine.cores,
                "device": self.machine.device,
                "gmac_per_s": round(self.machine.ceiling / 1e9, 1),
            },
            "model": self.model,
            "precision": self.precision,
            "tasks": list(self.tasks),
            "floor": {
                "multiply_adds_per_px": round(self.floor.multiply_adds),
                "tflop_per_mm2": round(self.floor.tflop, 4),
                "network_s_per_mm2": round(self.network_floor, 4),
                "file_bytes_per_mm2": round(self.floor.file_bytes),
                "decoded_bytes_per_mm2": round(self.floor.decoded_bytes),
                "objects_per_mm2": {task: round(count, 1) for task, count in self.objects.items()},
            },
            "stages": {
                name: {"s_per_mm2": round(took.wall, 4), "core_s_per_mm2": round(took.cpu, 4)}
                for name, took in self.stages.items()
            },
            "sent_bytes_per_mm2": round(self.sent),
            "written_bytes_per_mm2": round(self.written),
            "network_share_of_ceiling": round(self.ceiling_reached, 3),
            "agreement_with_fp32": {
                task: {
                    "objects": found.fast,
                    "fp32": found.plain,
                    "matched": found.matched,
                    "share": round(found.share, 4),
                }
                for task, found in self.agreement.items()
            },
        }
