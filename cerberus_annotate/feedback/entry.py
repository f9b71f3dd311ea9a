"""What a ledger is made of: objects as they were written, and the commits that wrote them."""

import uuid as uuid_module
from collections.abc import Mapping
from dataclasses import dataclass, field

from shapely.geometry import Polygon


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as it was written.

    uuid: our id, at the same time the object's UUID where the data file keeps UUIDs.
    commit: number of the commit that wrote it; `ended`: number of the commit that took it away again, 0 for none.
    deleted: it was gone from the project when a later commit looked, so the pathologist deleted it.
    polygon: level-0 px of the image as QuPath shows it. kind: of the path object. measurements: all that were
    written but the confidence.
    """

    uuid: uuid_module.UUID
    task: str
    path_class: str
    polygon: Polygon
    confidence: float
    commit: int
    ended: int = 0
    deleted: bool = False
    name: str | None = None
    locked: bool = False
    parent: uuid_module.UUID | None = None
    kind: str = "annotation"
    measurements: Mapping[str, float] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """`live`, `superseded` (by a later run or by `runs remove`) or `deleted` (by the pathologist)."""
        if self.ended:
            return "superseded"
        return "deleted" if self.deleted else "live"


@dataclass(frozen=True)
class Commit:
    """One change of an image's data file by us.  action: `annotate`, `remove` or `rewrite`.

    marked: its number stands in the data file that it wrote, see `feedback/overwritten.py`.
    """

    number: int
    run: str
    action: str
    time: str
    added: int
    removed: int
    marked: bool = False
