"""A whole project for its report, slide by slide."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import cerberus_annotate
from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.opening import choose_images, open_image
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.errors import CerberusError
from cerberus_annotate.feedback.runs import Run, read_runs
from cerberus_annotate.harvest.types import meaning_of, table_of
from cerberus_annotate.qupath import Image, Project
from cerberus_annotate.report.facts import ClassCount, Colour, ModelFacts, ReportFacts, SlideFacts, Strip
from cerberus_annotate.report.gathering.choosing import chosen, kept
from cerberus_annotate.report.gathering.corrections import Correction, Pair, strip_of
from cerberus_annotate.report.gathering.lineage import learnt_of, lineages_of, rounds_of
from cerberus_annotate.report.gathering.one_slide import Seen, look_at_slide
from cerberus_annotate.slide.tissue import NOMINAL_MPP

logger = logging.getLogger(__name__)

THUMBNAILS, LARGEST_THUMBNAIL = 14_000_000, 90_000
"""Characters of all thumbnails and of one; a larger file would not pass as an attachment."""

Progress = Callable[[int, int, str], None]
"""Called with the number of images done, of all, and the name of the next one."""


@dataclass
class _Sums:
    """What adds up over slides. inside: objects by class in the areas that densities are of."""

    counts: Counter[str] = field(default_factory=Counter)
    inside: dict[str, float] = field(default_factory=dict)
    colours: dict[str, Colour] = field(default_factory=dict)
    verdicts: dict[str, Counter[str]] = field(default_factory=dict)
    pairs: Counter[Pair] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    reviewed: Counter[str] = field(default_factory=Counter)
    areas: dict[str, None] = field(default_factory=dict)
    area_mm2: float = 0.0
    reviewed_mm2: float = 0.0

    def add(self, seen: Seen) -> None:
        """One slide more."""
        facts = seen.facts
        for one in facts.classes:
            self.counts[one.name] += one.count
            if one.density is not None and facts.area_mm2 is not None:
                self.inside[one.name] = self.inside.get(one.name, 0.0) + one.density * facts.area_mm2
            self.colours[one.name] = one.colour
        for name, counts in seen.verdicts.items():
            self.verdicts.setdefault(name, Counter()).update(counts)
        self.pairs.update(seen.pairs)
        if facts.area_mm2 is not None:
            self.areas[facts.area] = None
            self.area_mm2 += facts.area_mm2
        self.reviewed_mm2 += facts.reviewed_mm2
        for model, (accepted, of) in seen.models.items():
            self.accepted[model] += accepted
            self.reviewed[model] += of


def gather(project: Project, options: Options, progress: Progress | None = None) -> ReportFacts:
    """Everything that a report tells of a project, which is only read.

    options: its images, mpp and slides_dirs count. A slide that fails is told of with the reason.  Raises UsageError
    where no image is chosen.
    """
    images = choose_images(project, options.images)
    runs = {run.id: run for run in read_runs(work_folder(project))}
    meaning = meaning_of(table_of(run.parameters) for run in runs.values())
    most = min(THUMBNAILS / len(images), LARGEST_THUMBNAIL)
    sums = _Sums()
    slides: list[SlideFacts] = []
    found: list[Correction] = []
    for number, image in enumerate(images):
        if progress is not None:
            progress(number, len(images), image.name)
        try:
            seen = look_at_slide(project, image, options, meaning, runs, most)
        except (CerberusError, OSError, MemoryError, ValueError) as error:
            logger.debug("image %s", image.name, exc_info=True)
            slides.append(SlideFacts(image.name, None, "", None, 0.0, (), {}, (str(error) or type(error).__name__,)))
            continue
        slides.append(seen.facts)
        sums.add(seen)
        if seen.facts.thumbnail is not None:
            found = kept([*found, *seen.corrections])
    models = _models(runs.values(), sums)
    lineages = lineages_of([model.name for model in models])
    return ReportFacts(
        project=project.name,
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        version=cerberus_annotate.__version__,
        slides=tuple(slides),
        classes=tuple(
            ClassCount(
                name,
                sums.colours[name],
                count,
                sums.inside[name] / sums.area_mm2 if name in sums.inside else None,
            )
            for name, count in sums.counts.most_common()
        ),
        area=next(iter(sums.areas)) if len(sums.areas) == 1 else "tissue, or regions that models looked at",
        area_mm2=sums.area_mm2,
        reviewed_mm2=sums.reviewed_mm2,
        verdicts=dict(sorted(sums.verdicts.items())),
        strips=tuple(_strips(project, images, chosen(found, sums.pairs), sums.pairs, options)),
        models=models,
        rounds=rounds_of(lineages),
        learnt=learnt_of(lineages),
    )


def _models(runs: Iterable[Run], sums: _Sums) -> tuple[ModelFacts, ...]:
    """In the order in which they first ran; those of which only predictions are left come last."""
    of_model: dict[str, list[Run]] = {}
    for run in runs:
        of_model.setdefault(run.model, []).append(run)
    for name in sums.reviewed:
        of_model.setdefault(name, [])
    return tuple(
        ModelFacts(
            name,
            len(some),
            max((run.started for run in some), default="")[:10],
            sums.accepted[name],
            sums.reviewed[name],
        )
        for name, some in of_model.items()
    )


def _strips(
    project: Project, images: Sequence[Image], found: Sequence[Correction], pairs: Mapping[Pair, int], options: Options
) -> list[Strip]:
    """The pictures, in the order of `found`; those of a slide that went away meanwhile are left out."""
    by_id = {image.id: image for image in images}
    strips: dict[int, Strip] = {}
    for image_id in dict.fromkeys(one.image for one in found):
        image = by_id[image_id]
        try:
            with open_image(project, image, options) as slide:
                mpp = image.pixel_size or slide.mpp or options.mpp or (NOMINAL_MPP, NOMINAL_MPP)
                for at, one in enumerate(found):
                    if one.image == image_id:
                        strips[at] = strip_of(one, slide, mpp, image.name, _caption(one, pairs))
        except (CerberusError, OSError):
            logger.debug("strips of %s", image_id, exc_info=True)
    return [strips[at] for at in sorted(strips)]


def _caption(correction: Correction, pairs: Mapping[Pair, int]) -> str:
    if correction.verdict != "reclassified":
        return correction.told
    return f"{correction.told} ({pairs[correction.pair]:,} such)"
