"""A data set with something wrong is told so, image by image; one in order is not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.measure import label as connected_components

from cerberus_annotate.learn.data.check import Report, check, far_apart_ids
from cerberus_annotate.learn.data.layouts import read_data_set

SIDE = 64
RANDOM = np.random.default_rng(3)


def tissue() -> np.ndarray:
    coarse = RANDOM.integers(60, 255, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def objects() -> np.ndarray:
    label = np.zeros((SIDE, SIDE), np.uint8)
    label[4:12, 4:12] = 1
    label[40:50, 40:50] = 2
    return label


class Folder:
    """A data set of one's own that grows row by row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = ["name,image,label,task,split,patient,mpp"]

    def add(
        self,
        name: str,
        split: str = "train",
        patient: str = "",
        mpp: str = "0.5",
        picture: np.ndarray | None = None,
        label: np.ndarray | None = None,
    ) -> None:
        number = len(self.rows)
        Image.fromarray(tissue() if picture is None else picture).save(self.path / f"{number}.png")
        Image.fromarray(objects() if label is None else label).save(self.path / f"{number}_label.png")
        self.rows.append(f"{name},{number}.png,{number}_label.png,nuclei,{split},{patient},{mpp}")

    def report(self) -> Report:
        (self.path / "manifest.csv").write_text("\n".join(self.rows), "utf-8")
        return check(read_data_set(self.path))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.add("a", patient="p1")
    folder.add("b", patient="p2")
    return folder


def test_a_set_in_order_has_its_figures_and_no_problem(folder: Folder) -> None:
    folder.add("c", "test", "p3", "0.25")
    report = folder.report()
    assert (report.problems, report.notes) == ((), ())
    assert (report.images, report.splits) == (3, {"train": 2, "test": 1})
    assert (report.mpp, report.labels, report.objects) == ({"0.5": 2, "0.25": 1}, {"nuclei": 3}, {"nuclei": 6})


def test_a_label_of_another_size_is_a_problem_and_the_rest_is_still_read(folder: Folder) -> None:
    folder.add("small", label=objects()[:20])
    report = folder.report()
    (problem,) = report.problems
    assert "small" in problem
    assert "64 x 20 px" in problem
    assert report.labels == {"nuclei": 2}


def test_a_missing_label_is_a_problem(folder: Folder) -> None:
    (folder.path / "1_label.png").unlink()
    (problem,) = folder.report().problems
    assert problem.startswith("a: ")
    assert "no such label" in problem


def test_a_file_without_its_partner_is_a_problem(tmp_path: Path) -> None:
    for name in ("train_1", "train_1_anno", "train_2"):
        Image.fromarray(tissue() if "anno" not in name else objects()).save(tmp_path / f"{name}.bmp")
    (problem,) = check(read_data_set(tmp_path)).problems
    assert problem.endswith("train_2.bmp has no label.")


def test_a_name_that_occurs_twice_is_a_problem(folder: Folder) -> None:
    folder.add("a")
    assert folder.report().problems == ("Names of images occur more than once: a.",)


def test_the_same_image_in_two_splits_is_a_problem_and_in_one_a_note(folder: Folder) -> None:
    one, other = tissue(), tissue()
    folder.add("c", "train", picture=one)
    folder.add("d", "test", picture=one)
    folder.add("e", "test", picture=other)
    folder.add("f", "test", picture=other)
    report = folder.report()
    assert report.problems == ("c (train) and d (test) are the same image in two splits.",)
    assert report.notes == ("e and f in split test look like the same image.",)


def test_one_id_for_objects_far_apart_is_a_problem(folder: Folder) -> None:
    folder.add("merged", label=np.minimum(objects(), 1))
    (problem,) = folder.report().problems
    assert problem.startswith("merged: in the nuclei the ids 1 stand for objects far apart")


def test_what_may_be_so_is_a_note(folder: Folder) -> None:
    folder.add("c", "test", "p1", mpp="", label=np.zeros((SIDE, SIDE), np.uint8))
    report = folder.report()
    assert report.problems == ()
    assert report.notes == (
        "Images whose pixel size (µm/px) is not known (1): c.",
        "Images whose nuclei label is empty (1): c.",
        "Patients have images in more than one split (1): p1.",
    )


def test_long_lists_are_cut_and_counted(folder: Folder) -> None:
    for number in range(8):
        folder.add(f"e{number}", mpp="")
    assert folder.report().notes[0].endswith("(8): e0, e1, e2, e3, e4 and 3 more.")


@pytest.mark.parametrize(
    "name", ["consep", "crc-val-he-7k-sample", "crchistophenotypes", "dsb2018-brightfield", "monusac-sample", "monuseg"]
)
def test_the_shared_sets_are_in_order(shared: Path, name: str) -> None:
    assert check(read_data_set(shared / "data" / name)).problems == ()


@given(st.integers(0, 60), st.integers(0, 60), st.integers(2, 20))
def test_numbering_each_piece_anew_leaves_no_far_apart_id(top: int, left: int, side: int) -> None:
    label = np.zeros((100, 100), np.int32)
    label[5:15, 5:15] = 7
    label[top + 10 : top + 10 + side, left : left + side] = 7
    assert far_apart_ids(connected_components(label, connectivity=2).astype(np.int32)) == []
    pieces = connected_components(label, connectivity=2).max()
    assert far_apart_ids(label) in ([], [7] if pieces == 2 else [])
