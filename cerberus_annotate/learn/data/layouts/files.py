"""Files of a data set: found to a bounded depth, in the order people count in, images paired with their labels."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PICTURES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Pair:
    """An image and its label's file."""

    key: str
    image: Path
    label: Path


def find(folder: Path, suffixes: Iterable[str], depth: int) -> Iterator[Path]:
    """Files with one of the suffixes, at most `depth` folders below `folder`, those that archives add left out."""
    wanted = set(suffixes)
    for level in range(depth + 1):
        for path in folder.glob("*/" * level + "*"):
            hidden = path.name.startswith(".") or "__MACOSX" in path.parts
            if path.suffix.lower() in wanted and not hidden and path.is_file():
                yield path


def natural_order(path: Path | str) -> list[tuple[int, str]]:
    """Sort key by which `train_2` comes before `train_10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def pair_up(images: Mapping[str, Path], labels: Mapping[str, Path]) -> tuple[list[Pair], tuple[str, ...]]:
    """Images and labels with the same key, in natural order, and a sentence for each file without its partner."""
    both = sorted(images.keys() & labels.keys(), key=natural_order)
    alone = [f"{images[key]} has no label." for key in sorted(images.keys() - labels.keys(), key=natural_order)]
    alone += [f"{labels[key]} has no image." for key in sorted(labels.keys() - images.keys(), key=natural_order)]
    return [Pair(key, images[key], labels[key]) for key in both], tuple(alone)


def tcga_patient(name: str) -> str | None:
    """The patient's barcode (such as TCGA-2Z-A9J9) in a file name, None where there is none."""
    found = re.search(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?![A-Z0-9])", name)
    return found[0] if found else None
