"""Runs that QuPath saved over: noticed, and told apart from objects that the pathologist deleted.

QuPath keeps an open image in memory. When we write meanwhile, its next save puts back the state that it knows, and
what our run wrote is gone though nobody deleted it. So each of our commits leaves its number among the properties of
the image's data, which QuPath keeps and writes back: a file with an older number, or with none, is from before the
later commits. For commits that left no number, an older state is certain only when objects that they took out are
there again and all that they wrote are missing.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from cerberus_annotate.feedback.ledger import Commit, Entry, Ledger

MARK_KEY = "cerberus.commit"


def mark_of(commit: Commit) -> str:
    """What the data file says of the ledger's last commit."""
    return f"{commit.run} {commit.number}"


def marked(ledger: Ledger) -> Ledger:
    """The ledger whose last commit is known to stand in the data file."""
    return replace(ledger, commits=(*ledger.commits[:-1], replace(ledger.commits[-1], marked=True)))


def without_lost_commits(ledger: Ledger, ids_in_project: Collection[str], mark: str) -> Ledger:
    """The ledger as of the state that the data file shows; what came later is among its `lost` entries.

    ids_in_project: our ids of all objects in the file. mark: its property `MARK_KEY`, "" without one.
    """
    lost = _lost_commits(ledger, ids_in_project, mark)
    if not lost:
        return ledger
    entries = tuple(
        replace(entry, ended=0) if entry.ended in lost else entry
        for entry in ledger.entries
        if entry.commit not in lost
    )
    gone = tuple(entry for entry in ledger.entries if entry.commit in lost or entry.ended in lost)
    return replace(ledger, entries=entries, lost=(*ledger.lost, *gone))


def runs_lost(ledger: Ledger) -> dict[str, int]:
    """Runs whose objects QuPath saved over and that can be written again → how many objects, oldest first."""
    return dict(Counter(ledger.run_of(entry) for entry in ledger.lost if not entry.ended))


def runs_gone(ledger: Ledger, ids_in_project: Collection[str], mark: str) -> dict[str, int]:
    """Runs of which no object is left and of which nobody can tell whether QuPath saved over them → how many objects.

    These are runs whose commits left no number in the data file. They count as deleted.
    """
    known = _known_commit(ledger, mark) or 0
    unsure = [
        entry
        for entry in ledger.entries
        if not entry.ended and entry.commit > known and not ledger.commits[entry.commit - 1].marked
    ]
    present = {ledger.run_of(entry) for entry in ledger.entries if str(entry.uuid) in ids_in_project}
    return dict(Counter(run for run in map(ledger.run_of, unsure) if run not in present))


def was_taken_out(ledger: Ledger, entry: Entry, run: str) -> bool:
    """Whether a lost `entry` had been taken out of the image when `run` was done with it."""
    last = max((commit.number for commit in ledger.commits if commit.run == run), default=0)
    return 0 < entry.ended <= last


def _lost_commits(ledger: Ledger, ids_in_project: Collection[str], mark: str) -> set[int]:
    """Numbers of the commits that the data file does not know."""
    known = _known_commit(ledger, mark)
    present = [entry for entry in ledger.entries if str(entry.uuid) in ids_in_project]
    if known is not None:
        lost = {commit.number for commit in ledger.commits if commit.marked and commit.number > known}
        if lost and not any(entry.commit in lost for entry in present):
            return lost
    back = [entry.ended for entry in present if entry.ended > (known or 0)]
    if not back or any(entry.commit >= min(back) for entry in present):
        return set()
    return set(range(min(back), len(ledger.commits) + 1))


def _known_commit(ledger: Ledger, mark: str) -> int | None:
    """Number of the last commit that the file knows, 0 for none; None for the mark of another ledger."""
    if not mark:
        return 0
    run, _, number = mark.partition(" ")
    known = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
    ours = 0 < known <= len(ledger.commits) and ledger.commits[known - 1].run == run
    return known if ours else None
