"""A whole project for its report, slide by slide."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import cerberus_annotate
from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.opening import choose_images, open_image
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.errors import CerberusError
from cerberus_annotate.feedback.runs import Run, read_runs
from cerberus_annotate.harvest.types import meaning_of, table_of
from cerberus_annotate.network.registry import read_lineage
from cerberus_annotate.qupath import Image, Project
from cerberus_annotate.report.facts import ClassCount, ModelFacts, ReportFacts, Round, SlideFacts, Strip
from cerberus_annotate.report.gathering.corrections import Correction, chosen, strip_of
from cerberus_annotate.report.gathering.one_slide import look_at_slide

logger = logging.getLogger(__name__)

FEW_SLIDES, LARGE_THUMBNAIL, SMALL_THUMBNAIL = 100, 420, 220
"""Up to so many slides thumbnails are large; with more of them a file would not pass as an attachment."""

MOST_ANCESTORS = 50

Progress = Callable[[int, int, str], None]
"""Called with the number of images done, of all, and the name of the next one."""


@dataclass
class _Sums:
    """What adds up over slides."""

    counts: Counter[str]
    colours: dict[str, tuple[int, int, int]]
    verdicts: Counter[str]
    accepted: Counter[str]
    reviewed: Counter[str]
    tissue: float = 0.0


def gather(project: Project, options: Options, progress: Progress | None = None) -> ReportFacts:
    """Everything that a report tells of a project, which is only read.

    options: its images, mpp and slides_dirs count. A slide that fails is told of with the reason.  Raises UsageError
    where no image is chosen.
    """
    images = choose_images(project, options.images)
    runs = {run.id: run for run in read_runs(work_folder(project))}
    meaning = meaning_of(table_of(run.parameters) for run in runs.values())
    side = LARGE_THUMBNAIL if len(images) <= FEW_SLIDES else SMALL_THUMBNAIL
    sums = _Sums(Counter(), {}, Counter(), Counter(), Counter())
    slides: list[SlideFacts] = []
    found: list[tuple[str, Correction]] = []
    for number, image in enumerate(images):
        if progress is not None:
            progress(number, len(images), image.name)
        try:
            seen = look_at_slide(project, image, options, meaning, runs, side)
        except (CerberusError, OSError, MemoryError, ValueError) as error:
            logger.debug("image %s", image.name, exc_info=True)
            slides.append(SlideFacts(image.name, None, None, 0.0, (), {}, (str(error) or type(error).__name__,)))
            continue
        slides.append(seen.facts)
        found = chosen([*found, *((image.id, one) for one in seen.corrections)])
        _add(sums, seen.facts)
        for model, (accepted, of) in seen.models.items():
            sums.accepted[model] += accepted
            sums.reviewed[model] += of
    names = list(dict.fromkeys([*sums.reviewed, *(run.model for run in runs.values())]))
    return ReportFacts(
        project=project.name,
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        version=cerberus_annotate.__version__,
        slides=tuple(slides),
        classes=tuple(
            ClassCount(name, sums.colours[name], count, count / sums.tissue if sums.tissue else None)
            for name, count in sums.counts.most_common()
        ),
        verdicts=dict(sums.verdicts),
        strips=tuple(_strips(project, images, found, options)),
        models=tuple(ModelFacts(name, _parent(name), sums.accepted[name], sums.reviewed[name]) for name in names),
        rounds=tuple(_rounds(names)),
        runs=tuple(_run_said(run) for run in runs.values()),
        notes=(),
    )


def _add(sums: _Sums, facts: SlideFacts) -> None:
    for one in facts.classes:
        sums.counts[one.name] += one.count
        sums.colours[one.name] = one.colour
    sums.verdicts.update(facts.verdicts)
    sums.tissue += facts.tissue_mm2 or 0.0


def _strips(
    project: Project, images: Sequence[Image], found: Sequence[tuple[str, Correction]], options: Options
) -> list[Strip]:
    """The pictures; those of a slide that went away meanwhile are left out."""
    by_id = {image.id: image for image in images}
    strips: list[Strip] = []
    for image_id in dict.fromkeys(image_id for image_id, _ in found):
        try:
            with open_image(project, by_id[image_id], options) as slide:
                strips += [strip_of(one, slide, by_id[image_id].name) for key, one in found if key == image_id]
        except (CerberusError, OSError):
            logger.debug("strips of %s", image_id, exc_info=True)
    return strips


def _parent(name: str) -> str | None:
    try:
        lineage = read_lineage(name)
    except CerberusError:
        return None
    return None if lineage is None else lineage.parent


def _rounds(names: Sequence[str]) -> list[Round]:
    """Figures of the models and their ancestors, the first ancestor first."""
    ordered: list[str] = []
    for name in names:
        line: list[str] = []
        ancestor: str | None = name
        while ancestor is not None and ancestor not in line and len(line) < MOST_ANCESTORS:
            line.append(ancestor)
            ancestor = _parent(ancestor)
        ordered += [one for one in reversed(line) if one not in ordered]
    rounds = []
    for name in ordered:
        if _parent(name) is None:
            continue
        lineage = read_lineage(name)
        assert lineage is not None
        rounds += [
            Round(
                name,
                lineage.parent,
                str(figure["data"]),
                f"{figure['task']} {figure['measure']}".replace("_", " "),
                float(figure["before"]["value"]),
                float(figure["after"]["value"]),
            )
            for figure in lineage.figures
            if figure["class"] is None
        ]
    return rounds


def _run_said(run: Run) -> str:
    return f"{run.started[:16].replace('T', ' ')}: {run.model}"
