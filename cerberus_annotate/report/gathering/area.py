"""What densities are of: the regions that a run looked at, or the tissue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.annotate.regions import find_regions
from cerberus_annotate.errors import CerberusError
from cerberus_annotate.feedback.runs import Run
from cerberus_annotate.feedback.shapes import geometry_array
from cerberus_annotate.qupath import PathObject


@dataclass(frozen=True)
class Area:
    """shape: in level-0 px. said: what it is, such as `the tissue`."""

    shape: BaseGeometry
    said: str

    def holds(self, objects: Sequence[PathObject]) -> NDArray[np.bool_]:
        """Whether the centre of each object lies in it, bool (n,)."""
        centres = shapely.get_coordinates(shapely.centroid(geometry_array([obj.roi for obj in objects])))
        shapely.prepare(self.shape)
        return np.asarray(shapely.contains_xy(self.shape, centres), bool)


def area_of(
    image_id: str,
    name: str,
    size: tuple[int, int],
    objects: Sequence[PathObject],
    runs: Mapping[str, Run],
    tissue: Callable[[], BaseGeometry],
) -> Area | None:
    """The regions that the last run over the image looked at; the tissue where it looked at all of the image, where its
    regions are there no more, or where there was no run.

    size: (width, height) in level-0 px. tissue: finds the tissue when it is needed; may raise CerberusError. None
    where there is no such area.
    """
    over_it = [run for run in runs.values() if run.state != "removed" and _is_done(run, image_id)]
    for text in (*(run.regions for run in over_it[-1:] if run.regions != "whole"), "tissue"):
        try:
            regions = find_regions(text, name, size, objects, tissue)
        except CerberusError:
            continue
        if regions.area is not None:
            return Area(regions.area, regions.said)
    return None


def _is_done(run: Run, image_id: str) -> bool:
    record = run.images.get(image_id)
    return record is not None and record.status == "done"
