"""A fixed split by patient for EBHI-Seg, which was published without one."""

import hashlib

TEST_SHARE = 0.25
VALIDATION_SHARE = 0.10

SALT = 3539
"""Of 6,000 numbers tried one whose parts are even in all six classes (test 20-28 % of the images of each, val 6-13 %).
Chosen by counting images a class, before anything was trained."""


def ebhi_seg_split(patient: str) -> str:
    """`train`, `val` or `test` (about 65, 10 and 25 % of patients) from a patient's id alone, such as `P2014129`.

    The same patient has the same split whatever part of the data set is at hand, so that a model trained on a part is
    never tested on patients that it knows.
    """
    digest = hashlib.sha256(f"ebhi-seg {SALT} {patient}".encode()).hexdigest()
    share = int(digest[:8], 16) / 2**32
    if share < TEST_SHARE:
        return "test"
    return "val" if share < TEST_SHARE + VALIDATION_SHARE else "train"
