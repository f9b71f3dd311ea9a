"""The images that a plan names, as the trainer draws them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import LABELS, DataSet, Entry, LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.learn.training.weak_lumina import weak_lumina

KEPT_IN_MEMORY = 5000
"""Images of a data set up to which all are kept; of larger ones each is read when it is drawn."""


class LazyImages(Sequence[LabelledImage]):
    """Images that are read from disk each time they are asked for, and then go through `prepare`."""

    def __init__(
        self, entries: Sequence[Entry], prepare: Callable[[LabelledImage], LabelledImage] = lambda image: image
    ) -> None:
        self.entries, self._prepare = entries, prepare

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> LabelledImage:  # type: ignore[override]
        return self._prepare(self.entries[index].read())


def read_images(plan: Plan, root: Path) -> list[Sequence[LabelledImage]]:
    """The training images of each data set of the plan, whose paths are relative to `root`.

    Raises UsageError for a data set that is not there, or has no image in the splits that the plan names.
    """
    return [_images_of(read_data_set(root / data.path), plan, data) for data in plan.data]


def prepared(image: LabelledImage, plan: Plan, data: DataPlan) -> LabelledImage:
    """The image without the labels that the plan ignores, and with weak lumina where the plan wants them."""
    if data.mpp is not None:
        image = replace(image, mpp=data.mpp)
    if plan.weak_lumina and image.glands is not None and image.lumina is None and image.mpp is not None:
        image = replace(image, lumina=weak_lumina(image.rgb, image.glands, image.mpp))
    return replace(image, **dict.fromkeys(data.ignore, None))  # type: ignore[arg-type]


def fingerprint(images: Sequence[Sequence[LabelledImage]]) -> str:
    """SHA-256 of what is trained on: names and splits, and pixels and labels of what is kept in memory."""
    digest = hashlib.sha256()
    for some in images:
        if isinstance(some, LazyImages):
            for entry in some.entries:
                digest.update(f"{entry.name}\0{entry.split}\0".encode())
            continue
        for image in some:
            digest.update(f"{image.dataset}\0{image.name}\0{image.split}\0{image.mpp}\0{image.patch_class}\0".encode())
            for array in (image.rgb, image.ignore, *(getattr(image, name) for name in LABELS)):
                if isinstance(array, np.ndarray):
                    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _images_of(data_set: DataSet, plan: Plan, data: DataPlan) -> Sequence[LabelledImage]:
    chosen = [entry for entry in data_set.entries if not data.splits or entry.split in data.splits]
    if not chosen:
        splits = sorted({entry.split or "(none)" for entry in data_set.entries})
        raise UsageError(
            f"{data.path} has no image in the splits {', '.join(data.splits)}; it has the splits {', '.join(splits)}."
        )
    if len(chosen) > KEPT_IN_MEMORY:
        return LazyImages(chosen, partial(prepared, plan=plan, data=data))
    return [prepared(entry.read(), plan, data) for entry in chosen]
