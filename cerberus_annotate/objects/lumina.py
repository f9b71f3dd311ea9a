"""Lumina belong inside glands."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely

from cerberus_annotate.objects.instances import lumen_settings
from cerberus_annotate.objects.polygons import largest_polygon
from cerberus_annotate.objects.predicted import PredictedObject


def place_lumina(
    lumina: Sequence[PredictedObject],
    glands: Sequence[PredictedObject],
    smallest: float = lumen_settings().smallest,
) -> list[PredictedObject]:
    """The lumina cut to the gland that holds most of each, which becomes the `parent`; in the same order.

    All polygons are in the same pixels, the network's for the default of `smallest` (px²): what lies outside every
    gland is dropped, and so is what is left with less than `smallest`, in several parts all but the largest. A gland's
    polygon includes its lumina, because its holes are filled.
    """
    if not lumina or not glands:
        return []
    outlines = np.array([lumen.polygon for lumen in lumina], object)
    homes = np.array([gland.polygon for gland in glands], object)
    which, home = shapely.STRtree(homes).query(outlines, predicate="intersects")
    shared = shapely.intersection(outlines[which], homes[home])
    # The largest share comes first; of equal ones that of the gland listed first.
    order = np.lexsort((home, -shapely.area(shared), which))
    placed = []
    for index in order[np.flatnonzero(np.diff(which[order], prepend=-1))].tolist():
        polygon = largest_polygon(shared[index])
        if not polygon.is_empty and polygon.area >= smallest:
            placed.append(replace(lumina[which[index]], polygon=polygon, parent=glands[home[index]].uuid))
    return placed
