"""Which corrections of a project are shown: the most telling ones, over several slides."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

from cerberus_annotate.report.gathering.corrections import EACH, Correction, Pair

OF_SLIDE, OF_PAIR = 2, 2
"""How many of a verdict from one slide, and of a pair of classes before the next one, where others are left to show."""


def kept(found: Sequence[Correction]) -> list[Correction]:
    """Those that may still be `chosen`, whatever comes after; their number does not grow with the slides."""
    of_kind: dict[Hashable, list[Correction]] = defaultdict(list)
    for one in _most_telling(found):
        of_kind[one.verdict, one.pair if one.verdict == "reclassified" else None].append(one)
    return [one for some in of_kind.values() for one in _over_slides(some)]


def chosen(found: Sequence[Correction], pairs: Mapping[Pair, int]) -> list[Correction]:
    """The most telling `EACH` of every verdict; of reclassified ones `OF_PAIR` in turn of each pair of classes, the
    commonest first.

    pairs: how many were reclassified so, over the whole project.
    """
    of_verdict: dict[str, list[Correction]] = defaultdict(list)
    for one in _most_telling(found):
        of_verdict[one.verdict].append(one)
    of_verdict["reclassified"] = _by_pair(of_verdict["reclassified"], pairs)
    return [one for some in of_verdict.values() for one in _over_slides(some)]


def _most_telling(found: Iterable[Correction]) -> list[Correction]:
    return sorted(found, key=lambda one: -one.telling)


def _by_pair(found: Sequence[Correction], pairs: Mapping[Pair, int]) -> list[Correction]:
    seen: Counter[Pair] = Counter()
    turns = []
    for one in found:
        turns.append((seen[one.pair] // OF_PAIR, -pairs[one.pair]))
        seen[one.pair] += 1
    return [found[at] for at in sorted(range(len(found)), key=turns.__getitem__)]


def _over_slides(ordered: Sequence[Correction]) -> list[Correction]:
    """The first `EACH`, of one image only `OF_SLIDE` unless there are too few others; in the given order."""
    of_image: Counter[str] = Counter()
    first: list[int] = []
    rest: list[int] = []
    for at, one in enumerate(ordered):
        (first if of_image[one.image] < OF_SLIDE else rest).append(at)
        of_image[one.image] += 1
    return [ordered[at] for at in sorted([*first, *rest][:EACH])]
