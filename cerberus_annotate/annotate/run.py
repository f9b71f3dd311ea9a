"""One run over a project: image by image, each as a whole or not at all, resumable."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cerberus_annotate
from cerberus_annotate.annotate.backups import fingerprint_of
from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.one_image import Predict, annotate_image
from cerberus_annotate.annotate.opening import choose_images
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.regions import check_regions
from cerberus_annotate.annotate.several import Ahead, attempt_several
from cerberus_annotate.errors import CerberusError, ClusterError, ImageRefusedError, UsageError
from cerberus_annotate.feedback.runs import ImageRecord, Run, new_run_id, now, read_runs, write_run
from cerberus_annotate.qupath import Image, Project

logger = logging.getLogger("cerberus_annotate")


class ModelFacts(Protocol):
    """What a run notes of its model; `predict` holds the network itself."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def tasks(self) -> tuple[str, ...]: ...


class Progress(Protocol):
    """Who is told how far a run is."""

    def image_started(self, name: str, number: int, total: int) -> None:
        """Image `number` (from 1) of `total` begins."""

    def tiles(self, done: int, total: int, objects: int) -> None:
        """So many tiles of the image are done, with so many objects found."""

    def image_finished(self, record: ImageRecord) -> None:
        """An image is done, failed, refused or skipped."""


class Silent:
    """Progress that nobody watches."""

    def image_started(self, name: str, number: int, total: int) -> None:
        """Says nothing."""

    def tiles(self, done: int, total: int, objects: int) -> None:
        """Says nothing."""

    def image_finished(self, record: ImageRecord) -> None:
        """Says nothing."""


@dataclass(frozen=True)
class RunSummary:
    """run: its record. images: entryID → how it went now, in the project's order. resumed: whether it was cut off."""

    run: Run
    images: Mapping[str, ImageRecord]
    resumed: bool = False

    @property
    def objects(self) -> dict[str, int]:
        """Class text → objects in all images."""
        total: Counter[str] = Counter()
        for record in self.images.values():
            total.update(record.objects)
        return dict(sorted(total.items()))

    @property
    def exit_code(self) -> int:
        """0 when all images are done, 1 when some are not."""
        return int(any(record.status in ("failed", "refused") for record in self.images.values()))


def run(
    project: Project,
    model: ModelFacts,
    options: Options,
    predict: Predict,
    progress: Progress | None = None,
    ahead: Ahead | None = None,
) -> RunSummary:
    """Pre-labels the chosen images of `project` with `model`.

    model: has name, sha256 and tasks; `predict` runs it. A run of the same model and options that was cut off is
    continued; its finished images are skipped unless their data changed since. An image that fails does not stop
    the others.  ahead: given where `predict` may be called for several images at once; they are committed in any
    order, one at a time.  Raises UsageError, ProjectError or ProjectLockedError when nothing can be done at all,
    ClusterError when what predicts is lost.
    """
    progress = progress or Silent()
    tasks = options.chosen_tasks(tuple(model.tasks))
    check_regions(options.regions)
    _make_geojson_folder(options.geojson_dir)
    chosen = choose_images(project, options.images)
    folder = work_folder(project)
    with project.lock():
        record, resumed = _start(folder, model, options, tasks)
        write_run(folder, record)
        seen: dict[str, ImageRecord] = {}

        def attempt(image: Image, predict: Predict, tiles: Callable[[int, int, int], None]) -> ImageRecord:
            before = record.images.get(image.id)
            if before is not None and _is_finished(before, image):
                return replace(before, status="skipped", reason="done before the run was cut off")
            return _attempt(project, image, tasks, options, record.id, predict, tiles)

        def finished(image: Image, outcome: ImageRecord) -> None:
            nonlocal record
            seen[image.id] = outcome
            if outcome.status != "skipped":
                record = record.with_image(image.id, outcome)
                write_run(folder, record)
            progress.image_finished(outcome)

        if ahead is not None:
            attempt_several(chosen, attempt, predict, ahead, progress, finished)
        else:
            for number, image in enumerate(chosen, 1):
                progress.image_started(image.name, number, len(chosen))
                finished(image, attempt(image, predict, progress.tiles))
        record = replace(record, state="finished", finished=now())
        write_run(folder, record)
    return RunSummary(record, {image.id: seen[image.id] for image in chosen}, resumed)


def _make_geojson_folder(folder: Path | None) -> None:
    """Refuses an unusable folder before the hours of work."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The folder {folder} (--geojson-dir) cannot be made: {error.strerror or error}.") from error


def _start(folder: Path, model: ModelFacts, options: Options, tasks: tuple[str, ...]) -> tuple[Run, bool]:
    """The run that was cut off, when this is the same one, else a new one."""
    fresh = Run(
        id=new_run_id(),
        model=model.name,
        sha256=model.sha256,
        version=cerberus_annotate.__version__,
        parameters=options.parameters(tasks),
        regions=options.regions,
        started=now(),
    )
    cut_off = [old for old in read_runs(folder) if fresh.continues(old)]
    return (cut_off[-1], True) if cut_off else (fresh, False)


def _is_finished(record: ImageRecord, image: Image) -> bool:
    return record.status == "done" and record.data == fingerprint_of(image.data_path)


def _attempt(
    project: Project,
    image: Image,
    tasks: tuple[str, ...],
    options: Options,
    run_id: str,
    predict: Predict,
    tiles: Callable[[int, int, int], None],
) -> ImageRecord:
    """One image; whatever goes wrong with it becomes its record."""
    try:
        return annotate_image(project, image, tasks, options, run_id, predict, tiles)
    except ClusterError:
        raise
    except ImageRefusedError as error:
        return ImageRecord(image.name, "refused", str(error))
    except CerberusError as error:
        logger.debug("image %s", image.name, exc_info=True)
        return ImageRecord(image.name, "failed", str(error))
    except MemoryError:
        logger.debug("image %s", image.name, exc_info=True)
        return ImageRecord(
            image.name,
            "failed",
            f"Memory ran out at image '{image.name}'. Close other programs, or use a smaller --batch-size.",
        )
    except Exception as error:  # one image must not stop the others; the true reason is told
        logger.debug("image %s", image.name, exc_info=True)
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return ImageRecord(image.name, "failed", f"Image '{image.name}' failed ({reason}); -vv shows where.")
