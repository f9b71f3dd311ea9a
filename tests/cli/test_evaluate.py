"""`evaluate` and `benchmark`: real files, real tables and plots; the network alone is a stub."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.prediction import Prediction

from .conftest import Result, StubModel

Call = Callable[..., Result]

CLASSES = ("nolabel", "epithelial", "inflammatory", "connective", "other")
PATCHES = ("normal", "polyp")


@dataclass
class Network(StubModel):
    """Finds what is labelled, less the first object and moved by a pixel, and calls every patch a polyp."""

    name: str = "stub"
    tasks: tuple[str, ...] = ("nuclei", "gland")

    def __call__(self, image: LabelledImage, model: Any = None, precision: str = "auto") -> Prediction:
        def moved(labels: np.ndarray | None) -> np.ndarray | None:
            return None if labels is None else np.roll(np.where(labels > 1, labels, 0), 1, axis=1)

        nuclei = moved(image.nuclei) if "nuclei" in self.tasks else None
        return Prediction(
            nuclei=nuclei,
            nucleus_types=None if nuclei is None else np.arange(int(nuclei.max(initial=0)) + 1) % 3,
            nucleus_classes=CLASSES,
            glands=moved(image.glands) if "gland" in self.tasks else None,
            mask=None if image.mask is None or "semantic" not in self.tasks else moved(image.mask + 1) > 0,
            mask_classes=("background", "foreground"),
            patch=np.array([0.3, 0.7]) if "patch" in self.tasks else None,
            patch_classes=PATCHES,
        )


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Stands for every model that is asked for."""
    stub = Network(classes={})
    monkeypatch.setattr("cerberus_annotate.network.load_model", lambda name, device="cpu": stub)
    for module in ("scoring", "prediction"):
        monkeypatch.setattr(f"cerberus_annotate.learn.evaluation.{module}.predict_labelled", stub)
    monkeypatch.setattr("cerberus_annotate.learn.evaluation.benchmarks.scorable_tasks", lambda *_: stub.tasks)
    return stub


def squares(side: int, count: int) -> np.ndarray:
    """Squares of 8 px on a grid."""
    labels = np.zeros((side, side), np.uint8)
    for index in range(count):
        row, column = divmod(index, side // 12)
        labels[12 * row + 2 : 12 * row + 10, 12 * column + 2 : 12 * column + 10] = index + 1
    return labels


def write_set(folder: Path, dataset: str, splits: tuple[str, ...], mpp: str = "0.25", **columns: str) -> Path:
    """A data set of one image a split in the layout of a manifest."""
    folder.mkdir(parents=True)
    rows = []
    for index, split in enumerate(splits):
        name = f"{split}_{index}"
        Image.fromarray(np.full((60, 60, 3), 180, np.uint8)).save(folder / f"{name}.png")
        labels = squares(60, 5 + index)
        Image.fromarray(labels).save(folder / f"{name}_label.png")
        Image.fromarray((labels % 7 + (labels > 0)).astype(np.uint8)).save(folder / f"{name}_types.png")
        row = {"name": name, "image": f"{name}.png", "split": split, "dataset": dataset, "mpp": mpp}
        row |= {"label": f"{name}_label.png", "instances": f"{name}_label.png", "types": f"{name}_types.png"}
        rows.append({**row, **columns})
    return write_manifest(folder, rows)


def write_manifest(folder: Path, rows: list[dict[str, str]]) -> Path:
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def consep(tmp_path: Path) -> Path:
    return write_set(tmp_path / "sets" / "consep", "consep", ("train", "test", "test"))


class TestEvaluate:
    def test_json_has_the_shape_that_is_promised(self, call: Call, network: Network, consep: Path) -> None:
        result = call("evaluate", "--data", consep, "--json")
        assert result.code == 0
        content = result.json
        assert (content["model"], content["data"], content["split"], content["images"]) == ("stub", "consep", None, 3)
        nuclei = content["tasks"]["nuclei"]
        for name in ("pq", "aji", "dice", "aji_plus", "sq", "dq", "type_macro_f1", "mpq", "mpq_plus"):
            low, high = nuclei[name]["ci"]
            assert 0 <= low <= nuclei[name]["value"] <= high <= 1
        # 5, 6 and 7 squares of which one is not found; the others share 7 of 8 columns
        iou = 7 / 9
        assert nuclei["dq"]["value"] == pytest.approx(np.mean([8 / 9, 10 / 11, 12 / 13]), abs=1e-4)
        assert nuclei["sq"]["value"] == pytest.approx(iou, abs=1e-4)
        assert {"value", "ci"} == set(nuclei["per_class"]["epithelial"]["f1"])

    def test_a_split(self, call: Call, network: Network, consep: Path) -> None:
        content = call("evaluate", "--data", consep, "--split", "test", "--json").json
        assert (content["split"], content["images"]) == ("test", 2)
        assert f"--data {consep} --split test" in content["command"]

    def test_table(self, call: Call, network: Network, consep: Path) -> None:
        result = call("evaluate", "--data", consep)
        assert "Nuclei, 3 images" in result.out
        assert "type macro F1" in result.out
        assert "seed 5" in result.out
        assert "3 of 3 images" in result.err

    def test_folder_of_tables_and_plots(self, call: Call, network: Network, consep: Path, tmp_path: Path) -> None:
        out = tmp_path / "deep" / "report"
        assert call("evaluate", "--data", consep, "--split", "test", "--out", out).code == 0
        assert json.loads((out / "scores.json").read_text())["tasks"]["nuclei"]["pq"]
        text = (out / "report.md").read_text()
        assert f"    cerberus-annotate evaluate --data {consep} --split test --out {out}" in text
        assert "| PQ | " in text
        pictures = {"nuclei-confusion.png", "nuclei-classes.png", "nuclei-images.png"}
        assert {path.name for path in out.glob("*.png")} == pictures
        for name in pictures:
            assert f"]({name})" in text
            with Image.open(out / name) as picture:
                assert min(picture.size) > 300
        with (out / "images.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["image"] for row in rows] == ["test_1", "test_2"]
        assert float(rows[0]["pq"]) == pytest.approx(7 / 9 * 10 / 11, abs=1e-4)

    def test_masks_and_patch_classes(self, call: Call, network: Network, tmp_path: Path) -> None:
        network.tasks = ("semantic", "patch")
        data = tmp_path / "own"
        data.mkdir()
        Image.fromarray(np.full((60, 60, 3), 180, np.uint8)).save(data / "a.png")
        Image.fromarray((squares(60, 4) > 0).astype(np.uint8)).save(data / "mask.png")
        write_manifest(data, [{"image": "a.png", "mask": "mask.png", "patch_class": "polyp"}])
        tasks = call("evaluate", "--data", data, "--json", "--out", tmp_path / "out").json["tasks"]
        assert tasks["patch"]["accuracy"] == {"value": 1, "ci": [1, 1]}
        assert set(tasks["semantic"]["per_class"]) == {"polyp"}
        assert (tmp_path / "out" / "patch-images.png").is_file()
        assert (tmp_path / "out" / "semantic-images.png").is_file()

    def test_what_cannot_be_scored_is_said_in_a_sentence(
        self, call: Call, network: Network, consep: Path, tmp_path: Path
    ) -> None:
        result = call("evaluate", "--data", consep, "--split", "valid")
        assert result.code == 2
        assert "no image of the split 'valid'; its splits are test, train" in result.err
        network.tasks = ()
        result = call("evaluate", "--data", consep, "--split", "test")
        assert result.code == 2
        assert "stub has no head for what is labelled here (nuclei)" in result.err
        assert call("evaluate", "--data", tmp_path / "nowhere").code == 2
        (tmp_path / "empty").mkdir()
        result = call("evaluate", "--data", tmp_path / "empty")
        assert result.code == 2
        assert result.err.startswith("Error: ")

    def test_without_matplotlib_no_time_is_spent(
        self, call: Call, network: Network, consep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
        result = call("evaluate", "--data", consep, "--out", tmp_path / "out")
        assert result.code == 2
        assert "pip install" in result.err
        assert not (tmp_path / "out").exists()

    def test_an_unknown_model_is_refused(self, call: Call, consep: Path) -> None:
        result = call("evaluate", "--data", consep, "--model", "nobody")
        assert result.code == 2
        assert "no model 'nobody'" in result.err


class TestBenchmark:
    def test_nuclei_of_both_sets_beside_qupath(self, call: Call, network: Network, consep: Path) -> None:
        write_set(consep.parent / "monuseg", "monuseg", ("train", "test"))
        result = call("benchmark", "nuclei", "--data", consep.parent, "--model", "stub", "--model", "other")
        assert result.code == 0
        for words in ("consep test, 2 images", "monuseg test, 1 image", "QuPath 0.6 cell detection", "0.227", "0.461"):
            assert words in result.out
        assert result.out.count("other ") >= 2
        content = call("benchmark", "nuclei", "--data", consep, "--json").json
        assert list(content["results"]) == ["consep test"]
        assert content["results"]["consep test"]["cerberus-small"]["nuclei"]["images"] == 2

    def test_glas_scores_test_b_where_it_is_there(self, call: Call, network: Network, tmp_path: Path) -> None:
        both = write_set(tmp_path / "glas", "glas", ("train", "testA", "testB"), grade_glas="benign")
        result = call("benchmark", "glas", "--data", both)
        assert "glas testA, 1 image" in result.out
        assert "glas testB, 1 image" in result.out
        assert "CUMedVision2" in result.out
        assert "160.35" in result.out
        one = write_set(tmp_path / "only A", "glas", ("testA",), grade_glas="benign")
        assert list(call("benchmark", "glas", "--data", one, "--json").json["results"]) == ["glas testA"]
        none = write_set(tmp_path / "train", "glas", ("train",), grade_glas="benign")
        result = call("benchmark", "glas", "--data", none)
        assert result.code == 2
        assert "no image of the split testA or testB" in result.err

    def test_another_data_set_is_refused(self, call: Call, network: Network, consep: Path) -> None:
        result = call("benchmark", "glas", "--data", consep)
        assert result.code == 2
        assert "holds the data set consep" in result.err

    def test_a_model_without_the_head_is_refused_before_anything_is_scored(
        self, call: Call, network: Network, consep: Path
    ) -> None:
        network.tasks = ()
        result = call("benchmark", "nuclei", "--data", consep)
        assert result.code == 2
        assert "has no head for what is labelled in consep test (nuclei)" in result.err
        assert "images" not in result.err

    def test_folder(self, call: Call, network: Network, consep: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        assert call("benchmark", "nuclei", "--data", consep, "--out", out).code == 0
        assert "QuPath" in (out / "report.md").read_text()
        assert f"cerberus-annotate benchmark nuclei --data {consep}" in (out / "report.md").read_text()
        assert json.loads((out / "results.json").read_text())["benchmark"] == "nuclei"
        assert (out / "cerberus-small-consep-test" / "nuclei-images.png").is_file()


def test_ebhi_seg_stands_beside_calling_everything_foreground(
    call: Call, network: Network, shared: Path, tmp_path: Path
) -> None:
    network.tasks = ("semantic", "patch")
    whole = shared / "data" / "ebhi-seg"
    with (whole / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    some = [row for index, row in enumerate(rows) if index % 8 == 0]
    for row in some:
        for column in ("image", "label"):
            target = tmp_path / "ebhi-seg" / row[column]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(whole / row[column])
    write_manifest(tmp_path / "ebhi-seg", some)
    result = call("benchmark", "ebhi-seg", "--data", tmp_path / "ebhi-seg")
    assert "all foreground" in result.out
    assert "ebhi-seg test, Dice by class" in result.out
    assert "low_grade_in" in result.out
