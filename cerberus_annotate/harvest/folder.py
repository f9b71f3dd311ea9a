"""The folder of a harvest: what lies in it, told by `harvest.json`, and its `manifest.csv` for training.

    harvest.json              what was harvested from where, with checksums (schema: harvest.schema.json)
    manifest.csv              one row a patch and set of tasks, as docs/data-sets.md has it
    images/, nuclei/, …       pictures and label maps, PNG
    differences/<id>.json     every object of an image: what was predicted, what became of it
    unreviewed/, …csv         pictures of tissue that nobody reviewed, without labels

Files carry a part of their content's digest in their names, so that a new harvest writes beside the old one and
`harvest.json` decides which counts; a cut-off harvest leaves the one before as it was.
"""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import shapely

from cerberus_annotate.errors import UsageError
from cerberus_annotate.files import write_whole

FORMAT = 1
STATE = "harvest.json"
SCHEMA = "harvest.schema.json"
MANIFEST = "manifest.csv"
DIFFERENCES = "differences"
PICTURES = "images"
UNREVIEWED = "unreviewed"
UNREVIEWED_LIST = "unreviewed.csv"
MAPS = ("nuclei", "nucleus_types", "glands", "gland_types", "lumina", "ignore")
COLUMNS = (
    "name",
    "image",
    *MAPS,
    "nucleus_labels",
    "gland_labels",
    "mpp",
    "split",
    "patient",
    "dataset",
    "licence",
    "source",
    "slide",
    "region",
    "tasks",
)
UNREVIEWED_COLUMNS = ("name", "image", "mpp", "split", "patient", "dataset", "slide")


@dataclass(frozen=True)
class PatchRecord:
    """A patch on disk. x, y, width, height: in level-0 px. mpp: µm/px of its pictures. digest: of all its content.

    rows: by tasks that share an `ignore` map: column of the manifest → path in the folder. checksums: path → SHA-256.
    """

    name: str
    x: float
    y: float
    width: float
    height: float
    mpp: float
    digest: str
    rows: Mapping[str, Mapping[str, str]]
    checksums: Mapping[str, str]


@dataclass(frozen=True)
class UnreviewedRecord:
    """A picture without labels. image: its path. x, y, width, height: in level-0 px. mpp: µm/px of the picture."""

    name: str
    image: str
    x: float
    y: float
    width: float
    height: float
    mpp: float
    sha256: str


@dataclass(frozen=True)
class RegionRecord:
    """A reviewed region. outline: WKT in level-0 px. runs: ids of the runs whose predictions were reviewed there."""

    outline: str
    tasks: tuple[str, ...]
    area_mm2: float
    marks: tuple[str, ...]
    reviewer: str
    reviewed_at: str
    saved_at: str
    runs: tuple[str, ...]
    patches: tuple[PatchRecord, ...]


@dataclass(frozen=True)
class ImageRecord:
    """An image of the project. state: changes when anything does that decides what is harvested from it.

    counts: verdict → objects. classes: class → verdict → objects. models: model → verdict → predictions.
    types: task → types of its own that it brought. differences: path in the folder, with its SHA-256.
    """

    id: str
    name: str
    slide: str
    patient: str | None
    group: str
    state: str
    regions: tuple[RegionRecord, ...]
    counts: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    models: Mapping[str, Mapping[str, int]]
    runs: Mapping[str, Mapping[str, str]]
    differences: str
    differences_sha256: str
    notes: tuple[str, ...] = ()
    unreviewed: tuple[UnreviewedRecord, ...] = ()

    @property
    def patches(self) -> tuple[PatchRecord, ...]:
        """Those of all regions."""
        return tuple(patch for region in self.regions for patch in region.patches)

    def files(self) -> set[str]:
        """Paths in the folder that belong to the image."""
        pictures = {one.image for one in self.unreviewed}
        return {path for patch in self.patches for path in patch.checksums} | {self.differences} | pictures


@dataclass(frozen=True)
class Harvest:
    """labels: types by task, by index. splits: slide or patient → split. images: entryID → record."""

    project: str
    project_name: str
    version: str
    updated: str
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, list[str]] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, ImageRecord] = field(default_factory=dict)

    def with_image(self, image: ImageRecord) -> "Harvest":
        """The harvest with one image more, or one replaced."""
        return replace(self, images={**self.images, image.id: image})

    def without_image(self, image_id: str) -> "Harvest":
        """The harvest without an image."""
        return replace(self, images={key: image for key, image in self.images.items() if key != image_id})

    def files(self) -> set[str]:
        """All paths that belong to it."""
        return {path for image in self.images.values() for path in image.files()}


def read_harvest(folder: Path) -> Harvest | None:
    """The harvest in a folder, None where the folder is empty or missing.

    Raises UsageError where it holds something else, or a harvest that cannot be read.
    """
    path = folder / STATE
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} holds something that is no harvest. Give -o a new or empty folder.")
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        content.pop("$schema", None)
        content.pop("summary", None)
        images = {key: _image_of(value) for key, value in content.pop("images").items()}
        return Harvest(images=images, **content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} cannot be read as a harvest of this version ({error}). Give -o a new folder; the project has "
            "everything that the old one was made of."
        ) from error


def write_harvest(folder: Path, harvest: Harvest, summary: Mapping[str, Any]) -> None:
    """Writes manifest, schema and state, in this order; then the harvest is what `harvest` says.

    Raises ProjectError when the disk refuses.
    """
    write_whole(folder / SCHEMA, Path(__file__).with_name(SCHEMA).read_bytes(), "The schema of the harvest")
    content = {"$schema": SCHEMA, "format": FORMAT, **asdict(harvest), "summary": summary}
    text = json.dumps(content, ensure_ascii=False, indent=1)
    write_whole(folder / STATE, text.encode(), "The record of the harvest")
    write_whole(folder / MANIFEST, _manifest(harvest).encode(), "The manifest of the harvest")
    write_whole(folder / UNREVIEWED_LIST, _unreviewed(harvest).encode(), "The list of unreviewed pictures")


def sweep(folder: Path, harvest: Harvest) -> None:
    """Removes files that the harvest no longer has, those of cut-off harvests among them."""
    kept = harvest.files()
    for name in (PICTURES, *MAPS, DIFFERENCES, UNREVIEWED):
        for path in (folder / name).glob("*"):
            if f"{name}/{path.name}" not in kept:
                path.unlink(missing_ok=True)


def sha256(content: bytes) -> str:
    """Its SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_file(folder: Path, path: str, content: bytes) -> str:
    """Writes a file whose name tells its content, and returns its SHA-256.  Raises UsageError when the disk refuses."""
    target = folder / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.tmp")
        temporary.write_bytes(content)
        temporary.replace(target)
    except OSError as error:
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free / 1e6
        raise UsageError(
            f"{target} could not be written: {error.strerror or error} ({free:,.0f} MB are free). The harvest is as "
            "the images before left it; run the command again to go on."
        ) from error
    return sha256(content)


def _manifest(harvest: Harvest) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for image in harvest.images.values():
        of_region = [(_place_of(region), patch) for region in image.regions for patch in region.patches]
        for place, patch in of_region:
            for tasks, paths in patch.rows.items():
                name = patch.name if len(patch.rows) == 1 else f"{patch.name}-{tasks.replace(',', '-')}"
                writer.writerow(
                    {
                        **paths,
                        "name": name,
                        "nucleus_labels": ";".join(harvest.labels["nuclei"]) if "nucleus_types" in paths else "",
                        "gland_labels": ";".join(harvest.labels["gland"]) if "gland_types" in paths else "",
                        "mpp": f"{patch.mpp:.6g}",
                        "split": harvest.splits[image.group],
                        "patient": image.group,
                        "dataset": "harvest",
                        "licence": "the lab's own",
                        "source": harvest.project_name,
                        "slide": image.slide,
                        "region": f"{image.id}-{place}",
                        "tasks": tasks,
                    }
                )
    return text.getvalue()


def _unreviewed(harvest: Harvest) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(UNREVIEWED_COLUMNS)
    for image in harvest.images.values():
        of_slide = (harvest.splits[image.group], image.group, "harvest", image.slide)
        writer.writerows([one.name, one.image, f"{one.mpp:.6g}", *of_slide] for one in image.unreviewed)
    return text.getvalue()


def _place_of(region: RegionRecord) -> str:
    """What tells a region from others of its image, whatever else is reviewed there: its upper left corner."""
    left, top, *_ = shapely.from_wkt(region.outline).bounds
    return f"{left:.0f}-{top:.0f}"


def _image_of(value: dict[str, Any]) -> ImageRecord:
    regions = tuple(_region_of(region) for region in value.pop("regions"))
    unreviewed = tuple(UnreviewedRecord(**one) for one in value.pop("unreviewed", ()))
    return ImageRecord(regions=regions, unreviewed=unreviewed, **{**value, "notes": tuple(value["notes"])})


def _region_of(value: dict[str, Any]) -> RegionRecord:
    patches = tuple(PatchRecord(**patch) for patch in value.pop("patches"))
    lists = {key: tuple(value[key]) for key in ("tasks", "marks", "runs")}
    return RegionRecord(patches=patches, **{**value, **lists})
