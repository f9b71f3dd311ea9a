"""The whole circle on real labelled sets: a simulated pathologist corrects regions, and the model learns from that.

    python -m benchmarks.simulated_pathologist consep --data ../shared/data \\
        --start runs/without-consep/weights.pt --out runs/simulated-consep
    python -m benchmarks.simulated_pathologist consep --out runs/simulated-consep --only-report

The set was left out of the start model (`benchmarks/start_models/`). In every round regions of its images are chosen
(by the review queue, or at random), pre-labelled through a QuPath project, corrected by the ground truth as QuPath's
tools would leave it, marked as reviewed, harvested and learnt. After each round the model is measured on images that
nobody corrects. `scratch` trains a network of the same shape from random weights on the random arm's regions.

Each result is a file under --out, and what is there is not done again; several processes may do different seeds
(`--seed-list`) at the same time. The page is made from these files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.simulated.data_sets import LEFT_OUT, read_material
from benchmarks.simulated.page import write_page_of
from benchmarks.simulated.results import ARMS, check_settings
from benchmarks.simulated.rounds import Experiment, do_arm, measure_start
from cerberus_annotate.errors import CerberusError, UsageError
from cerberus_annotate.network.checkpoint import sha256_of
from cerberus_annotate.network.registry import find_weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing and writes the page; gives the exit status."""
    given = parse(arguments)
    torch.set_num_threads(1)
    try:
        if not given.only_report:
            run(given)
        write_page_of(given.page, given.set, given.out)
    except CerberusError as error:
        print(error)
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=list(LEFT_OUT), help="the set that the start model has not seen")
    parser.add_argument("--data", type=Path, help="the folder with all sets")
    parser.add_argument("--start", help="the start model")
    parser.add_argument("--out", type=Path, required=True, help="where results are kept")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    parser.add_argument("--seed-list", type=numbers, help="which instead, such as 1,3")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--regions", type=int, default=10, help="of a round")
    parser.add_argument("--steps", type=int, default=80, help="of each fine-tune")
    parser.add_argument("--replay", action="store_true", help="learn the sets that the start model knows beside it")
    parser.add_argument("--arms", type=names, default=ARMS, help=f"of {','.join(ARMS)}")
    parser.add_argument("--page", type=Path, default=Path("docs/results/simulated-pathologist.md"))
    parser.add_argument("--only-report", action="store_true", help="only write the page of the results that are there")
    return parser.parse_args(arguments)


def numbers(text: str) -> tuple[int, ...]:
    """Numbers between commas."""
    return tuple(int(part) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """Arms between commas."""
    found = tuple(text.split(","))
    for name in found:
        if name not in ARMS:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(ARMS)}")
    return found


def run(given: argparse.Namespace) -> None:
    """Every arm of every seed."""
    if given.data is None or given.start is None:
        raise UsageError("Give --data and --start, or --only-report.")
    start, left_out = find_weights(given.start), LEFT_OUT[given.set]
    settings = {
        "set": given.set,
        "start": sha256_of(start),
        "rounds": given.rounds,
        "regions": given.regions,
        "steps": given.steps,
        "replay": given.replay,
    }
    check_settings(given.out, settings)
    material = read_material(given.data, left_out)
    experiment = Experiment(
        left_out, given.data, material, start, given.out, given.rounds, given.regions, given.steps, given.replay
    )
    print(
        f"{left_out.title}: {len(material.regions)} regions of {len(material.pool)} images to choose from, "
        f"{len(material.held_out)} images held out",
        flush=True,
    )
    measure_start(experiment)
    for seed in given.seed_list or range(1, given.seeds + 1):
        for arm in given.arms:
            do_arm(experiment, arm, seed)


if __name__ == "__main__":
    raise SystemExit(main())
