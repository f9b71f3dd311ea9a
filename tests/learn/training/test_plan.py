"""A plan says what is trained; what it says wrongly is named."""

from pathlib import Path

import pytest

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.plan import plan_from, read_plan

GOOD = {"name": "mine", "data": [{"path": "glas", "splits": ["train"]}]}


def test_every_plan_in_the_repository_can_be_read() -> None:
    root = Path(__file__).parents[3]
    plans = [*root.glob("models/*/train.toml")]
    assert plans
    for path in plans:
        assert network_for(read_plan(path)).decoders


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"speed": 3}, "key `speed`"),
        ({"preset": "huge"}, "'huge'; it may be lean, official"),
        ({"tasks": ["cells"]}, "'cells'; the tasks are"),
        ({"steps": "many"}, "`steps` of plan must be a number"),
        ({"side": 100}, "multiple of 16"),
        ({"freeze": "encoder"}, "give `start`"),
        ({"data": []}, "at least one"),
        ({"data": [{"splits": ["train"]}]}, "no `path`"),
        ({"tasks": ["patch"]}, "patch_classes"),
        ({"data": [{"path": "glas", "ignore": ["cells"]}]}, "`ignore` of glas names cells"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said(change: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan_from({**GOOD, **change}, "plan")


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training plan"):
        read_plan(tmp_path / "plan.toml")
    (tmp_path / "plan.toml").write_text("name = ")
    with pytest.raises(UsageError, match="no TOML"):
        read_plan(tmp_path / "plan.toml")


def test_a_network_has_the_heads_of_its_plan_alone() -> None:
    plan = plan_from({**GOOD, "tasks": ["gland", "patch"], "patch_classes": ["a", "b"]}, "plan")
    config = network_for(plan)
    assert [decoder.name for decoder in config.decoders] == ["Gland"]
    assert config.patch_head is not None
    assert config.patch_head.classes == ("a", "b")
