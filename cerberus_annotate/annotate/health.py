"""What is wrong with a project, and the mend for each."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.opening import check_type, open_image, pixel_size
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.errors import CerberusError, ImageRefusedError, ProjectError
from cerberus_annotate.feedback.ledger import LedgerError, ledger_path
from cerberus_annotate.feedback.overwritten import MARK_KEY, runs_gone, runs_lost, without_lost_commits
from cerberus_annotate.feedback.provenance import our_ids
from cerberus_annotate.feedback.runs import read_runs
from cerberus_annotate.feedback.standing_ledger import peek_ledger
from cerberus_annotate.qupath import Image, PathObject, Project


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.  image: its name, "" for the project itself.  problem: a sentence with the mend.
    serious: whether a run fails on it.
    """

    image: str
    problem: str
    serious: bool = True


def examine(project: Project, options: Options | None = None) -> list[Finding]:
    """Looks at the project as a run would, opens every slide and reads every data file; changes nothing."""
    findings = _examine_project(project)
    try:
        project.classes  # noqa: B018  every image's objects need them
    except ProjectError as error:
        return [*findings, Finding("", str(error))]
    for image in project.images:
        findings += _examine_image(project, image, options or Options())
    return findings


def _examine_project(project: Project) -> list[Finding]:
    findings = []
    if not os.access(project.folder, os.W_OK):
        findings.append(Finding("", f"The folder {project.folder} cannot be written to. Allow writing for your user."))
    else:
        try:
            with project.lock():
                pass
        except ProjectError as error:
            findings.append(Finding("", str(error)))
    if not project.images:
        findings.append(Finding("", "The project has no images. Add slides with `cerberus-annotate create`."))
    findings += [
        Finding("", f"Run {run.id} was cut off. The same command again goes on with it.", serious=False)
        for run in read_runs(work_folder(project))
        if run.state == "running"
    ]
    return findings


def _examine_image(project: Project, image: Image, options: Options) -> list[Finding]:
    problems = []
    objects: list[PathObject] | None = None
    try:
        objects = image.read_objects()
        check_type(image.name, image.image_type, options.any_stain)
    except (CerberusError, OSError) as error:
        problems.append(str(error))
    try:
        with open_image(project, image, options) as slide:
            pixel_size(image, slide, options.mpp)
    except (CerberusError, OSError) as error:
        # a slide that is missing may still have its pixel size in the project
        problems.append(str(error))
        if image.pixel_size is None and not isinstance(error, ImageRefusedError):
            problems.append(f"The project does not say how large a pixel of image '{image.name}' is; see --mpp.")
    overwritten = []
    try:
        overwritten = _overwritten(work_folder(project), image, objects)
    except LedgerError as error:
        problems.append(
            f"{error} Our objects in image '{image.name}' then count as yours; `cerberus-annotate restore` puts an "
            "older state back."
        )
    except (CerberusError, OSError) as error:
        problems.append(str(error))
    findings = [Finding(image.name, problem) for problem in problems]
    findings += [Finding(image.name, sentence, serious=False) for sentence in overwritten]
    if image.data_path.with_name("data.qpdata.bkp").exists():
        findings.append(
            Finding(
                image.name,
                f"QuPath did not finish saving image '{image.name}' once: data.qpdata.bkp lies beside its data file. "
                "Open the image in QuPath, check it, and save.",
                serious=False,
            )
        )
    return findings


def _overwritten(folder: Path, image: Image, objects: Sequence[PathObject] | None) -> list[str]:
    """Sentences on runs that QuPath saved over, or may have.  objects: None where they cannot be read.

    Raises LedgerError, DataFileError.
    """
    ids = our_ids(objects or ())
    ledger = peek_ledger(ledger_path(folder, image.id), ids)
    if objects is None:
        return []
    mark = image.properties.get(MARK_KEY, "")
    ledger = without_lost_commits(ledger, ids, mark)
    again = "`cerberus-annotate runs rewrite PROJECT {}` writes them again, without the slide."
    sure = [
        f"QuPath saved over run {run}: {count:,} objects are not in the data, because the image was open there when "
        f"they were written. Close it in QuPath; then {again.format(run)}"
        for run, count in runs_lost(ledger).items()
    ]
    unsure = [
        f"None of the {count:,} objects of run {run} is left. If you did not delete them, QuPath saved over them; "
        f"then {again.format(run)}"
        for run, count in runs_gone(ledger, ids, mark).items()
    ]
    return sure + unsure
