"""Published benchmarks: which images their test splits are, and whose figures stand beside ours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.evaluation.prediction import Prediction, scorable_tasks
from cerberus_annotate.learn.evaluation.scores import Scores
from cerberus_annotate.learn.evaluation.scoring import labels_of
from cerberus_annotate.learn.evaluation.tables import MEASURE_TITLES, Table, cell, images_in_words
from cerberus_annotate.network.model import Model
from cerberus_annotate.network.registry import DEFAULT_MODEL


@dataclass(frozen=True)
class Reference:
    """Someone else's figures. values: by test set and measure, in the digits that were published.  source: of them."""

    name: str
    values: Mapping[str, Mapping[str, str]]
    source: str


@dataclass(frozen=True)
class Benchmark:
    """A published comparison.

    splits: by data set, its test splits; an empty one stands for all images of a set that has none.  measures: by task,
    what its table shows.  by_class: the measure of each class in a second table, None for none.  foreground: whether
    calling everything foreground is scored as well.  model: scored where the user names none.
    """

    name: str
    splits: Mapping[str, tuple[str, ...]]
    measures: Mapping[str, tuple[str, ...]]
    references: tuple[Reference, ...] = ()
    by_class: Mapping[str, str] | None = None
    foreground: bool = False
    notes: tuple[str, ...] = ()
    # not the user's default but the bundled one: its figures are the ones that are published
    model: str = DEFAULT_MODEL


@dataclass(frozen=True)
class TestSet:
    """The images of one test split. title: as tables name it."""

    title: str
    data: DataSet
    entries: tuple[Entry, ...]

    def images(self) -> Iterator[LabelledImage]:
        """Its images, read one at a time."""
        return (entry.read() for entry in self.entries)

    def read(self, name: str) -> LabelledImage:
        """The first image of a name."""
        return next(entry for entry in self.entries if entry.name == name).read()


QUPATH = "QuPath 0.6 cell detection"
TRIAL = "trial network"
TRIAL_SOURCE = "2.0 M parameters, trained for 32 core-minutes by this project; same images"
QUPATH_SOURCE = "default settings, run by this project on the same images"
SECOND_HAND = "as quoted by later papers' tables"

BENCHMARKS = {
    "glas": Benchmark(
        "glas",
        {"glas": ("testA", "testB")},
        {"gland": ("object_f1", "object_dice", "object_hausdorff")},
        (
            Reference(
                "CUMedVision2 (DCAN), winner of the challenge",
                {
                    "glas testA": {"object_f1": "0.912", "object_dice": "0.897", "object_hausdorff": "45.42"},
                    "glas testB": {"object_f1": "0.716", "object_dice": "0.781", "object_hausdorff": "160.35"},
                },
                f"Sirinukunwattana et al. 2017 and Chen et al., CVPR 2016, {SECOND_HAND}",
            ),
            Reference(
                "MILD-Net",
                {
                    "glas testA": {"object_f1": "0.914", "object_dice": "0.913", "object_hausdorff": "41.54"},
                    "glas testB": {"object_f1": "0.844", "object_dice": "0.836", "object_hausdorff": "105.89"},
                },
                f"Graham et al., Medical Image Analysis 52 (2019), {SECOND_HAND}",
            ),
            Reference(
                "U-Net of Pinckaers and Litjens",
                {
                    "glas testA": {"object_f1": "0.865", "object_dice": "0.884"},
                    "glas testB": {"object_f1": "0.768", "object_dice": "0.819"},
                },
                f"arXiv 1910.10470 (2019), table 1, {SECOND_HAND}",
            ),
            Reference(TRIAL, {"glas testA": {"object_f1": "0.78", "object_dice": "0.80"}}, TRIAL_SOURCE),
        ),
    ),
    "nuclei": Benchmark(
        "nuclei",
        {"consep": ("test",), "monuseg": ("test",)},
        {"nuclei": ("pq", "aji", "dice", "type_macro_f1")},
        (
            Reference(
                QUPATH,
                {
                    "consep test": {"pq": "0.227", "aji": "0.308", "dice": "0.650"},
                    "monuseg test": {"pq": "0.461", "aji": "0.479", "dice": "0.690"},
                },
                QUPATH_SOURCE,
            ),
            Reference(
                TRIAL,
                {
                    "consep test": {"pq": "0.30", "aji": "0.39", "dice": "0.77"},
                    "monuseg test": {"pq": "0.55", "aji": "0.57", "dice": "0.79"},
                },
                TRIAL_SOURCE,
            ),
            Reference(
                "HoVer-Net, all 14 test tiles",
                {"consep test": {"pq": "0.547", "dice": "0.853"}},
                "Graham et al., Medical Image Analysis 58 (2019)",
            ),
        ),
        by_class={"nuclei": "f1"},
    ),
    "ebhi-seg": Benchmark(
        "ebhi-seg",
        {"ebhi-seg": ("test",)},
        {
            "semantic": ("dice", "jaccard", "precision", "recall", "boundary_f1"),
            "patch": ("accuracy", "macro_f1", "ece"),
        },
        by_class={"semantic": "dice", "patch": "f1"},
        foreground=True,
        notes=("EBHI-Seg was published without a split; its test images are those of our own split by patient.",),
        model="cerberus-small-ebhi",
    ),
    "nct-crc": Benchmark(
        "nct-crc",
        {"nct-crc-he": ("test",), "crc-val-he-7k-sample": ("",)},
        {"patch": ("accuracy", "macro_f1", "ece")},
        by_class={"patch": "f1"},
    ),
}


def find_test_sets(benchmark: Benchmark, folders: Sequence[Path]) -> list[TestSet]:
    """The benchmark's test splits in folders that each hold one of its data sets, or hold folders of them.

    Raises UsageError where a folder holds none, or a data set of it has no image of a test split.
    """
    found = []
    for folder in folders:
        for data in _data_sets(benchmark, folder):
            splits = benchmark.splits[data.name]
            parts = [(split, tuple(each for each in data.entries if each.split == split)) for split in splits]
            there = [TestSet(f"{data.name} {split}".strip(), data, entries) for split, entries in parts if entries]
            if not there:
                raise UsageError(
                    f"{folder}: {data.name} has no image of the split {' or '.join(splits)}, "
                    f"on which the benchmark {benchmark.name} is scored."
                )
            found += there
    return found


def _data_sets(benchmark: Benchmark, folder: Path) -> list[DataSet]:
    """The benchmark's data sets in a folder: itself, or those of its folders that are named after one."""
    inside = [
        path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else [])
        if path.is_dir() and any(name in path.name.lower() for name in benchmark.splits)
    ]
    if inside and not (folder / "manifest.csv").is_file():
        return [read_data_set(path) for path in inside]
    data = read_data_set(folder)
    if data.name not in benchmark.splits:
        raise UsageError(
            f"{folder} holds the data set {data.name}; the benchmark {benchmark.name} is scored on "
            f"{' and '.join(benchmark.splits)}."
        )
    return [data]


def check_fit(model: Model, test_set: TestSet) -> None:
    """Raises UsageError where the model has no head for what a test set is labelled with, before the time is spent."""
    image = test_set.entries[0].read()
    if not scorable_tasks(image, model):
        labelled = ", ".join(sorted(labels_of(image)))
        raise UsageError(
            f"{model.name} has no head for what is labelled in {test_set.title} ({labelled}); choose another --model."
        )


def all_foreground(image: LabelledImage) -> Prediction:
    """Calls every pixel foreground."""
    return Prediction(mask=np.ones(image.rgb.shape[:2], np.uint8), mask_classes=("background", "foreground"))


def benchmark_tables(
    benchmark: Benchmark, results: Mapping[str, Mapping[str, Scores]], classes: Mapping[str, tuple[str, ...]]
) -> list[Table]:
    """For each test set one table a task, a row a model or reference, and one of classes.

    results: scores by test set, then by the row's name.  classes: the published order of a set's classes, by test set.
    """
    tables = []
    for title, rows in results.items():
        for task, measures in benchmark.measures.items():
            scored = {name: scores.tasks[task] for name, scores in rows.items() if task in scores.tasks}
            if not scored:
                continue
            shown = [name for name in measures if any(name in each.measures for each in scored.values())]
            ours = [(name, *(cell(m, each.measures.get(m)) for m in shown)) for name, each in scored.items()]
            theirs = [
                (each.name, *(of_set.get(m, "–") for m in shown))
                for each in benchmark.references
                if (of_set := each.values.get(title)) is not None
            ]
            images = images_in_words(max(len(each.images) for each in scored.values()))
            sources = tuple(f"{each.name}: {each.source}." for each in benchmark.references if title in each.values)
            notes = (*sources, *benchmark.notes, *(note for each in scored.values() for note in each.notes))
            header = ("", *(MEASURE_TITLES[name] for name in shown))
            tables.append(Table(f"{title}, {images}", header, (*ours, *theirs), tuple(dict.fromkeys(notes))))
            measure = (benchmark.by_class or {}).get(task)
            named = list(dict.fromkeys(label for each in scored.values() for label in each.per_class))
            if measure and named:
                order = [label for label in dict.fromkeys((*classes.get(title, ()), *named)) if label in named]
                by_class = tuple(
                    (name, *(cell(measure, each.per_class.get(label, {}).get(measure)) for label in order))
                    for name, each in scored.items()
                )
                tables.append(Table(f"{title}, {MEASURE_TITLES[measure]} by class", ("", *order), by_class))
    return tables
