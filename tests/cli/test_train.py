"""`train`: from a plan and a folder of images to a model that `evaluate` takes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Result

Call = Callable[..., Result]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

PLAN = """
name = "mine"
tasks = ["gland"]
steps = 2
side = 64
batch = 2
precision = "32-true"

[[data]]
path = "glands"
splits = ["train"]
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A plan beside a data set of two images with one square gland each."""
    folder = tmp_path / "data" / "glands"
    folder.mkdir(parents=True)
    rows = ["image,label,task,mpp,split"]
    for split in ("train", "test"):
        rgb, label = np.full((200, 200, 3), 230, np.uint8), np.zeros((200, 200), np.uint8)
        rgb[50:150, 50:150], label[50:150, 50:150] = (120, 60, 150), 1
        Image.fromarray(rgb).save(folder / f"{split}.png")
        Image.fromarray(label).save(folder / f"{split}_label.png")
        rows.append(f"{split}.png,{split}_label.png,gland,0.5,{split}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


def arguments(study: Path, *more: str) -> list[str]:
    return ["train", str(study / "plan.toml"), "--data", str(study / "data"), "--out", str(study / "out"), *more]


def test_a_plan_becomes_a_model_that_can_be_evaluated(call: Call, study: Path) -> None:
    result = call(*arguments(study, "--json", "--accelerator", "cpu"))
    assert result.code == 0, result.err
    weights = json.loads(result.out)["weights"]
    assert (study / "out" / "losses.csv").is_file()
    told = json.loads(call("models", "info", weights, "--json").out)
    assert told["tasks"] == ["gland"]
    assert told["plan"]["data"][0]["splits"] == ["train"]
    scored = call("evaluate", "--data", str(study / "data/glands"), "--model", weights, "--split", "test", "--json")
    assert json.loads(scored.out)["tasks"]["gland"]["object_f1"]["value"] >= 0


def test_a_longer_plan_goes_on_and_another_is_refused(call: Call, study: Path) -> None:
    assert call(*arguments(study, "--steps", "1", "--accelerator", "cpu")).code == 0
    assert call(*arguments(study, "--accelerator", "cpu")).code == 0
    (study / "plan.toml").write_text(PLAN.replace("batch = 2", "batch = 3"))
    result = call(*arguments(study, "--accelerator", "cpu"))
    assert result.code == 2
    assert "another plan (`batch` differ)" in result.err


def test_a_split_that_is_not_there_is_named_with_those_that_are(call: Call, study: Path) -> None:
    (study / "plan.toml").write_text(PLAN.replace('["train"]', '["training"]'))
    result = call(*arguments(study))
    assert result.code == 2
    assert "has the splits test, train" in result.err
    assert "Traceback" not in result.err
