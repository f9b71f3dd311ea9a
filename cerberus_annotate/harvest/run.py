"""A harvest of a project: image by image, each as a whole; what was harvested before is kept, replaced or dropped."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cerberus_annotate
from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.errors import CerberusError, UsageError
from cerberus_annotate.feedback.runs import now, read_runs
from cerberus_annotate.harvest.contradictions import contradictions, overlap
from cerberus_annotate.harvest.folder import Harvest, ImageRecord, PatchRecord, read_harvest, sweep, write_harvest
from cerberus_annotate.harvest.one_image import Task, harvest_image
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.splits import assign_splits
from cerberus_annotate.harvest.summary import summarise
from cerberus_annotate.harvest.types import VOCABULARY, meaning_of, table_of
from cerberus_annotate.qupath import Image, Project

logger = logging.getLogger(__name__)

SAVE_SECONDS = 20
"""How much of a harvest is lost at most when it is cut off."""

Progress = Callable[[int, int, str], None]
"""Called with the number of images done, of all, and the name of the next one."""


@dataclass(frozen=True)
class Changes:
    """Patches of this harvest against the one before."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0


@dataclass(frozen=True)
class Outcome:
    """changes: of patches. failed: entryID → sentence; of those images the harvest keeps what it had. notes: what was
    odd.
    """

    harvest: Harvest
    changes: Changes
    failed: Mapping[str, str]
    notes: tuple[str, ...]


def harvest(project: Project, folder: Path, options: HarvestOptions, progress: Progress | None = None) -> Outcome:
    """Harvests all images of `project` into `folder`, or brings a harvest of it there up to date.

    The project is only read. An image that fails does not stop the others.  Raises UsageError when nothing can be
    done at all.
    """
    options.check()
    before = read_harvest(folder)
    if before is not None:
        _check_same_project(before, project, folder)
    if not project.images:
        raise UsageError(f"The project {project.path} has no images. Add slides with `cerberus-annotate create`.")
    runs = {run.id: run for run in read_runs(work_folder(project))}
    meaning = meaning_of([options.classes, *(table_of(run.parameters) for run in runs.values())])
    task = Task(project, folder, options, meaning, runs)
    start = Harvest(
        project=str(project.path.absolute()),
        project_name=project.name,
        version=cerberus_annotate.__version__,
        updated=now(),
        options=options.as_dict(),
        labels={name: list(labels) for name, labels in VOCABULARY.items()} if before is None else before.labels,
        splits={} if before is None else before.splits,
        images={} if before is None else before.images,
    )
    images = list(project.images)
    current, failed, notes = _all_images(task, images, start, progress)
    here = {image.id for image in images}
    for image_id, record in start.images.items():
        if image_id not in here:
            notes.append(
                f"Image '{record.name}' is not in the project any more; what was harvested from it before was kept."
            )
    notes += contradictions({folder: current})
    if before is None and not current.images and failed:
        return Outcome(current, Changes(), failed, tuple(notes))
    write_harvest(folder, current, summarise(current).as_dict())
    sweep(folder, current)
    return Outcome(current, _compared(start, current), failed, tuple(dict.fromkeys(notes)))


def _all_images(
    task: Task, images: Sequence[Image], start: Harvest, progress: Progress | None
) -> tuple[Harvest, dict[str, str], list[str]]:
    """The harvest image by image, saved now and then; sentences of failed images; notes."""
    current = start
    saved_at = time.monotonic()
    failed: dict[str, str] = {}
    notes: list[str] = []
    for number, image in enumerate(images):
        if progress is not None:
            progress(number, len(images), image.name)
        before = current.images.get(image.id)
        try:
            done = harvest_image(task, image, before, current.labels)
        except (CerberusError, OSError, MemoryError, ValueError) as error:
            logger.debug("image %s", image.name, exc_info=True)
            kept = " What was harvested from it before was kept." if before is not None else ""
            reason = str(error) if isinstance(error, CerberusError) else f"It failed ({type(error).__name__}: {error})."
            failed[image.id] = f"{reason}{kept}"
            continue
        notes += done.notes
        if done.unchanged:
            continue
        if done.record is None:
            if before is not None:
                notes.append(f"Nothing of image '{image.name}' is reviewed any more; its patches were taken out.")
                current = current.without_image(image.id)
            continue
        current = replace(current.with_image(done.record), labels=done.labels)
        # from those of before, so that the order of the images decides nothing
        splits = assign_splits(start.splits, {record.group for record in current.images.values()})
        current = replace(current, splits=splits)
        if time.monotonic() - saved_at > SAVE_SECONDS:
            write_harvest(task.folder, current, summarise(current).as_dict())
            saved_at = time.monotonic()
    return current, failed, notes


def _check_same_project(before: Harvest, project: Project, folder: Path) -> None:
    """A harvest belongs to one project; one that was moved is the same."""
    same = before.project == str(project.path.absolute())
    if not same and Path(before.project).is_file():
        raise UsageError(
            f"{folder} is the harvest of another project, {before.project}. Give -o another folder; `finetune` takes "
            "several harvests."
        )


def _compared(before: Harvest, after: Harvest) -> Changes:
    """Which patches are new. One that overlaps a patch that is gone, in its image, replaces it."""
    added = replaced = unchanged = removed = 0
    for image_id in before.images.keys() | after.images.keys():
        old = {patch.digest: patch for patch in _patches(before.images.get(image_id))}
        new = {patch.digest: patch for patch in _patches(after.images.get(image_id))}
        gone = [patch for digest, patch in old.items() if digest not in new]
        fresh = [patch for digest, patch in new.items() if digest not in old]
        unchanged += len(new) - len(fresh)
        for patch in fresh:
            if any(overlap(patch, other) for other in gone):
                replaced += 1
            else:
                added += 1
        removed += sum(not any(overlap(patch, other) for patch in fresh) for other in gone)
    return Changes(added, replaced, unchanged, removed)


def _patches(record: ImageRecord | None) -> Sequence[PatchRecord]:
    return () if record is None else record.patches
