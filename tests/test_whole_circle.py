"""The whole circle through the command line, on real images: annotate, review, correct in the project, harvest,
fine-tune, and annotate again with the model that learnt."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from numpy.random import default_rng

from benchmarks.simulated.data_sets import LEFT_OUT, in_pool, picture_files
from benchmarks.simulated.oracle import nuclei_of
from benchmarks.simulated.project import correct
from cerberus_annotate.cli import main
from cerberus_annotate.feedback.provenance import RUN_KEY
from cerberus_annotate.feedback.runs import read_runs
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.qupath import open_project

IMAGES = 5


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """What a command prints with --json; it must end well."""
    with pytest.raises(SystemExit) as ended:
        main([*(str(argument) for argument in arguments), "--json"])
    captured = capsys.readouterr()
    assert ended.value.code == 0, captured.err
    return json.loads(captured.out)


@pytest.fixture
def images(shared: Path) -> list[LabelledImage]:
    """A few images whose nuclei are known."""
    left_out = LEFT_OUT["dsb2018-brightfield"]
    found = [image for image in read_data_set(shared / "data" / left_out.folder).images() if in_pool(image, left_out)]
    return found[:IMAGES]


def test_corrections_become_a_model_that_annotates_what_nobody_reviewed(
    images: list[LabelledImage],
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CERBERUS_ANNOTATE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    files = picture_files(shared / "data" / "dsb2018-brightfield")
    call(capsys, "create", "P", *(files[image.name] for image in images), "--mpp", 0.3)

    assert call(capsys, "annotate", "P", "--regions", "whole", "--tasks", "nuclei")["objects"]
    queue = call(capsys, "review", "P", "--budget", IMAGES - 1, "--tasks", "nuclei")
    assert [region["rank"] for region in queue["regions"]] == list(range(1, IMAGES))
    assert Path(queue["out"]).is_file()

    project = open_project(Path("P"))
    truth = {files[image.name].name: nuclei_of(image) for image in images}
    for entry in project.images:
        correct(entry, project, truth[entry.name], default_rng(1))
    before = {entry.name: {obj.uuid: obj for obj in entry.read_objects()} for entry in project.images}

    harvested = call(capsys, "harvest", "P", "-o", "harvest")
    assert harvested["regions"] == IMAGES - 1
    assert harvested["objects"]["accepted"]
    assert harvested["objects"]["reshaped"]
    with Path("harvest/manifest.csv").open() as file:
        assert {row["tasks"] for row in csv.DictReader(file)} == {"nuclei"}

    learnt = call(capsys, "finetune", "harvest", "--name", "lab", "--steps", 6, "--accelerator", "cpu")
    assert learnt["name"] == "lab"
    models = {model["name"]: model for model in call(capsys, "models", "list")["models"]}
    assert models["lab"]["default"] is learnt["better"]

    call(capsys, "annotate", "P", "--regions", "whole", "--tasks", "nuclei", "--model", "lab")
    newest = next(run for run in read_runs(Path("P/cerberus")) if run.model == "lab")
    torch.set_num_threads(threads)
    reviewed = {region["image"] for region in queue["regions"]}
    for entry in open_project(Path("P")).images:
        now = {obj.uuid: obj for obj in entry.read_objects()}
        if entry.name in reviewed:
            corrected = {uuid for uuid, obj in before[entry.name].items() if RUN_KEY not in obj.metadata}
            assert {uuid: before[entry.name][uuid] for uuid in corrected}.items() <= now.items()
        else:
            # where no step made the held-out crops better, the model is its parent, whose predictions are there
            runs = {obj.metadata.get(RUN_KEY) for obj in now.values()}
            assert (newest.id in runs) is (learnt["best_step"] > 0), learnt
