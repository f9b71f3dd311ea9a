"""The models that we know by name: what becomes one, what never does, and which is the default."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cerberus_annotate.errors import ModelError
from cerberus_annotate.network.lineage import HarvestLearnt, Lineage
from cerberus_annotate.network.registry import (
    DEFAULT_MODEL,
    bundled_folder,
    default_model,
    export_model,
    import_model,
    read_lineage,
    register_model,
    registered_models,
    remove_model,
    unpack_model,
    use_model,
    user_folder,
)

RANGE = {"value": 0.5, "ci": [0.4, 0.6]}
FIGURE = {
    **{"data": "held out", "task": "nuclei", "class": "tumour", "measure": "f1"},
    **dict.fromkeys(("before", "after", "difference"), RANGE),
}
LINEAGE = Lineage(
    parent=DEFAULT_MODEL,
    parent_sha256="0" * 64,
    harvests=(HarvestLearnt("Ernte März", "study", 3, 10, 500, "1" * 64),),
    figures=(FIGURE,),
    better=False,
    reason="No figure rises for sure.",
    created="2026-01-01T00:00:00+00:00",
    seed=1,
    command="cerberus-annotate finetune harvest --name lab",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "learnt.pt"
    path.write_bytes(b"weights")
    return path


def names() -> set[str]:
    return {model.name for model in registered_models() if not model.bundled}


def test_a_registered_model_keeps_weights_card_and_lineage(weights: Path) -> None:
    model = register_model(weights, "lab", LINEAGE, "# Größe\n")
    assert model.weights.read_bytes() == b"weights"
    assert model.card is not None
    assert model.card.read_text("utf-8") == "# Größe\n"
    assert read_lineage("lab") == LINEAGE
    assert names() == {"lab"}


@pytest.mark.parametrize("name", ["", " lab", ".lab", "..", "../lab", "a/b", "a\\b", "C:lab", "a\nb"])
def test_a_path_is_no_name(weights: Path, home: Path, name: str) -> None:
    with pytest.raises(ModelError, match="cannot be a model name"):
        register_model(weights, name, LINEAGE, "")
    assert not home.exists()


def test_a_name_is_taken_once(weights: Path) -> None:
    register_model(weights, "lab", LINEAGE, "first")
    bundled = next(path.name for path in sorted(bundled_folder().iterdir()) if (path / "weights.pt").is_file())
    for name in ("lab", bundled):
        with pytest.raises(ModelError, match=f"There is a model '{name}' already"):
            register_model(weights, name, LINEAGE, "second")
    assert (user_folder() / "lab" / "card.md").read_text() == "first"


def test_a_model_that_could_not_be_written_is_none(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="The model 'lab' could not be written"):
        register_model(tmp_path / "gone.pt", "lab", LINEAGE, "")
    assert list(user_folder().iterdir()) == []
    assert register_model(weights, "lab", LINEAGE, "").name == "lab"


def test_what_a_killed_process_left_is_cleared_away_by_the_next(weights: Path) -> None:
    left = user_folder() / ".lab.writing"
    left.mkdir(parents=True)
    (left / "weights.pt").write_bytes(b"half")
    assert names() == set()
    assert register_model(weights, "lab", LINEAGE, "").weights.read_bytes() == b"weights"
    assert not left.exists()


def test_the_default_is_the_bundled_one_until_another_is_chosen(weights: Path, home: Path) -> None:
    assert default_model() == DEFAULT_MODEL
    register_model(weights, "lab", LINEAGE, "")
    assert default_model() == DEFAULT_MODEL
    use_model("lab")
    assert default_model() == "lab"
    (home / "default-model").write_bytes(b"\xff\xfe")
    assert default_model() == DEFAULT_MODEL


def test_a_default_that_is_gone_is_told_of_and_the_bundled_one_is_used(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = register_model(weights, "lab", LINEAGE, "").weights.parent
    use_model("lab")
    shutil.rmtree(folder)
    assert default_model() == DEFAULT_MODEL
    assert f"The default model 'lab' is gone; '{DEFAULT_MODEL}' is used." in caplog.text


@pytest.mark.parametrize("remove", [lambda: remove_model("lab"), lambda: shutil.rmtree(user_folder() / "lab")])
def test_a_model_does_not_inherit_that_one_of_its_name_was_the_default(
    weights: Path, home: Path, remove: Callable[[], None]
) -> None:
    register_model(weights, "lab", LINEAGE, "")
    use_model("lab")
    remove()
    assert default_model() == DEFAULT_MODEL
    register_model(weights, "lab", LINEAGE, "")
    assert default_model() == DEFAULT_MODEL
    assert not (home / "default-model").exists()


def test_a_removed_default_is_not_missed(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    register_model(weights, "lab", LINEAGE, "")
    use_model("lab")
    remove_model("lab")
    assert default_model() == DEFAULT_MODEL
    assert caplog.text == ""


def test_only_models_of_the_user_are_removed() -> None:
    bundled = next(model for model in registered_models() if model.bundled)
    with pytest.raises(ModelError, match="is part of the package"):
        remove_model(bundled.name)
    assert bundled.weights.is_file()


def test_a_model_goes_to_another_machine_whole(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register_model(weights, "lab", LINEAGE, "# card")
    assert export_model("lab", tmp_path) == tmp_path / "lab.zip"
    assert export_model("lab", tmp_path / "v1.2").name == "v1.2.zip"
    with pytest.raises(ModelError, match="is there already"):
        export_model("lab", tmp_path / "lab.zip")
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "other"))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    model = import_model(unpack_model(tmp_path / "lab.zip", folder), "lab")
    assert model.weights.read_bytes() == b"weights"
    assert model.card is not None
    assert read_lineage("lab") == LINEAGE


def test_a_model_whose_files_are_dated_1970_is_exported(weights: Path, tmp_path: Path) -> None:
    os.utime(register_model(weights, "lab", LINEAGE, "").weights, (0, 0))
    with zipfile.ZipFile(export_model("lab", tmp_path)) as archive:
        assert archive.read("weights.pt") == b"weights"


def test_an_archive_that_is_damaged_inside_is_a_sentence(tmp_path: Path) -> None:
    archive = tmp_path / "lab.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("weights.pt", bytes(range(256)) * 40)
    whole = archive.read_bytes()
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    begin = 30 + len("weights.pt")
    for broken in (bytes(encrypted), whole[:begin] + b"\xff" * 40 + whole[begin + 40 :]):
        archive.write_bytes(broken)
        with pytest.raises(ModelError, match=r"is damaged, or no \.zip file"):
            unpack_model(archive, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"better": "yes"},
        {"figures": [1]},
        {"figures": [{**FIGURE, "after": {"value": "0.5", "ci": [0, 1]}}]},
        {"harvests": [{}]},
    ],
)
def test_a_lineage_from_elsewhere_that_is_none_is_a_sentence(weights: Path, change: dict[str, object]) -> None:
    model = register_model(weights, "lab", replace(LINEAGE, harvests=(), figures=()), "")
    path = model.weights.with_name("lineage.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match="cannot be read as a model's lineage"):
        read_lineage("lab")


def test_models_are_listed_without_torch() -> None:
    code = (
        "import sys; from cerberus_annotate.network import lineage, registry; "
        "registry.registered_models(); registry.default_model(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
