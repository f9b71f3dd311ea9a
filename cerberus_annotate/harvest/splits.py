"""On which side of a split the patches of a slide or patient belong, whatever else is harvested."""

import hashlib
import re
from collections.abc import Collection, Mapping

from cerberus_annotate.errors import UsageError

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1

PATIENT_KEYS = ("patient", "patient id", "case", "case id")
"""Keys of an image's metadata that name its patient, whatever their case; `_` and `-` stand for a space."""


def patient_of(name: str, metadata: Mapping[str, str], pattern: str | None) -> str | None:
    """The patient of an image: by its metadata, else by `pattern` in its name (the first group, else the match)."""
    plain = {re.sub(r"[_\-\s]+", " ", key).strip().lower(): value.strip() for key, value in metadata.items()}
    named = next((plain[key] for key in PATIENT_KEYS if plain.get(key)), None)
    if named is not None or pattern is None:
        return named
    found = re.search(pattern, name)
    if found is None:
        return None
    return found.group(1) if found.groups() else found.group()


def check_pattern(pattern: str | None) -> None:
    """Raises UsageError where a pattern is no regular expression."""
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise UsageError(f"--patient-pattern '{pattern}' is no regular expression: {error}.") from error


def split_of(group: str) -> str:
    """`train`, `val` or `test` (about 70, 10 and 20 %) from a slide's or patient's name alone."""
    digest = hashlib.sha256(f"harvest {group}".encode()).hexdigest()
    share = int(digest[:8], 16) / 2**32
    if share < TEST_SHARE:
        return "test"
    return "val" if share < TEST_SHARE + VALIDATION_SHARE else "train"


def assign_splits(known: Mapping[str, str], groups: Collection[str]) -> dict[str, str]:
    """The split of every group; those in `known` keep theirs.

    New ones get that of `split_of`, except that where none would be for training the first by name is.
    """
    splits = dict(known)
    for group in sorted(set(groups) - splits.keys()):
        splits[group] = split_of(group)
    if splits and "train" not in splits.values():
        new = sorted(splits.keys() - known.keys())
        if new:
            splits[new[0]] = "train"
    return splits
