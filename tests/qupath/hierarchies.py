"""Arbitrary objects and hierarchies for hypothesis; each object is as it must be read back."""

import dataclasses
from typing import Any

import numpy as np
import shapely
from hypothesis import strategies as st

from cerberus_annotate.qupath import PathClass, PathObject
from cerberus_annotate.qupath.native.roi_reading import ellipses
from cerberus_annotate.qupath.native.roi_writing import on_grid

from .java.trees import texts

#: px on the grid of 0.01, also far out where whole slides end.
places = st.integers(0, 20_000_000).map(lambda hundredths: hundredths / 100)
sizes = st.integers(100, 100_000).map(lambda hundredths: hundredths / 100)
colours = st.tuples(*[st.integers(0, 255)] * 3)
#: Numbers of float32, as lines and points are stored.
exact = st.floats(0, 200_000, width=32).map(abs)


@st.composite
def rings(draw: st.DrawFn, around: tuple[float, float] | None = None, radius: float | None = None) -> np.ndarray:
    """The closed ring of a star-shaped polygon: float64 (n + 1, 2)."""
    x, y = around or (draw(places), draw(places))
    count = draw(st.integers(3, 12))
    jitter = draw(st.lists(st.floats(-0.2, 0.2), min_size=count, max_size=count))
    radii = draw(st.lists(st.floats(0.4, 1), min_size=count, max_size=count))
    angles = (np.arange(count) + jitter) * 2 * np.pi / count
    lengths = np.array(radii) * (radius or draw(st.floats(20, 2_000)))
    points = on_grid(np.column_stack([x + 2_000 + lengths * np.cos(angles), y + 2_000 + lengths * np.sin(angles)]))
    return np.vstack([points, points[:1]])


@st.composite
def polygons_with_holes(draw: st.DrawFn) -> Any:
    around = draw(places), draw(places)
    shell = draw(rings(around, 400))
    hole = draw(rings(around, 20))
    return shapely.polygons(shapely.linearrings(shell), [shapely.linearrings(hole)])


@st.composite
def scattered(draw: st.DrawFn) -> Any:
    """A MultiPolygon of rings that do not touch."""
    x, y = draw(st.integers(0, 50_000)), draw(st.integers(0, 50_000))
    count = draw(st.integers(2, 4))
    return shapely.multipolygons([shapely.polygons(draw(rings((x + 500 * step, y), 100))) for step in range(count)])


def boxes() -> st.SearchStrategy[tuple[float, float, float, float]]:
    return st.tuples(places, places, sizes, sizes).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))


def points(least: int) -> st.SearchStrategy[list[tuple[float, float]]]:
    return st.lists(st.tuples(exact, exact), min_size=least, max_size=6)


#: (QuPath's kind, shape) of all that can be drawn or predicted.
SHAPES = st.one_of(
    rings().map(lambda ring: ("Polygon", shapely.polygons(ring))),
    rings().map(lambda ring: ("Polygon", shapely.polygons(ring))),
    boxes().map(lambda corners: ("Rectangle", shapely.box(*corners))),
    boxes().map(lambda corners: ("Ellipse", ellipses(np.array([corners]))[0])),
    st.tuples(st.tuples(places, places), st.tuples(places, places)).map(
        lambda ends: ("Line", shapely.linestrings(ends))
    ),
    points(3).map(lambda found: ("Polyline", shapely.linestrings(found))),
    points(1).map(lambda found: ("Points", shapely.multipoints(found))),
    polygons_with_holes().map(lambda shape: ("Geometry", shape)),
    scattered().map(lambda shape: ("Geometry", shape)),
)
# Names that QuPath would leave as they are, few, so that objects share classes.
CLASS_NAMES = st.sampled_from(["Tumor", "Stroma", "Nucleus", "Region*", "Ωμέγα", "a b", "+"])


def classes() -> st.SearchStrategy[PathClass | None]:
    chains = st.lists(CLASS_NAMES, min_size=1, max_size=3).map(tuple)
    return st.none() | st.builds(PathClass, chains, st.none() | colours)


@st.composite
def objects(draw: st.DrawFn, kind: Any = None) -> PathObject:
    """One object at the root."""
    kind = kind or draw(st.sampled_from(["annotation", "detection", "tile", "cell"]))
    roi_kind, roi = draw(SHAPES)
    return PathObject(
        roi,
        kind=kind,
        roi_kind=roi_kind,
        plane=draw(st.tuples(st.integers(-1, 3), st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))),
        nucleus=shapely.polygons(draw(rings())) if kind == "cell" and draw(st.booleans()) else None,
        path_class=draw(classes()),
        class_probability=draw(st.floats()),
        name=draw(st.none() | texts()),
        locked=draw(st.booleans()),
        colour=draw(st.none() | colours),
        measurements=draw(st.dictionaries(texts(), st.floats(), max_size=4)),
        metadata=draw(st.dictionaries(texts().filter(lambda key: key != "Object ID"), texts(), max_size=3)),
        uuid=draw(st.uuids()),
    )


@st.composite
def hierarchies(draw: st.DrawFn, parents: tuple[Any, ...] = (), most: int = 10) -> list[PathObject]:
    """Objects under each other or under `parents` (UUIDs), in any order, no UUID twice."""
    made = draw(st.lists(objects(), min_size=1, max_size=most, unique_by=lambda item: item.uuid))
    nested = []
    for place, item in enumerate(made):
        above = draw(st.sampled_from([None, *parents, *(other.uuid for other in made[:place])]))
        nested.append(dataclasses.replace(item, parent=above))
    return list(draw(st.permutations(nested)))
