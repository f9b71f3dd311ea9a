"""Nine tissue classes from eight patches a class: what the trained encoder is worth over none, and over colours alone.

    python -m benchmarks.few_shot_tissue --data ../shared/data/crc-val-he-7k-sample [--model cerberus-small]

Five folds, stratified by class, are laid anew by each of 20 seeds; a seed's accuracy is over all patches, each
classified by what was learnt on the other folds. The arms see the same folds:

- `pretrained`: mean and standard deviation over the patch of every map of the model's encoder, which stays as it is,
  classified by logistic regression;
- `scratch`: the same encoder with a head for patches, trained from random weights on the training folds, with the
  package's own augmentation;
- `random`: as `pretrained`, of an encoder with random weights;
- `colour`: logistic regression on statistics of colours (`baselines/colour_only.py`);
- `pretrained + colour`: both.

Finished seeds of `scratch`, which takes nearly all the time, are kept in OUT, so that an interrupted run goes on.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import default_rng
from numpy.typing import NDArray
from scipy import stats
from torch.nn import functional

from benchmarks.baselines.colour_only import colour_statistics
from benchmarks.baselines.logistic import fit_logistic
from benchmarks.result_pages import hardware, write_page
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.evaluation.metrics import Estimate, mean_estimates
from cerberus_annotate.learn.evaluation.tables import Table
from cerberus_annotate.learn.training.colours import random_colours
from cerberus_annotate.learn.training.crops import Grid, centre_crop, random_crop
from cerberus_annotate.network.cerberus import WHOLE_IMAGE, Cerberus
from cerberus_annotate.network.config import NetworkConfig, PatchHeadConfig
from cerberus_annotate.network.model import Model, load_model

FOLDS = 5
SEEDS = 20
PENALTY = 1e-5
"""Of the logistic regressions, the same for all. Of 1e-2 to 1e-6, on folds of three other seeds, those from 1e-4 down
were within 0.02 of each other for `colour` and for `pretrained`."""

RANDOM_ENCODERS = 4
"""Draws of random weights, which the seeds share in turn."""

PATCH = 112.0
"""µm a side."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class FromScratch:
    """How the encoder is trained end to end. side: of a patch in px of the input, the whole patch shrunk to it, since a
    CPU sees more epochs of small ones.  coloured: share of the patches that get the package's colour changes. At equal
    time 64 px did better than 96, 128 and 160, and half the patches coloured better than all, on folds of another seed.
    """

    side: int = 64
    batch: int = 18
    steps: int = 240
    rate: float = 3e-3
    decay: float = 0.02
    coloured: float = 0.5


def folds_of(labels: Labels, seed: int) -> Labels:
    """The fold of each patch: the patches of each class are shuffled and dealt out."""
    rng = default_rng(seed)
    folds = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        folds[members] = np.arange(len(members)) % FOLDS
    return folds


def encoder_features(network: Cerberus, images: Sequence[LabelledImage]) -> NDArray[np.float64]:
    """Mean and standard deviation over each image of every channel of the encoder's five maps; (images, d)."""
    network = network.eval()
    rows = []
    for image in images:
        factor = (image.mpp or network.config.input_mpp) / network.config.input_mpp
        way = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
        rgb = image.rgb if factor == 1 else cv2.resize(image.rgb, None, fx=factor, fy=factor, interpolation=way)
        pixels = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            maps = network.backbone(pixels.contiguous(memory_format=torch.channels_last) / 255)
        values = [value for m in maps for value in (m.float().mean((2, 3))[0], m.float().std((2, 3))[0])]
        rows.append(torch.cat(values).double().numpy())
    return np.stack(rows)


def cross_validated(features: NDArray[np.floating], labels: Labels, seed: int) -> Labels:
    """The class found for each patch by logistic regression on the other folds' features."""
    folds, found = folds_of(labels, seed), np.empty_like(labels)
    for fold in range(FOLDS):
        rest = folds != fold
        classifier = fit_logistic(features[rest], labels[rest], int(labels.max()) + 1, PENALTY)
        found[~rest] = classifier.predict(features[~rest])
    return found


def patch_network(config: NetworkConfig, classes: tuple[str, ...]) -> Cerberus:
    """The encoder of a configuration with random weights and a head for whole patches, whose first guesses are even."""
    network = Cerberus(replace(config, decoders=(), patch_head=PatchHeadConfig(WHOLE_IMAGE, classes)))
    torch.nn.init.normal_(network.get_submodule(f"decoder_head.{WHOLE_IMAGE}.conv2").weight, std=0.01)  # type: ignore[arg-type]
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def train_from_scratch(
    config: NetworkConfig, images: Sequence[LabelledImage], classes: tuple[str, ...], setting: FromScratch, seed: int
) -> Cerberus:
    """The encoder and head trained on the images; one-cycle rate (Smith & Topin 2019)."""
    torch.manual_seed(seed)
    rng = default_rng(seed)
    network = patch_network(config, classes).train()
    optimiser = torch.optim.AdamW(network.parameters(), setting.rate, weight_decay=setting.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, setting.rate, setting.steps, pct_start=0.2)
    grid, order = _grid(config, setting), list[int]()
    for _ in range(setting.steps):
        while len(order) < setting.batch:
            order += rng.permutation(len(images)).tolist()
        chosen, order = [images[i] for i in order[: setting.batch]], order[setting.batch :]
        crops = [random_crop(image, grid, rng).rgb for image in chosen]
        crops = [random_colours(rgb, rng) if rng.random() < setting.coloured else rgb for rgb in crops]
        targets = torch.tensor([classes.index(image.patch_class or "") for image in chosen])
        loss = functional.cross_entropy(_logits(network, crops), targets, label_smoothing=0.1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def scratch_cross_validated(
    config: NetworkConfig, images: Sequence[LabelledImage], labels: Labels, seed: int, setting: FromScratch
) -> Labels:
    """The class found for each patch by a network trained on the other folds."""
    classes = tuple(sorted({image.patch_class or "" for image in images}))
    folds, found, grid = folds_of(labels, seed), np.empty_like(labels), _grid(config, setting)
    for fold in range(FOLDS):
        rest = [image for image, mine in zip(images, folds == fold, strict=True) if not mine]
        network = train_from_scratch(config, rest, classes, setting, seed * FOLDS + fold)
        crops = [centre_crop(images[i], grid).rgb for i in np.flatnonzero(folds == fold)]
        with torch.inference_mode():
            found[folds == fold] = _logits(network, crops).argmax(1).numpy()
    return found


def _grid(config: NetworkConfig, setting: FromScratch) -> Grid:
    side = setting.side // config.stem_stride
    return Grid(side, PATCH / side, config.stem_stride, 1)


def _logits(network: Cerberus, crops: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = network(pixels.contiguous(memory_format=torch.channels_last), outputs=[WHOLE_IMAGE])[WHOLE_IMAGE]
    return found.float().flatten(1)


def scratch_results(
    config: NetworkConfig,
    images: Sequence[LabelledImage],
    labels: Labels,
    seeds: Sequence[int],
    setting: FromScratch,
    kept: Path,
) -> NDArray[np.int64]:
    """The classes that each seed's networks found, (seeds, patches); seeds that are in the file `kept` are not trained
    again, new ones are added to it."""
    key = {"setting": asdict(setting), "encoder": [list(config.blocks), list(config.widths), config.stem_stride]}
    known = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    found: dict[str, list[int]] = known.get("found", {}) if known.get("of") == key else {}
    for seed in seeds:
        if str(seed) not in found:
            found[str(seed)] = scratch_cross_validated(config, images, labels, seed, setting).tolist()
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps({"of": key, "found": found}) + "\n", "utf-8")
            accuracy = np.mean(np.array(found[str(seed)]) == labels)
            print(f"scratch, seed {seed}: accuracy {accuracy:.3f}", flush=True)
    return np.array([found[str(seed)] for seed in seeds])


def random_encoder(config: NetworkConfig, seed: int) -> Cerberus:
    """An encoder with random weights."""
    torch.manual_seed(seed)
    return patch_network(config, ("",))


def frozen_results(
    model: Model, images: Sequence[LabelledImage], labels: Labels, seeds: Sequence[int]
) -> dict[str, Any]:
    """The classes that each arm with frozen features found, (seeds, patches) by arm."""
    pretrained = encoder_features(model.network, images)
    colour = np.stack([colour_statistics(image.rgb) for image in images])
    draws = min(RANDOM_ENCODERS, len(seeds))
    random = [encoder_features(random_encoder(model.network.config, draw), images) for draw in range(draws)]
    both = np.hstack([pretrained, colour])
    return {
        "pretrained": np.stack([cross_validated(pretrained, labels, seed) for seed in seeds]),
        "pretrained + colour": np.stack([cross_validated(both, labels, seed) for seed in seeds]),
        "random": np.stack([cross_validated(random[i % draws], labels, seed) for i, seed in enumerate(seeds)]),
        "colour": np.stack([cross_validated(colour, labels, seed) for seed in seeds]),
    }


def paired_over_seeds(ours: NDArray[np.float64], others: NDArray[np.float64]) -> Estimate:
    """The mean of one arm's accuracies less another's of the same seeds, with Student's 95 % interval."""
    differences = ours - others
    mean, count = float(differences.mean()), len(differences)
    half = (
        float(stats.t.ppf(0.975, count - 1) * differences.std(ddof=1) / np.sqrt(count)) if count > 1 else float("inf")
    )
    return Estimate(mean, mean - half, mean + half)


def paired_over_patches(ours: NDArray[np.bool_], others: NDArray[np.bool_]) -> Estimate:
    """The same with an interval over patches: how often each patch (seeds, patches) is right, patches drawn anew."""
    differences = ours.mean(0) - others.mean(0)
    return mean_estimates({"difference": differences})["difference"]


def tables_of(found: Mapping[str, NDArray[np.int64]], labels: Labels, seeds: Sequence[int]) -> list[Table]:
    """Accuracy of each arm, what `pretrained` has over it, and the accuracies seed by seed."""
    right = {name: values == labels for name, values in found.items()}
    rows = []
    for name, values in right.items():
        accuracy = values.mean(1)
        shown = ["–", "–"]
        if name != "pretrained":
            of_seeds = paired_over_seeds(right["pretrained"].mean(1), accuracy)
            of_patches = paired_over_patches(right["pretrained"], values)
            shown = [f"{e.value:+.3f} ({e.low:+.3f} to {e.high:+.3f})" for e in (of_seeds, of_patches)]
        rows.append((name, f"{accuracy.mean():.3f} ± {accuracy.std(ddof=1):.3f}", *shown))
    header = ("arm", "accuracy, mean ± sd of seeds", "`pretrained` less this, over seeds", "over patches")
    by_seed = tuple((str(seed), *(f"{right[name][i].mean():.3f}" for name in right)) for i, seed in enumerate(seeds))
    return [
        Table(f"Few-shot, {len(labels)} patches, {FOLDS} folds, {len(seeds)} seeds", header, tuple(rows)),
        Table("Accuracy by seed", ("seed", *right), by_seed),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs all arms and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of patches with classes")
    parser.add_argument("--model", default="cerberus-small", help="a model's name, or a checkpoint")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=Path("runs/few-shot-tissue"))
    parser.add_argument("--page", type=Path, default=Path("docs/results/nct-crc.md"))
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    run(given.data, load_model(given.model), range(1, given.seeds + 1), given.out, given.page, FromScratch())


def run(data: Path, model: Model, seeds: Sequence[int], out: Path, page: Path, setting: FromScratch) -> None:
    """What the command does."""
    images = list(read_data_set(data).images())
    classes = sorted({image.patch_class or "" for image in images})
    labels = np.array([classes.index(image.patch_class or "") for image in images])
    found = frozen_results(model, images, labels, seeds)
    config = model.network.config
    found["scratch"] = scratch_results(config, images, labels, seeds, setting, out / f"scratch-{setting.steps}.json")
    found = {name: found[name] for name in ("pretrained", "scratch", "random", "colour", "pretrained + colour")}
    tables = tables_of(found, labels, seeds)
    command = f"python -m benchmarks.few_shot_tissue --data ../shared/data/{data.name} --model {model.name}"
    paragraphs = [
        f"{len(images)} patches of {len(classes)} classes ({', '.join(classes)}), a part of CRC-VAL-HE-7K. The "
        "benchmark's own training set, NCT-CRC-HE-100K, was not at hand, so this is no figure of the benchmark; "
        "`python -m benchmarks.nct_crc --data FOLDER` runs that where both sets are.",
        f"Each seed lays {FOLDS} stratified folds anew and draws new weights; a seed's accuracy is over all patches. "
        f"`pretrained` is the encoder of {model.name}, frozen, with logistic regression on mean and standard deviation "
        f"of its maps. `scratch` is the same encoder trained end to end from random weights: {setting.steps} steps of "
        f"{setting.batch} patches of {setting.side} px (the whole patch), rate {setting.rate:g}, with the package's "
        f"augmentation (colours changed in {setting.coloured:.0%} of them). `random` is a frozen encoder with random "
        "weights, `colour` sees colours alone.",
        "The first interval (95 %, Student) is over seeds, that is over folds and weights with these patches "
        "given; the second (95 %, bootstrap) over patches, and says how other patches of these slides might come out. "
        "Which patches share a patient is not published, so patches of one patient may lie on both sides of a fold. "
        f"Hardware: {hardware()}, shared with other work.",
    ]
    content = {
        "model": model.name,
        "sha256": model.sha256,
        "scratch": asdict(setting),
        "accuracy": {name: (values == labels).mean(1).round(4).tolist() for name, values in found.items()},
        "seeds": list(seeds),
    }
    write_page(page, "Tissue classes: few-shot on patches of CRC-VAL-HE-7K", [command], paragraphs, tables, content)


if __name__ == "__main__":
    main()
