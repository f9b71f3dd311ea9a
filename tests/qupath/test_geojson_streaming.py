"""GeoJSON is read through a window, so that a file of millions of features fits into any memory."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath import PathClass, PathObject, iterate_geojson, read_geojson, write_geojson
from cerberus_annotate.qupath.geojson import features as features_module
from cerberus_annotate.qupath.geojson.features import features

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OTHERS = st.dictionaries(st.text().filter(lambda name: name not in ("features", "type")), VALUES, max_size=3)


@given(
    members=st.lists(VALUES, max_size=6),
    before=OTHERS,
    after=OTHERS,
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    chunk=st.integers(1, 200),
)
def test_wherever_the_window_ends_the_same_features_come(
    members: list[Any], before: Any, after: Any, indent: int | None, ascii_only: bool, chunk: int
) -> None:
    collection = (
        before
        | {"type": "FeatureCollection", "features": members}
        | {name: value for name, value in after.items() if name not in before}
    )
    for content, expected in ((collection, members), (members, members), (before, [before])):
        text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
        with patch.object(features_module, "CHUNK", chunk):
            assert list(features(io.StringIO(text))) == expected


@given(st.lists(VALUES, max_size=4), st.data())
def test_a_file_that_was_cut_off_is_refused(members: list[Any], data: st.DataObject) -> None:
    text = json.dumps({"type": "FeatureCollection", "features": members})
    cut = data.draw(st.integers(0, len(text) - 1))
    with patch.object(features_module, "CHUNK", 16), pytest.raises(ValueError):  # noqa: PT011
        list(features(io.StringIO(text[:cut])))


@pytest.mark.parametrize(
    "text",
    [
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1]]",
        "[1] [2]",
        '{"a" 1}',
        '{"a":1,}',
        '{"a":1 "b":2}',
        "{1:2}",
        "{}{}",
        '{"features":[]}',
        '{"type":"Feature","features":[]}',
        "[tru]",
        '["\\u12"]',
        "null",
        " ",
    ],
)
def test_what_is_no_json_is_refused_wherever_it_stands(text: str) -> None:
    for chunk in (1, 1 << 20):
        with patch.object(features_module, "CHUNK", chunk), pytest.raises(ValueError):  # noqa: PT011
            list(features(io.StringIO(text)))


def test_a_fault_at_the_beginning_is_found_without_reading_on() -> None:
    class Endless(io.StringIO):
        """A file of 10 MB at least whose reading can be counted."""

        asked = 0

        def read(self, size: int | None = -1) -> str:
            assert size is not None
            self.asked += size
            return ("[{'single': quotes}," + "1," * size)[:size] if self.asked == size else "1," * (size // 2)

    file = Endless()
    with pytest.raises(ValueError, match=r"at character 2"):
        list(features(file))
    assert file.asked == features_module.CHUNK


def test_one_endless_feature_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    path.write_text('[{"type":"Feature","name":"' + "a" * 5000)
    with (
        patch.object(features_module, "CHUNK", 100),
        patch.object(features_module, "LARGEST", 1000),
        pytest.raises(UsageError, match="one of its features has more than"),
    ):
        read_geojson(path)


@pytest.mark.parametrize("name", ["x.geojson", "x.geojson.gz"])
def test_memory_does_not_grow_with_the_number_of_features(name: str, tmp_path: Path) -> None:
    path_class = PathClass.of("Nucleus", (1, 2, 3))

    def nuclei(count: int) -> Iterator[PathObject]:
        outline = shapely.Point(50, 50).buffer(5, quad_segs=3)
        for number in range(count):
            yield PathObject(outline, "detection", "Polygon", path_class=path_class, measurements={"a": number / 7})

    peaks = []
    for count in (3000, 9000):
        tracemalloc.start()
        assert write_geojson(nuclei(count), tmp_path / name) == count
        assert sum(1 for _ in iterate_geojson(tmp_path / name)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # two batches at once at most; 6,000 features more are 3 MB of text and 20 MB of parsed JSON
    assert peaks[1] < peaks[0] + 1_000_000
