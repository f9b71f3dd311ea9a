"""The queue in the project: annotations of class `To review`, and which of an earlier queue may go."""

from collections.abc import Sequence
from dataclasses import dataclass

from shapely.geometry import box

from cerberus_annotate.annotate.commit import commit_image, load_ledger, work_folder
from cerberus_annotate.errors import ProjectChangedError
from cerberus_annotate.feedback.reviewed import REVIEWED_KEY, TO_REVIEW_CLASS
from cerberus_annotate.feedback.shapes import geometry_array, same_shape
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath import Edit, Image, PathClass, PathObject, Project
from cerberus_annotate.review.candidates import Bounds

COLOUR = (255, 170, 0)

WRITTEN_KEY = "cerberus.review"
"""Rank and bounds of a region as they were written, so that one that somebody changed is known."""

SCORE_KEY, REASON_KEY = "cerberus.review-score", "cerberus.review-reason"


@dataclass(frozen=True)
class Proposal:
    """A region to write.  rank: from 1. bounds: in level-0 px. score: 0 to 1. reason: in words."""

    rank: int
    bounds: Bounds
    score: float
    reason: str


def to_review_class() -> PathClass:
    """The class of proposed regions, with its colour."""
    return PathClass.of(TO_REVIEW_CLASS, COLOUR)


def split_earlier(objects: Sequence[PathObject]) -> tuple[list[PathObject], list[PathObject]]:
    """The `To review` annotations that an earlier queue wrote and nobody changed, and all others of that class.

    Changed means: another outline, by more than 0.05 px, or another name. Who only unlocks one, or changes its colour,
    has not decided to keep it.
    """
    waiting = [obj for obj in objects if obj.kind == "annotation" and str(obj.path_class) == TO_REVIEW_CLASS]
    written = [_as_written(obj) for obj in waiting]
    same = same_shape(
        geometry_array([obj.roi for obj in waiting]),
        geometry_array([None if one is None else box(*one[1]) for one in written]),
    ).tolist()
    ours = [
        obj
        for obj, one, is_same in zip(waiting, written, same, strict=True)
        if one is not None and is_same and obj.name == _name(one[0])
    ]
    known = {obj.uuid for obj in ours}
    return ours, [obj for obj in waiting if obj.uuid not in known]


def annotation_of(proposal: Proposal, tasks: Sequence[str]) -> PathObject:
    """The annotation of a region.

    It is locked, so that no brush changes it while what lies in it is corrected; its class can still be set. tasks:
    those that the queue was asked for; they stand where the harvest reads the tasks of a reviewed region.
    """
    metadata = {
        WRITTEN_KEY: f"{proposal.rank} {','.join(str(value) for value in proposal.bounds)}",
        SCORE_KEY: f"{proposal.score:.3f}",
        REASON_KEY: proposal.reason,
    }
    if tasks:
        metadata[REVIEWED_KEY] = ",".join(tasks)
    return PathObject(
        roi=box(*proposal.bounds),
        kind="annotation",
        roi_kind="Rectangle",
        path_class=to_review_class(),
        name=_name(proposal.rank),
        locked=True,
        metadata=metadata,
    )


@no_collection()
def write_proposals(
    project: Project, image: Image, expected: str, proposals: Sequence[Proposal], tasks: Sequence[str], run_id: str
) -> list[PathObject]:
    """Puts the proposals of one image in the place of its earlier ones; returns the image's other objects.

    expected: the image's fingerprint when its regions were looked at.  Raises ProjectChangedError when it was saved
    since, ProjectError when the disk refuses; the image is then as it was.
    """
    if image.fingerprint() != expected:
        raise ProjectChangedError(
            f"Image '{image.name}' was saved in QuPath while its regions were looked at; it was left as it is. Close "
            "the project in QuPath and run review again."
        )
    objects = image.read_objects()
    ours, _ = split_earlier(objects)
    gone = {obj.uuid for obj in ours}
    if ours or proposals:
        ledger, _, _ = load_ledger(work_folder(project), image, objects)

        def change(edit: Edit) -> None:
            for obj in ours:
                edit.remove(obj.uuid)
            edit.add([annotation_of(proposal, tasks) for proposal in proposals])

        commit_image(project, image, run_id, expected, ledger, change)
    return [obj for obj in objects if obj.uuid not in gone]


def _name(rank: int) -> str:
    return f"{TO_REVIEW_CLASS} {rank}"


def _as_written(obj: PathObject) -> tuple[int, Bounds] | None:
    """Rank and bounds that the metadata name, None where there are none."""
    rank, _, bounds = obj.metadata.get(WRITTEN_KEY, "").partition(" ")
    try:
        left, top, right, bottom = (int(value) for value in bounds.split(","))
        return int(rank), (left, top, right, bottom)
    except ValueError:
        return None
