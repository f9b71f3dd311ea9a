"""Rounds of annotate, correct, harvest and fine-tune; each result is kept, and what is kept is not done again."""

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy.random import default_rng

from benchmarks.simulated import loop_parts
from benchmarks.simulated.data_sets import LeftOut, Material, mpp_of
from benchmarks.simulated.measuring import measure, measure_known
from benchmarks.simulated.oracle import nuclei_of
from benchmarks.simulated.project import (
    begin_round,
    correct,
    image_of,
    make_project,
    no_edits,
    propose,
    true_in,
)
from benchmarks.simulated.results import (
    QUEUE,
    RANDOM,
    SCRATCH,
    START,
    Round,
    Start,
    arm_folder,
    read_round,
    read_start,
    round_file,
    write_result,
)
from cerberus_annotate.network.model import load_model
from cerberus_annotate.qupath import open_project
from cerberus_annotate.review.ranking import Candidate

CANDIDATES = 4
"""The queue ranks a random sample of this many times the regions of a round, as `review` samples a large project."""

WEIGHTS = "weights.pt"


@dataclass(frozen=True)
class Experiment:
    """data: folder of all sets. start: weights of a model that has not seen `left_out`. rounds of `regions` each; steps
    of each fine-tune, and for each round of training from scratch. replay: whether the sets that the start model knows
    are learnt beside the harvest.
    """

    left_out: LeftOut
    data: Path
    material: Material
    start: Path
    out: Path
    rounds: int
    regions: int
    steps: int
    replay: bool

    @property
    def replayed(self) -> tuple[Path, ...]:
        """The folders of the sets that are learnt beside the harvest."""
        return tuple(self.data / known.folder for known in self.left_out.known) if self.replay else ()


def measure_start(experiment: Experiment) -> Start:
    """What the start model is worth; measured once."""
    known = read_start(experiment.out)
    if known is not None:
        return known
    model = load_model(experiment.start)
    result = Start(
        model.sha256,
        measure(model, experiment.material.held_out).as_dict(),
        measure_known(model, experiment.data, experiment.left_out.known),
    )
    write_result(experiment.out / START, result)
    return result


def do_arm(experiment: Experiment, arm: str, seed: int) -> None:
    """All rounds of an arm that are not there yet."""
    if arm == SCRATCH:
        do_scratch(experiment, seed)
        return
    for number in range(1, experiment.rounds + 1):
        if not round_file(experiment.out, arm, seed, number).exists():
            do_round(experiment, arm, seed, number)


def do_round(experiment: Experiment, arm: str, seed: int, number: int) -> Round:
    """One round of the circle, through a QuPath project, from the result of the round before.

    The start model always learns all regions so far, rather than the last round's model the new ones: so each region
    teaches once, whenever it was corrected, and nothing drifts from round to round.
    """
    material, folder = experiment.material, arm_folder(experiment.out, arm, seed)
    print(f"{experiment.left_out.folder}, {arm}, seed {seed}, round {number}", flush=True)
    weights = weights_before(experiment, arm, seed, number)
    earlier = [region for before in rounds_before(experiment, arm, seed, number) for region in regions_in(before)]
    clock = Clock()
    regions = choose(experiment, arm, seed, number, weights, earlier)
    clock.lap("choose")
    if not (folder / "project").exists():
        making = folder / "project-making"
        shutil.rmtree(making, ignore_errors=True)
        make_project(making, [(material.files[name], mpp_of(image)) for name, image in material.pool.items()])
        making.rename(folder / "project")
    begin_round(folder / "project", number)
    project = open_project(folder / "project")
    propose(project, regions, material.files)
    names = list(dict.fromkeys(region.image for region in regions))
    typed = any(image.nucleus_types is not None for image in material.pool.values())
    loop_parts.annotate(project, weights, [material.files[name].name for name in names], typed)
    clock.lap("annotate")
    rng = default_rng([seed, number])
    edits = Counter(no_edits())
    for name in names:
        image = image_of(project, material.files[name])
        edits.update(correct(image, project, nuclei_of(material.pool[name]), rng))
    clock.lap("correct")
    loop_parts.take_in(project, folder / "harvest")
    clock.lap("harvest")
    learnt = loop_parts.learn(
        folder / "harvest",
        experiment.start,
        f"{arm}-{seed}-{number}",
        model_folder(experiment, arm, seed, number),
        experiment.steps,
        seed,
        experiment.replayed,
    )
    clock.lap("fine-tune")
    model = load_model(learnt)
    held_out = measure(model, material.held_out).as_dict()
    last = number == experiment.rounds
    known = measure_known(model, experiment.data, experiment.left_out.known) if last else {}
    clock.lap("measure")
    result = Round(
        arm=arm,
        seed=seed,
        round=number,
        regions=[[region.image, *region.bounds] for region in regions],
        corrected=len(earlier) + len(regions),
        nuclei=sum(true_in(region, nuclei_of(material.pool[region.image])) for region in regions),
        edits=dict(edits),
        held_out=held_out,
        known=known,
        seconds=clock.laps,
    )
    write_result(round_file(experiment.out, arm, seed, number), result)
    return result


def do_scratch(experiment: Experiment, seed: int) -> None:
    """A network from random weights on all regions of the random arm, with as many steps as all its rounds had."""
    number = experiment.rounds
    path = round_file(experiment.out, SCRATCH, seed, number)
    if path.exists():
        return
    do_arm(experiment, RANDOM, seed)
    print(f"{experiment.left_out.folder}, {SCRATCH}, seed {seed}", flush=True)
    clock = Clock()
    weights = loop_parts.learn_from_scratch(
        arm_folder(experiment.out, RANDOM, seed) / "harvest",
        experiment.start,
        f"{SCRATCH}-{seed}",
        model_folder(experiment, SCRATCH, seed, number),
        experiment.steps * experiment.rounds,
        seed,
    )
    clock.lap("train")
    held_out = measure(load_model(weights), experiment.material.held_out).as_dict()
    clock.lap("measure")
    last = read_round(round_file(experiment.out, RANDOM, seed, number))
    assert last is not None
    result = Round(
        arm=SCRATCH,
        seed=seed,
        round=number,
        regions=[],
        corrected=last.corrected,
        nuclei=0,
        edits=no_edits(),
        held_out=held_out,
        seconds=clock.laps,
    )
    write_result(path, result)


def choose(
    experiment: Experiment, arm: str, seed: int, number: int, weights: Path, earlier: Sequence[Candidate]
) -> list[Candidate]:
    """The regions of a round, of those that were not corrected before."""
    left = [region for region in experiment.material.regions if region not in set(earlier)]
    drawn = [left[at] for at in default_rng([seed, number, len(arm)]).permutation(len(left))]
    if arm == RANDOM:
        return drawn[: experiment.regions]
    assert arm == QUEUE
    pool = experiment.material.pool
    images = {name: (image.rgb, mpp_of(image)) for name, image in pool.items()}
    return loop_parts.queue(images, weights, drawn[: CANDIDATES * experiment.regions], experiment.regions)


def weights_before(experiment: Experiment, arm: str, seed: int, number: int) -> Path:
    """The model that a round begins with."""
    return experiment.start if number == 1 else model_folder(experiment, arm, seed, number - 1) / WEIGHTS


def model_folder(experiment: Experiment, arm: str, seed: int, number: int) -> Path:
    """Where the model of a round lies."""
    return arm_folder(experiment.out, arm, seed) / f"model-{number}"


def rounds_before(experiment: Experiment, arm: str, seed: int, number: int) -> list[Round]:
    """The results of earlier rounds of an arm."""
    found = [read_round(round_file(experiment.out, arm, seed, before)) for before in range(1, number)]
    return [one for one in found if one is not None]


def regions_in(result: Round) -> list[Candidate]:
    """The regions of a round."""
    return [Candidate(name, (left, top, right, bottom)) for name, left, top, right, bottom in result.regions]


class Clock:
    """Seconds of processor by part. laps: of those that are done."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.process_time()

    def lap(self, part: str) -> None:
        """Ends a part."""
        now = time.process_time()
        self.laps[part] = round(now - self._last, 1)
        self._last = now
