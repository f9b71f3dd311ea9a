"""A simulated pathologist: what counts as an edit, and the circle of rounds through a real project."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from PIL import Image
from shapely.affinity import translate
from shapely.geometry import Polygon, box

from benchmarks import simulated_pathologist
from benchmarks.simulated import data_sets, loop_parts, rounds
from benchmarks.simulated.oracle import Nucleus, edits_in
from benchmarks.simulated.project import correct, make_project, nuclei_touching, propose
from benchmarks.simulated.results import read_rounds, regions_needed, spread
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.run import harvest
from cerberus_annotate.harvest.summary import summarise
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.loop import train, write_weights
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.review.ranking import Candidate

REGION = box(0, 0, 100, 100)
EPITHELIAL, CONNECTIVE = "Nucleus: Epithelial", "Nucleus: Connective"


def square(x: float, y: float, side: float = 10) -> Polygon:
    return box(x, y, x + side, y + side)


def edits(found: Sequence[Nucleus], true: Sequence[Nucleus]) -> list[tuple[str, int | None, int | None]]:
    return [(edit.kind, edit.found, edit.true) for edit in edits_in(REGION, found, true)]


def test_a_good_outline_is_left_as_it_is_and_a_worse_one_reshaped() -> None:
    true = [Nucleus(square(20, 20))]
    assert edits([Nucleus(square(21, 20))], true) == []  # IoU 9/11
    assert edits([Nucleus(square(22, 20))], true) == [("reshaped", 0, 0)]  # 8/12
    assert edits([Nucleus(square(25, 20))], true) == [("reshaped", 0, 0)]  # 5/15
    assert edits([Nucleus(square(26, 20))], true) == [("added", None, 0), ("deleted", 0, None)]  # 4/16


def test_a_wrong_type_is_one_edit_more_and_a_type_that_nobody_knows_is_none() -> None:
    found = [Nucleus(square(20, 20), EPITHELIAL)]
    assert edits(found, [Nucleus(square(20, 20), CONNECTIVE)]) == [("reclassified", 0, 0)]
    assert edits(found, [Nucleus(square(23, 20), CONNECTIVE)]) == [("reshaped", 0, 0), ("reclassified", 0, 0)]
    assert edits(found, [Nucleus(square(20, 20))]) == []


def test_two_predictions_of_a_nucleus_are_one_too_many() -> None:
    true = [Nucleus(square(20, 20))]
    assert edits([Nucleus(square(23, 20)), Nucleus(square(21, 20))], true) == [("deleted", 0, None)]


def test_what_lies_mainly_outside_the_region_is_not_edited() -> None:
    outside, inside = square(96, 20), square(94, 50)
    assert edits([], [Nucleus(outside), Nucleus(inside)]) == [("added", None, 1)]
    assert edits([Nucleus(outside), Nucleus(inside)], []) == [("deleted", 1, None)]
    # a prediction mainly inside of a nucleus that is not is the neighbouring region's
    assert edits([Nucleus(square(94, 20))], [Nucleus(outside)]) == []


def test_the_interval_over_seeds_is_student_s() -> None:
    found = spread([1, 2, 3])
    assert (found.mean, found.sd) == (2, 1)
    assert found.high - found.mean == pytest.approx(4.3027 / 3**0.5, abs=1e-3)
    assert regions_needed([0, 10, 20], [0.4, 0.5, 0.6], 0.55) == pytest.approx(15)
    assert regions_needed([0, 10, 20], [0.4, 0.5, 0.6], 0.61) is None


def picture(seed: int, pale: bool = True, side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Pink tissue with violet nuclei, every other one `pale`, uint8 (side, side, 3); their labels, int32."""
    rng = default_rng(seed)
    rgb = rng.normal((235, 190, 215), 6, (side, side, 3)).clip(0, 255).astype(np.uint8)
    labels = np.zeros((side, side), np.int32)
    rows, columns = np.mgrid[:side, :side]
    centres = [(x, y) for x in range(20, side, 32) for y in range(20, side, 32)]
    for number, (x, y) in enumerate(centres, start=1):
        disc = (columns - x) ** 2 + (rows - y) ** 2 < 90
        rgb[disc], labels[disc] = (215, 165, 195) if pale and number % 2 else (90, 50, 140), number
    return rgb, labels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with nine small images as the shared set `dsb2018-brightfield` has them."""
    folder = tmp_path / "data" / "dsb2018-brightfield"
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "image", "label", "split", "dataset", "mpp"])
        for seed in range(9):
            rgb, labels = picture(seed)
            Image.fromarray(rgb).save(folder / f"image-{seed}.png")
            Image.fromarray(labels.astype(np.uint8)).save(folder / f"label-{seed}.png")
            split = "stage1_train" if seed else "stage1_test"
            rows.writerow([f"i{seed}", f"image-{seed}.png", f"label-{seed}.png", split, "dsb2018-brightfield", "0.25"])
    return tmp_path / "data"


def test_the_harvest_finds_the_edits_that_were_made(data: Path, tmp_path: Path) -> None:
    files = data_sets.picture_files(data / "dsb2018-brightfield")
    project = make_project(tmp_path / "project", [(files["i1"], 0.25)])
    region = Candidate("i1", (0, 0, 100, 128))
    propose(project, [region], files)
    places = [(x, y) for x in (20, 50, 80) for y in (10, 40, 70, 100)]
    found = [square(x, y) for x, y in places]
    # the first two as they were predicted, two better a little to the side, the next two of another type, …
    true = [
        *(Nucleus(outline, EPITHELIAL) for outline in found[:2]),
        *(Nucleus(translate(outline, 3, 0), EPITHELIAL) for outline in found[2:6]),
        *(Nucleus(outline, CONNECTIVE) for outline in found[6:9]),
        *(Nucleus(translate(outline, 0, 13), EPITHELIAL) for outline in found[10:11]),
    ]

    class Stub:
        name, sha256, tasks = "stub", "0" * 64, ("nuclei",)

    def predict(*given: object, **named: object) -> ObjectList:
        return ObjectList([PredictedObject("nuclei", EPITHELIAL, outline, 0.9) for outline in found])

    assert run(project, Stub(), Options(regions="class:To review"), predict).exit_code == 0
    image = project.images[0]
    made = correct(image, project, true, default_rng(1))
    assert made == {"reshaped": 4, "reclassified": 3, "deleted": 3, "added": 1}
    objects = image.read_objects()
    assert [str(obj.path_class) for obj in objects].count("Reviewed") == 1
    now = [Nucleus(obj.roi, str(obj.path_class)) for obj in nuclei_touching(objects, box(*region.bounds))]
    assert edits_in(box(*region.bounds), now, true) == []
    summary = summarise(harvest(project, tmp_path / "harvest", HarvestOptions()).harvest).objects
    assert {kind: summary[kind] for kind in made} == made
    assert summary["accepted"] == 2


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny network that knows dark nuclei only, and parts of the loop that suit it."""
    plan = Plan(
        "tiny",
        (DataPlan("made"),),
        tasks=("nuclei",),
        side=64,
        batch=4,
        steps=100,
        rate=1e-2,
        average=0.9,
        precision="32-true",
    )
    config = replace(network_for(plan), widths=(8, 8, 16, 16, 16), head_width=8, blocks=(1, 1, 1, 1))
    images = [LabelledImage("dark", "made", "train", 0.25, *picture(10, pale=False))]
    torch.manual_seed(1)
    last = train(plan, [images], tmp_path / "start", network=Cerberus(config), config=config, accelerator="cpu")
    write_weights(last, tmp_path / "start" / "weights.pt")
    monkeypatch.setattr("cerberus_annotate.learn.finetuning.lesson.SIDE", 64)
    monkeypatch.setattr("cerberus_annotate.learn.finetuning.lesson.BATCH", 2)
    monkeypatch.setattr(loop_parts, "Plan", lambda *given, **named: Plan(*given, side=64, batch=2, **named))
    known = data_sets.KnownSet("known", "dsb2018-brightfield", ("stage1_test",), "nuclei", ("pq", "dice"))
    left_out = data_sets.LEFT_OUT["dsb2018-brightfield"]
    monkeypatch.setitem(data_sets.LEFT_OUT, "dsb2018-brightfield", replace(left_out, known=(known,)))
    return tmp_path / "start" / "weights.pt"


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_rounds_go_through_a_project_and_are_not_done_twice(
    data: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "out", tmp_path / "page.md"
    given = ["dsb2018-brightfield", "--data", str(data), "--start", str(start), "--out", str(out), "--page", str(page)]
    given += ["--seed-list", "2", "--rounds", "2", "--regions", "1", "--steps", "2"]
    assert simulated_pathologist.main(given) == 0
    found = read_rounds(out)
    assert [(one.arm, one.round, one.corrected) for one in found] == [
        ("queue", 1, 1),
        ("queue", 2, 2),
        ("random", 1, 1),
        ("random", 2, 2),
        ("scratch", 2, 2),
    ]
    held_out = {name for one in found for name in one.held_out["pq"]}
    corrected = {region[0] for one in found for region in one.regions}
    assert held_out
    assert not held_out & corrected
    assert len({str(one.regions) for one in found if one.arm == "queue"}) == 2
    before = json.loads((out / "start.json").read_text("utf-8"))["held_out"]
    assert before["measures"]["pq"] > 0.1, before["measures"]
    assert before["edits"]["added"] >= 0.4 * before["nuclei"]
    summary = json.loads((out / "queue-2" / "harvest" / "harvest.json").read_text("utf-8"))["images"]
    assert {record["name"] for record in summary.values()} == {
        f"image-{one.regions[0][0][1:]}.png" for one in found if one.arm == "queue"
    }
    text = page.read_text("utf-8")
    assert "| queue | 2 | 1 |" in text
    assert "known, PQ" in text
    assert page.with_suffix(".png").stat().st_size < 100_000

    # cut off after the second round's corrections: the round is done again from the project before it
    (out / "queue-2" / "round-2.json").unlink()
    monkeypatch.setattr(loop_parts, "learn_from_scratch", lambda *given: pytest.fail("trained again"))
    assert simulated_pathologist.main(given) == 0
    again = read_rounds(out)
    assert [one.edits for one in again] == [one.edits for one in found]
    assert [one.held_out["pq"] for one in again] == [one.held_out["pq"] for one in found]

    monkeypatch.setattr(rounds, "do_round", lambda *given: pytest.fail("done again"))
    assert simulated_pathologist.main(given) == 0
    assert simulated_pathologist.main([*given, "--regions", "2"]) == 1
    assert "other settings (regions 1 instead of 2)" in capsys.readouterr().out
