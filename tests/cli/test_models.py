"""`models use|export|import|remove`, through the command line."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import write_checkpoint
from cerberus_annotate.network.config import lean_config
from cerberus_annotate.network.lineage import HarvestLearnt, Lineage
from cerberus_annotate.network.registry import default_model, read_lineage, register_model, user_folder

from .conftest import Result

Call = Callable[..., Result]
FIGURE = {
    "data": "held out",
    "task": "nuclei",
    "class": None,
    "measure": "pq",
    "before": {"value": 0.5, "ci": [0.4, 0.6]},
    "after": {"value": 0.55, "ci": [0.45, 0.65]},
    "difference": {"value": 0.05, "ci": [0.02, 0.08]},
}
LINEAGE = Lineage(
    parent="cerberus-small",
    parent_sha256="0" * 64,
    harvests=(HarvestLearnt("harvest", "study", 3, 10, 500, "1" * 64),),
    figures=(FIGURE,),
    better=True,
    reason="It is better.",
    created="2026-01-01T00:00:00+00:00",
    seed=1,
    command="cerberus-annotate finetune harvest --name lab",
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.pt"
    write_checkpoint(path, Cerberus(lean_config()))
    return path


@pytest.fixture(autouse=True)
def _lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "home"))
    register_model(weights, "lab", LINEAGE, "# lab\n")


def test_a_list_with_parents_and_gains(call: Call) -> None:
    out = call("models", "list").out
    assert "lab  (from cerberus-small, better)" in out
    assert "held out: nuclei pq 0.500 → 0.550 (+0.050, +0.020 to +0.080)" in out
    (lab,) = [one for one in call("models", "list", "--json").json["models"] if one["name"] == "lab"]
    assert (lab["parent"], lab["better"], lab["default"]) == ("cerberus-small", True, False)


def test_info_tells_the_lineage(call: Call) -> None:
    assert "learnt  harvest of study: 10 regions of 3 images" in call("models", "info", "lab").out
    assert call("models", "info", "lab", "--json").json["lineage"]["command"] == LINEAGE.command


def test_a_chosen_model_is_the_default_until_it_is_removed(call: Call) -> None:
    assert call("models", "use", "lab").code == 0
    assert default_model() == "lab"
    assert "The default is 'cerberus-small' now." in call("models", "remove", "lab").out
    assert default_model() == "cerberus-small"
    assert list(user_folder().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("use", "nobody"), "There is no model 'nobody'; there are"),
        (("remove", "cerberus-small"), "'cerberus-small' is part of the package"),
        (("remove", "../home"), "There is no model '../home'"),
        (("export", "nobody", "x.zip"), "There is no model 'nobody'"),
        (("import", "missing.zip"), "There is no file or folder missing.zip"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(call: Call, arguments: tuple[str, ...], sentence: str) -> None:
    result = call("models", *arguments)
    assert result.code == 2
    assert sentence in result.err


def test_an_exported_model_is_imported_elsewhere_with_its_lineage(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "lab.zip"
    assert call("models", "export", "lab", archive).code == 0
    assert "is there already" in call("models", "export", "lab", archive).err
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "other"))
    assert call("models", "import", archive).code == 0
    assert read_lineage("lab") == LINEAGE
    assert "There is a model 'lab' already" in call("models", "import", archive).err


def test_an_archive_can_write_nowhere_else(call: Call, tmp_path: Path, weights: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.write(weights, "weights.pt")
        content.writestr("../../outside.txt", "x")
    assert call("models", "import", archive).code == 0
    assert not list(tmp_path.rglob("outside.txt"))
    archive.write_bytes(archive.read_bytes()[:2000])
    assert "is damaged, or no .zip file" in call("models", "import", archive, "--name", "cut").err
    (tmp_path / "empty.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    assert "holds no model" in call("models", "import", tmp_path / "empty.zip").err


def test_a_folder_gives_a_model_all_of_its_name(call: Call, tmp_path: Path, weights: Path) -> None:
    folder = tmp_path / "v1.2"
    folder.mkdir()
    shutil.copy(weights, folder / "weights.pt")
    (folder / "card.md").write_bytes(b"\xff card")
    assert "Imported as 'v1.2'" in call("models", "import", folder).out
    assert call("models", "info", "v1.2").out.endswith(" card\n")


def test_a_default_that_is_gone_is_a_sentence_beside_the_list(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    call("models", "use", "lab")
    shutil.rmtree(user_folder() / "lab")
    default = [one["name"] for one in call("models", "list", "--json").json["models"] if one["default"]]
    assert default == ["cerberus-small"]
    assert "The default model 'lab' is gone; 'cerberus-small' is used." in caplog.text


def test_a_half_written_model_is_none(call: Call, weights: Path) -> None:
    folder = user_folder() / ".half.writing"
    folder.mkdir()
    (folder / "weights.pt").write_bytes(weights.read_bytes())
    assert ".half" not in call("models", "list").out
