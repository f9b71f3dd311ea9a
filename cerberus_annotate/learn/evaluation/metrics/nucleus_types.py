"""How well the types of nuclei are told apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.evaluation.metrics.averages import mean_of_present
from cerberus_annotate.learn.evaluation.metrics.overlap import Overlap, matched


@dataclass(frozen=True)
class TypeCounts:
    """Nuclei by type, of an image or added over images; leading axes are any.

    confusion: (..., C, C + 1), pairs of a true nucleus of class i + 1 and a found one of class j, 0 for none.
    missed: (..., C), true nuclei without a pair.  spurious: (..., C), found ones without a pair.
    """

    confusion: NDArray[np.float64]
    missed: NDArray[np.float64]
    spurious: NDArray[np.float64]

    @property
    def hits(self) -> NDArray[np.float64]:
        """Pairs of one type, (..., C)."""
        return np.diagonal(self.confusion[..., 1:], axis1=-2, axis2=-1)

    @property
    def true(self) -> NDArray[np.float64]:
        """True nuclei of each class in pairs, (..., C)."""
        return self.confusion.sum(-1)

    @property
    def found(self) -> NDArray[np.float64]:
        """Found nuclei of each class in pairs, (..., C)."""
        return self.confusion[..., 1:].sum(-2)


def type_counts(
    pairs: Overlap, true_types: NDArray[np.integer], found_types: NDArray[np.integer], classes: int
) -> TypeCounts:
    """Counts the types, 1 to `classes`, 0 for none, of nuclei (T,) and (F,) that match with an IoU above 0.5.

    True nuclei without a type, and the found ones that match them, are left out.
    """
    rows, columns = matched(pairs)
    typed = true_types[rows] > 0
    unmatched_true = np.delete(true_types, rows)
    unmatched_found = np.delete(found_types, columns)
    return counted_types(true_types[rows][typed], found_types[columns][typed], unmatched_true, unmatched_found, classes)


def counted_types(
    true_types: NDArray[np.integer],
    found_types: NDArray[np.integer],
    missed: NDArray[np.integer],
    spurious: NDArray[np.integer],
    classes: int,
) -> TypeCounts:
    """The counts of pairs (n,) and (n,), of true types that are in no pair and of found ones that are in none."""
    confusion = np.zeros((classes, classes + 1))
    np.add.at(confusion, (true_types.astype(np.intp) - 1, found_types.astype(np.intp)), 1)
    return TypeCounts(
        confusion,
        np.bincount(missed, minlength=classes + 1)[1:].astype(np.float64),
        np.bincount(spurious, minlength=classes + 1)[1:].astype(np.float64),
    )


def type_f1(counts: TypeCounts) -> NDArray[np.float64]:
    """F1 of each class among matched nuclei only, (..., C); NaN for a class without a true nucleus, matched or not.

    How many nuclei are found at all has no part in it.
    """
    score = 2 * counts.hits / np.maximum(counts.true + counts.found, 1)
    return np.where(counts.true + counts.missed > 0, score, np.nan)


def type_precision(counts: TypeCounts) -> NDArray[np.float64]:
    """Of the matched nuclei found as each class, the share that is of it, (..., C); NaN as `type_f1`."""
    return np.where(counts.true + counts.missed > 0, counts.hits / np.maximum(counts.found, 1), np.nan)


def type_recall(counts: TypeCounts) -> NDArray[np.float64]:
    """Of the matched nuclei of each class, the share that was found as it, (..., C); NaN as `type_f1`."""
    return np.where(counts.true + counts.missed > 0, counts.hits / np.maximum(counts.true, 1), np.nan)


def type_macro_f1(counts: TypeCounts) -> NDArray[np.float64]:
    """Mean of `type_f1` over the classes that have a true nucleus, (...); NaN where none has."""
    return mean_of_present(type_f1(counts))


def type_detection_f1(counts: TypeCounts) -> NDArray[np.float64]:
    """F of each class as a detection, (..., C): nuclei missed, and found where none is, count as errors besides.

    F_c of HoVer-Net (Graham et al., Medical Image Analysis 58, 2019, section 4.2) with its weights, a wrong type 2 and
    a missed or spurious nucleus of the class 1, as its published code has it (true negatives are none within a class);
    pairs are those with an IoU above 0.5 where that code pairs centroids. NaN for a class without a true nucleus.
    """
    wrong = counts.true + counts.found - 2 * counts.hits
    score = 2 * counts.hits / np.maximum(2 * counts.hits + 2 * wrong + counts.missed + counts.spurious, 1)
    return np.where(counts.true + counts.missed > 0, score, np.nan)


def type_f_detection(counts: TypeCounts) -> NDArray[np.float64]:
    """Mean of `type_detection_f1` over the classes that have a true nucleus, (...); NaN where none has."""
    return mean_of_present(type_detection_f1(counts))
