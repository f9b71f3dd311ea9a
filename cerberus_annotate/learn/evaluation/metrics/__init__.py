"""Every measure that a model is judged by, with what it is when an image is empty or a class absent.

Instance maps are int (H, W), 0 is background. Measures that are pooled over images take added statistics, over any
leading axes, so that an interval is had by adding other draws of images (`bootstrap`).
"""

from cerberus_annotate.learn.evaluation.metrics.averages import mean, mean_of_present
from cerberus_annotate.learn.evaluation.metrics.classification import (
    accuracy,
    calibration_error,
    calibration_sums,
    class_f1,
    class_precision,
    class_recall,
    confusion,
    macro_f1,
)
from cerberus_annotate.learn.evaluation.metrics.glands import (
    hausdorff_distances,
    object_dice,
    object_dice_sums,
    object_f1,
    object_hausdorff,
    object_hausdorff_sums,
    object_hits,
)
from cerberus_annotate.learn.evaluation.metrics.instances import (
    aggregated_jaccard,
    aggregated_jaccard_plus,
    class_panoptic_quality,
    class_panoptic_sums,
    mean_panoptic_quality,
    panoptic_quality,
    panoptic_sums,
)
from cerberus_annotate.learn.evaluation.metrics.nucleus_types import (
    TypeCounts,
    counted_types,
    type_counts,
    type_detection_f1,
    type_f1,
    type_f_detection,
    type_macro_f1,
    type_precision,
    type_recall,
)
from cerberus_annotate.learn.evaluation.metrics.overlap import InstanceMap, Overlap, matched, overlap
from cerberus_annotate.learn.evaluation.metrics.pixels import (
    PixelCounts,
    boundary_f1,
    dice,
    jaccard,
    pixel_counts,
    precision,
    recall,
)
from cerberus_annotate.learn.evaluation.metrics.resampling import (
    RESAMPLES,
    SEED,
    Estimate,
    Measure,
    bootstrap,
    class_of,
    mean_estimates,
)

__all__ = [
    "RESAMPLES",
    "SEED",
    "Estimate",
    "InstanceMap",
    "Measure",
    "Overlap",
    "PixelCounts",
    "TypeCounts",
    "accuracy",
    "aggregated_jaccard",
    "aggregated_jaccard_plus",
    "bootstrap",
    "boundary_f1",
    "calibration_error",
    "calibration_sums",
    "class_f1",
    "class_of",
    "class_panoptic_quality",
    "class_panoptic_sums",
    "class_precision",
    "class_recall",
    "confusion",
    "counted_types",
    "dice",
    "hausdorff_distances",
    "jaccard",
    "macro_f1",
    "matched",
    "mean",
    "mean_estimates",
    "mean_of_present",
    "mean_panoptic_quality",
    "object_dice",
    "object_dice_sums",
    "object_f1",
    "object_hausdorff",
    "object_hausdorff_sums",
    "object_hits",
    "overlap",
    "panoptic_quality",
    "panoptic_sums",
    "pixel_counts",
    "precision",
    "recall",
    "type_counts",
    "type_detection_f1",
    "type_f1",
    "type_f_detection",
    "type_macro_f1",
    "type_precision",
    "type_recall",
]
