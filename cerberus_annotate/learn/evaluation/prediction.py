"""What a model says of a labelled image, at the label's own resolution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.drawing import drawn
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.class_names import class_name
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.predict import predict_image
from cerberus_annotate.predict.pixels import MASK_OUTPUT, PATCH_OUTPUTS, predict_mask, predict_patch

TYPE_OUTPUT = "Nuclei-TYPE"


@dataclass(frozen=True)
class Prediction:
    """What was found in an image (H, W); None where it was not asked for, or the model has no head for it.

    nuclei, glands, lumina: int32 (H, W) instance maps.  nucleus_types: (n + 1,), the index in `nucleus_classes` of each
    id of `nuclei`, 0 for none; None without a type head.  mask: uint8 (H, W), indices of `mask_classes`.  patch: (C,)
    probabilities of `patch_classes`. Index 0 of `nucleus_classes` and of `mask_classes` is no class, or background.
    """

    nuclei: NDArray[np.int32] | None = None
    nucleus_types: NDArray[np.int64] | None = None
    nucleus_classes: tuple[str, ...] = ()
    glands: NDArray[np.int32] | None = None
    lumina: NDArray[np.int32] | None = None
    mask: NDArray[np.uint8] | None = None
    mask_classes: tuple[str, ...] = ()
    patch: NDArray[np.floating] | None = None
    patch_classes: tuple[str, ...] = ()


def labelled_tasks(image: LabelledImage) -> tuple[str, ...]:
    """Of `nuclei`, `gland`, `lumen`, `semantic`, `patch` those that the image has a label for."""
    labelled = {
        "nuclei": image.nuclei is not None or image.nucleus_points is not None,
        "gland": image.glands is not None,
        "lumen": image.lumina is not None,
        "semantic": image.mask is not None,
        "patch": image.patch_class is not None,
    }
    return tuple(task for task, there in labelled.items() if there)


def scorable_tasks(image: LabelledImage, model: Model) -> tuple[str, ...]:
    """The labelled tasks of an image that the model has a head for."""
    heads = {*model.tasks}
    if MASK_OUTPUT in model.classes:
        heads.add("semantic")
    if any(name in model.classes for name in PATCH_OUTPUTS):
        heads.add("patch")
    return tuple(task for task in labelled_tasks(image) if task in heads)


def predict_labelled(image: LabelledImage, model: Model, precision: str = "auto") -> Prediction:
    """What a model finds of the tasks that an image has labels for, as a user gets it: through polygons.

    An image without a pixel size is taken to have that of the network's input.
    """
    tasks = scorable_tasks(image, model)
    mpp = image.mpp or model.input_mpp
    asked = [task for task in tasks if task in model.tasks]
    if "lumen" in asked and "gland" in model.tasks and "gland" not in asked:
        # lumina are kept inside glands only
        asked.append("gland")
    objects = predict_image(image.rgb, mpp, model, tasks=asked, precision=precision) if asked else []
    shape = image.rgb.shape[:2]
    maps = {task: drawn([each for each in objects if each.task == task], shape) for task in tasks if task in asked}
    classes = model.classes.get(TYPE_OUTPUT, ()) if "nuclei" in maps else ()
    nuclei = [each for each in objects if each.task == "nuclei"]
    mask, mask_classes = predict_mask(image.rgb, image.mpp, model) if "semantic" in tasks else (None, ())
    patch, patch_classes = predict_patch(image.rgb, image.mpp, model) if "patch" in tasks else (None, ())
    return Prediction(
        nuclei=maps.get("nuclei"),
        nucleus_types=type_indices(nuclei, classes) if classes else None,
        nucleus_classes=classes,
        glands=maps.get("gland"),
        lumina=maps.get("lumen"),
        mask=mask,
        mask_classes=mask_classes,
        patch=patch,
        patch_classes=patch_classes,
    )


def type_indices(nuclei: list[PredictedObject], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """The index of each nucleus' class text among a TYPE head's classes, (n + 1,); entry 0 is the background's."""
    # from the last on, so that a text of several classes is the first one's
    index_of = {class_name("nuclei", index, classes): index for index in reversed(range(len(classes)))}
    return np.array([0, *(index_of.get(each.path_class, 0) for each in nuclei)], np.int64)
