"""What the network found, before any project knows of it."""

import uuid as uuid_module
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shapely.geometry import Polygon


@dataclass(frozen=True)
class PredictedObject:
    """One nucleus, gland, lumen or tissue area.

    `polygon` is valid, may have holes, and is in the pixels of whoever asked: of `rgb` for `predict_image`,
    level-0 pixels of the slide as QuPath shows it for a run. `path_class` is the class text as QuPath prints it
    (`Nucleus: Epithelial`). `confidence` is the mean probability inside, 0 to 1. `parent` is the `uuid` of the
    gland around a lumen. `measurements` are further numbers by name, with their unit in the name.
    """

    task: str
    path_class: str
    polygon: Polygon
    confidence: float
    uuid: uuid_module.UUID = field(default_factory=uuid_module.uuid4)
    parent: uuid_module.UUID | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """A rectangle of a slide that could not be read, in level-0 px, and why, as a sentence."""

    x: int
    y: int
    width: int
    height: int
    reason: str


class ObjectSource(Protocol):
    """The objects of a slide, in memory or on disk; may be walked several times, with the same objects each time."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Task → objects."""

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """What of the slide has no objects because it could not be read."""

    def chunks(self) -> Iterator[list[PredictedObject]]:
        """The objects in pieces that fit in memory: first all glands, lumina and tissue areas, then the nuclei, each
        chunk of one task but for glands and their lumina, which come together."""


@dataclass(frozen=True)
class ObjectList:
    """Objects in memory as an `ObjectSource`."""

    objects: Sequence[PredictedObject]
    left_out: Sequence[LeftOut] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        return Counter(each.task for each in self.objects)

    def chunks(self) -> Iterator[list[PredictedObject]]:
        areas = [each for each in self.objects if each.task in ("gland", "lumen")]
        other = dict.fromkeys(each.task for each in self.objects if each.task not in ("gland", "lumen"))
        yield from filter(None, [areas])
        for task in sorted(other, key=lambda name: name == "nuclei"):
            yield [each for each in self.objects if each.task == task]
