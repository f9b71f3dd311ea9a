"""Where a report says models are from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cerberus_annotate.network.lineage import LINEAGE, HarvestLearnt, Lineage
from cerberus_annotate.report.gathering.lineage import learnt_of, lineages_of, rounds_of

Register = Callable[..., None]


def figure(before: float, after: float, class_name: str | None = None) -> dict[str, Any]:
    figures = {"data": "held out", "task": "nuclei", "class": class_name, "measure": "pq"}
    values = {
        name: {"value": value, "ci": [value - 0.01, value + 0.01]}
        for name, value in (("before", before), ("after", after))
    }
    return {**figures, **values, "difference": {"value": after - before, "ci": [0.0, 0.0]}}


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """Makes a model with a lineage; a string is written as it is."""
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path))

    def make(name: str, parent: str, *figures: dict[str, Any], text: str = "") -> None:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "weights.pt").touch()
        harvest = HarvestLearnt("harvest", "study", 2, 10, 400, "0" * 64)
        lineage = Lineage(
            parent, "0" * 64, (harvest,), figures, True, "It is better.", "2026-01-31T10:00:00+00:00", 1, ""
        )
        (folder / LINEAGE).write_bytes(text.encode() or lineage.to_json())

    return make


def test_ancestors_come_first_and_each_once(register: Register) -> None:
    register("v1", "cerberus-small", figure(0.40, 0.45))
    register("v2", "v1", figure(0.44, 0.47), figure(0.1, 0.2, "Epithelial"))
    register("other", "v1", figure(0.44, 0.43))
    lineages = lineages_of(["v2", "other", "v1", "cerberus-small", "nobody knows"])
    assert list(lineages) == ["v1", "v2", "other"]
    assert [(one.name, one.parent, one.day, one.regions, one.objects) for one in learnt_of(lineages)] == [
        ("v1", "cerberus-small", "2026-01-31", 10, 400),
        ("v2", "v1", "2026-01-31", 10, 400),
        ("other", "v1", "2026-01-31", 10, 400),
    ]
    rounds = [(one.parent, one.before, one.model, one.after, one.measure) for one in rounds_of(lineages)]
    assert rounds == [
        ("cerberus-small", 0.40, "v1", 0.45, "nuclei, PQ"),
        ("v1", 0.44, "v2", 0.47, "nuclei, PQ"),
        ("v1", 0.44, "other", 0.43, "nuclei, PQ"),
    ]


def test_what_was_not_defined_on_the_held_out_images_is_not_drawn(register: Register) -> None:
    register("v1", "cerberus-small", figure(float("nan"), float("nan")))
    assert rounds_of(lineages_of(["v1"])) == ()


def test_a_damaged_lineage_and_a_circle_cost_no_report(register: Register) -> None:
    register("broken", "v1", text="{")
    register("hen", "egg")
    register("egg", "hen")
    assert set(lineages_of(["broken", "hen"])) == {"hen", "egg"}
