"""A harvest makes a model better at what was corrected, the same at the rest, and no run is lost."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cerberus_annotate.errors import ModelError, UsageError
from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.drawing import drawn
from cerberus_annotate.learn.finetuning import run
from cerberus_annotate.learn.finetuning.mixing import SHARES
from cerberus_annotate.learn.finetuning.run import Finetuned, FinetuneOptions, finetune
from cerberus_annotate.network import load_model
from cerberus_annotate.network.checkpoint import read_checkpoint
from cerberus_annotate.predict import predict_image
from tests.learn.finetuning.conftest import tissue

WriteHarvest = Callable[..., Path]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

GREEN = (70, 120, 70)
SLIDES, SPLITS = list("aabbcd"), ["train"] * 4 + ["val", "test"]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cerberus_annotate.learn.finetuning.lesson.RATE", 4e-3)
    monkeypatch.setattr("cerberus_annotate.learn.finetuning.lesson.AVERAGE", 0.9)


def options(parent: Path, **changes: object) -> FinetuneOptions:
    return replace(
        FinetuneOptions(str(parent), steps=20, accelerator="cpu", precision="32-true"),
        **changes,  # type: ignore[arg-type]
    )


def green_tissue(count: int = 6, **changes: object) -> list[LabelledImage]:
    return [tissue(100 + seed, GREEN, **changes) for seed in range(count)]


def dice(weights: Path, image: LabelledImage, task: str = "nuclei") -> float:
    truth = image.nuclei if task == "nuclei" else image.glands
    found = [o for o in predict_image(image.rgb, 0.25, load_model(weights), precision="fp32") if o.task == task]
    return metrics.dice(metrics.pixel_counts(truth, drawn(found, truth.shape)))


def test_nuclei_of_another_look_are_learnt_and_glands_are_not_forgotten(
    parent: Path, write_harvest: WriteHarvest, tmp_path: Path
) -> None:
    harvest = write_harvest(green_tissue(), SLIDES, SPLITS)
    done = finetune([harvest], "green", tmp_path / "out", options(parent, steps=60))
    assert [image.name for image in done.held_out.images] == ["d-5"]
    assert done.held_out.by == "slide"
    assert done.best_step > 0
    assert done.looks[-1][1] < done.looks[0][1]
    unseen, known = tissue(200, GREEN), tissue(201, glands=True)
    assert dice(done.weights, unseen) > dice(parent, unseen) + 0.05
    assert dice(done.weights, known, "gland") > dice(parent, known, "gland") - 0.05
    network = read_checkpoint(done.weights)
    old = read_checkpoint(parent)
    assert torch.equal(network.backbone.bn1.running_mean, old.backbone.bn1.running_mean)
    assert not torch.equal(network.backbone.conv1.weight, old.backbone.conv1.weight)
    for name, value in network.output_head["Gland"].state_dict().items():
        assert torch.equal(value, old.output_head["Gland"].state_dict()[name])


def test_what_is_kept_lies_on_the_way_from_the_parent(
    parent: Path, write_harvest: WriteHarvest, tmp_path: Path
) -> None:
    harvest = write_harvest(green_tissue(1), ["a"], ["train"])
    done = finetune([harvest], "green", tmp_path / "out", options(parent, steps=30))
    old, kept = read_checkpoint(parent).state_dict(), read_checkpoint(done.weights).state_dict()
    student = torch.load(tmp_path / "out" / "last.pt", weights_only=True)["state"]
    floats = [name for name, value in old.items() if value.is_floating_point()]
    way = torch.cat([(student[name] - old[name]).flatten() for name in floats])
    gone = torch.cat([(kept[name] - old[name]).flatten() for name in floats])
    share = float(gone @ way / (way @ way))
    assert min(abs(share - one) for one in SHARES) < 0.02
    assert float((gone - share * way).norm() / gone.norm()) < 0.1  # weights are stored in half precision


def test_a_new_class_becomes_a_class_in_qupath(parent: Path, write_harvest: WriteHarvest, tmp_path: Path) -> None:
    labels = (*NUCLEUS_LABELS, "tumour-cell")
    new = [
        replace(image, nucleus_types=np.where(image.nuclei > 0, len(labels) - 1, 0).astype(np.uint8))
        for image in green_tissue()
    ]
    harvest = write_harvest(new, SLIDES, SPLITS, labels)
    done = finetune([harvest], "new", tmp_path / "out", options(parent, steps=80))
    assert "New classes of nucleus-types: tumour-cell." in done.notes
    model = load_model(done.weights)
    assert model.classes["Nuclei-TYPE"][-1] == "tumour-cell"
    found = predict_image(tissue(200, GREEN).rgb, 0.25, model, precision="fp32")
    assert "Nucleus: Tumour cell" in {o.path_class for o in found}


def test_an_interrupted_run_goes_on_to_the_same_weights(
    parent: Path, write_harvest: WriteHarvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harvest = write_harvest(green_tissue(), SLIDES, SPLITS)
    monkeypatch.setattr("cerberus_annotate.learn.training.loop.CHECKPOINT_SECONDS", 0)

    def interrupt(step: int, *_: object) -> None:
        if step == 13:
            raise KeyboardInterrupt

    def go(folder: str, progress: Callable[..., None] | None = None) -> Finetuned:
        return finetune([harvest], "green", tmp_path / folder, options(parent), progress)

    whole = go("whole")
    with pytest.raises(KeyboardInterrupt):
        go("parts", interrupt)
    assert int(torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["step"]) == 12
    parts = go("parts")
    assert parts.looks == whole.looks
    states = [torch.load(done.weights, weights_only=True)["state"] for done in (whole, parts)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    again = go("parts")
    assert (again.steps, again.best_step) == (whole.steps, whole.best_step)


def test_replayed_data_take_the_place_of_the_parent(
    parent: Path, write_harvest: WriteHarvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    harvest = write_harvest(green_tissue(), SLIDES, SPLITS)
    replay = write_harvest([tissue(1), tissue(2)], ["x", "y"], ["train", "test"], name="replay")
    original = run.losses_with_parent

    def watched(network: object, heads: object, plan: object, kept: dict) -> object:
        asked.append((plan, kept))
        return original(network, heads, plan, kept)

    monkeypatch.setattr(run, "losses_with_parent", watched)
    finetune([harvest], "both", tmp_path / "out", options(parent, steps=2, replay=(replay,)))
    (plan, kept), *_ = asked
    assert [data.share for data in plan.data] == [0.5, 0.5]
    assert {frozenset(tasks) for tasks in kept.values()} == {frozenset({"gland"})}
    assert "made/x-0" not in kept


def test_one_slide_is_held_out_by_region(parent: Path, write_harvest: WriteHarvest, tmp_path: Path) -> None:
    harvest = write_harvest(green_tissue(), ["a"] * 6, ["train"] * 6)
    done = finetune([harvest], "one", tmp_path / "out", options(parent, steps=1))
    assert done.held_out.by == "region"
    assert 0 < len(done.held_out.images) < 4
    assert "on slides that are also learnt from" in done.notes[0]


def test_a_single_region_is_learnt_without_a_hold_out(
    parent: Path, write_harvest: WriteHarvest, tmp_path: Path
) -> None:
    harvest = write_harvest(green_tissue(1), ["a"], ["train"])
    done = finetune([harvest], "one", tmp_path / "out", options(parent, steps=2))
    assert (len(done.held_out.images), done.best_step) == (0, 2)
    assert "too few regions" in done.notes[-1]


def test_an_empty_harvest_says_what_to_do(parent: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("name,image,nuclei\n")
    with pytest.raises(UsageError, match=r"is empty: nothing was reviewed .* run `harvest` again"):
        finetune([tmp_path], "none", tmp_path / "out", options(parent))


def test_a_harvest_that_teaches_the_parent_nothing_names_its_heads(
    parent: Path, write_harvest: WriteHarvest, tmp_path: Path
) -> None:
    harvest = write_harvest(green_tissue(), SLIDES, SPLITS)
    manifest = (harvest / "manifest.csv").read_text()
    (harvest / "manifest.csv").write_text(manifest.replace("image,nuclei,nucleus_types", "image,lumina,other"))
    with pytest.raises(UsageError, match="heads are nuclei, nucleus-types, gland"):
        finetune([harvest], "none", tmp_path / "out", options(parent))


def test_other_data_in_the_same_folder_are_refused(parent: Path, write_harvest: WriteHarvest, tmp_path: Path) -> None:
    first = write_harvest(green_tissue(), SLIDES, SPLITS)
    finetune([first], "one", tmp_path / "out", options(parent, steps=1))
    other = write_harvest(green_tissue(5), SLIDES[1:], SPLITS[1:], name="other")
    with pytest.raises(UsageError, match=r"another plan \(data differ\)"):
        finetune([other], "one", tmp_path / "out", options(parent, steps=1))


def test_a_loss_that_is_no_number_is_named(
    parent: Path, write_harvest: WriteHarvest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harvest = write_harvest(green_tissue(), SLIDES, SPLITS)
    monkeypatch.setattr(
        "cerberus_annotate.learn.finetuning.distillation.divergence", lambda logits, *_: logits.sum() * torch.nan
    )
    with pytest.raises(ModelError, match=r"step 1 is no number \(images"):
        finetune([harvest], "nan", tmp_path / "out", options(parent))
