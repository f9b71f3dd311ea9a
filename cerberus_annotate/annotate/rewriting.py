"""What QuPath saved over is written again, from the ledger; no slide and no network is needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from cerberus_annotate.annotate.commit import commit_image, load_ledger, work_folder
from cerberus_annotate.annotate.written import objects_of_entries
from cerberus_annotate.errors import CerberusError, ProjectError
from cerberus_annotate.feedback.compare import compare
from cerberus_annotate.feedback.ledger import Entry, Ledger, commit_changes, ledger_path, pending_path
from cerberus_annotate.feedback.overwritten import MARK_KEY, runs_gone, was_taken_out
from cerberus_annotate.feedback.provenance import our_ids
from cerberus_annotate.feedback.rerun import decide_again
from cerberus_annotate.feedback.runs import Run, now, read_run
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath import Edit, Image, PathClass, PathObject, Project


@dataclass(frozen=True)
class Rewritten:
    """What happened to one image.

    written: objects that are there again. removed: what the run had replaced and QuPath had brought back.
    left_out: objects in whose place the pathologist or a later run has decided. reason: why the image was left as it
    is, "" otherwise. failed: whether something has to be done about that.
    """

    id: str
    name: str
    written: int = 0
    removed: int = 0
    left_out: int = 0
    reason: str = ""
    failed: bool = False


def rewrite_run(project: Project, run_id: str) -> list[Rewritten]:
    """Writes the objects of one run again into all images in which QuPath saved over them; images without are left out.

    That is: where the data file is older than the run, and where it cannot be known and none of its objects is left.
    Objects that were deleted after QuPath had read them stay deleted.  Raises ProjectError for an unknown run and
    for one that was taken out.
    """
    folder = work_folder(project)
    run = read_run(folder, run_id)
    if run.state == "removed":
        raise ProjectError(f"Run {run_id} was taken out with `runs remove`; there is nothing to write again.")
    done = []
    with project.lock():
        for image in project.images:
            path = ledger_path(folder, image.id)
            if not path.exists() and not pending_path(path).exists():
                continue
            try:
                rewritten = _rewrite_image(project, image, run)
            except (CerberusError, OSError) as error:
                rewritten = Rewritten(image.id, image.name, reason=str(error), failed=True)
            if rewritten is not None:
                done.append(rewritten)
    return done


@no_collection()
def _rewrite_image(project: Project, image: Image, run: Run) -> Rewritten | None:
    """None when nothing of the run is missing in the image."""
    expected = image.fingerprint()
    objects = image.read_objects()
    ledger, _, _ = load_ledger(work_folder(project), image, objects)
    ledger, lost, taken_out = _lost_to(ledger, run.id, objects, image.properties.get(MARK_KEY, ""))
    if not lost:
        return None
    compared = compare(ledger, objects)
    remove, entries = decide_again(compared, lost, taken_out)
    classes = _classes(project, run, {entry.path_class for entry in entries})
    added = objects_of_entries(entries, run.id, classes, {obj.uuid for obj in objects})
    ledger = commit_changes(
        ledger,
        run.id,
        "rewrite",
        now(),
        entries,
        {entry.uuid for entry, _ in remove},
        {entry.uuid for entry in compared.deleted},
        compared.present,
    )
    project.add_classes(classes.values())

    def change(edit: Edit) -> None:
        for _, obj in remove:
            edit.remove(obj.uuid)
        edit.add(added)

    commit_image(project, image, run.id, expected, ledger, change)
    return Rewritten(image.id, image.name, len(added), len(remove), len(lost) - len(added))


def _lost_to(
    ledger: Ledger, run_id: str, objects: Sequence[PathObject], mark: str
) -> tuple[Ledger, list[Entry], set[UUID]]:
    """The ledger without what the run lost, the lost entries, and ids of what the run had taken out before."""
    ids = our_ids(objects)
    if run_id in runs_gone(ledger, ids, mark):
        gone = [entry for entry in ledger.entries if not entry.ended and ledger.run_of(entry) == run_id]
        others = tuple(entry for entry in ledger.entries if entry.ended or ledger.run_of(entry) != run_id)
        return replace(ledger, entries=others), [replace(entry, deleted=False) for entry in gone], set()
    lost = [entry for entry in ledger.lost if not entry.ended and ledger.run_of(entry) == run_id]
    if not lost:
        return ledger, [], set()
    taken_out = {entry.uuid for entry in ledger.lost if was_taken_out(ledger, entry, run_id)}
    settled = {entry.uuid for entry in lost} | taken_out
    left = tuple(entry for entry in ledger.lost if entry.uuid not in settled)
    return replace(ledger, lost=left), lost, taken_out


def _classes(project: Project, run: Run, texts: set[str]) -> dict[str, PathClass]:
    """Class text → class with its colour: the project's, else the one that the run gave it."""
    from cerberus_annotate.objects.class_names import class_colour

    listed = {str(path_class): path_class for path_class in project.classes}
    labs = {
        lab["name"]: tuple(lab["colour"])
        for lab in run.parameters.get("classes", {}).values()
        if lab["colour"] is not None
    }
    return {
        text: listed.get(text) or PathClass.of(text, labs.get(text) or class_colour(text)) for text in sorted(texts)
    }
