"""Folders with a manifest.csv: the shared sets, and ones that users write."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.label_names import GLAND_LABELS, NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import UNLABELLED, DataSet, LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.data.manifest import read_manifest
from cerberus_annotate.learn.data.splits import ebhi_seg_split


def names_in(labels: np.ndarray | None, names: tuple[str, ...]) -> set[str]:
    assert labels is not None
    return {names[index] for index in np.unique(labels)}


def of_shared(shared: Path, name: str) -> tuple[DataSet, LabelledImage]:
    data = read_data_set(shared / "data" / name)
    return data, data.entries[0].read()


def test_consep_types_are_in_four_groups(shared: Path) -> None:
    data, image = of_shared(shared, "consep")
    assert Counter(entry.split for entry in data.entries) == {"train": 27, "test": 9}
    assert image.mpp == 0.25
    assert names_in(image.nucleus_types, NUCLEUS_LABELS) == {
        "unlabelled",
        "epithelial",
        "inflammatory",
        "connective",
        "other",
    }
    assert image.nuclei is not None
    assert image.nuclei.max() == 850


def test_every_gland_of_a_glas_image_has_the_image_s_grade(shared: Path) -> None:
    data, _ = of_shared(shared, "glas")
    malignant = next(entry.read() for entry in data.entries if entry.name == "testA_3")
    assert names_in(malignant.gland_types, GLAND_LABELS) == {"unlabelled", "malignant"}
    assert malignant.patient == "4"


def test_points_are_typed_and_within_the_image(shared: Path) -> None:
    data, image = of_shared(shared, "crchistophenotypes")
    assert image.nuclei is None
    points = np.concatenate([one.nucleus_points for one in data.images() if one.nucleus_points is not None])
    assert points[:, :2].min() >= 0
    assert points[:, :2].max() < 500
    counts = Counter(NUCLEUS_LABELS[int(index)] for index in points[:, 2])
    typed = {"epithelial": 6634, "inflammatory": 5722, "connective": 5084, "other": 1898}
    assert {name: counts[name] for name in typed} == typed


def test_nuclei_that_are_no_tumour_s_have_no_type(shared: Path) -> None:
    _, image = of_shared(shared, "nucls-sample")
    assert names_in(image.nucleus_types, NUCLEUS_LABELS) == {"unlabelled", "epithelial"}
    assert image.nucleus_points is not None


def test_slides_of_a_manifest_are_read(shared: Path) -> None:
    data, image = of_shared(shared, "monusac-sample")
    assert image.rgb.shape == (1153, 1307, 3)
    assert names_in(image.nucleus_types, NUCLEUS_LABELS) == {"unlabelled", "epithelial", "macrophage"}
    assert {entry.split for entry in data.entries} == {""}


def test_what_rings_does_not_mark_is_not_background(shared: Path) -> None:
    data, _ = of_shared(shared, "rings-prostate-sample")
    values = set().union(*(np.unique(image.mask).tolist() for image in data.images() if image.mask is not None))
    assert values == {1, 2, UNLABELLED}


def test_ebhi_seg_is_split_by_patient_evenly_over_its_classes(shared: Path) -> None:
    data, image = of_shared(shared, "ebhi-seg")
    assert (image.mpp, image.mask_classes) == (None, ("background", "foreground"))
    assert len({(entry.patient, entry.split) for entry in data.entries}) == len({e.patient for e in data.entries})
    for patch_class in data.patch_classes:
        of_class = Counter(entry.split for entry in data.entries if entry.patch_class == patch_class)
        assert 0.19 <= of_class["test"] / of_class.total() <= 0.29
        assert 0.05 <= of_class["val"] / of_class.total() <= 0.15
    patients = {entry.patient: entry.split for entry in data.entries}
    assert 0.2 <= Counter(patients.values())["test"] / len(patients) <= 0.3


def test_the_split_of_a_patient_never_changes() -> None:
    # models were trained with it; another answer would test them on patients that they know
    known = {"P1815550": "train", "P2000000": "train", "P1815555": "val", "P2001803": "val", "P2001814": "test"}
    assert {patient: ebhi_seg_split(patient) for patient in known} == known


def own_set(folder: Path, header: str, *rows: str, label: np.ndarray | None = None) -> Path:
    """A folder with one picture, one label, and a manifest of the given lines."""
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 6), (200, 120, 170)).save(folder / "a.png")
    Image.fromarray(np.eye(6, 8, dtype=np.uint8) if label is None else label).save(folder / "a_label.png")
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return folder


@pytest.mark.parametrize(
    ("task", "field"), [("nuclei", "nuclei"), ("gland", "glands"), ("lumen", "lumina"), ("mask", "mask")]
)
def test_a_set_of_one_s_own_says_its_task(tmp_path: Path, task: str, field: str) -> None:
    folder = own_set(tmp_path, "image,label,task,mpp,split", f"a.png,a_label.png,{task},0.5,train")
    (image,) = read_manifest(folder).images(["train"])
    assert image.mpp == 0.5
    np.testing.assert_array_equal(getattr(image, field), np.eye(6, 8))


def test_a_set_of_one_s_own_has_a_column_for_each_label(tmp_path: Path) -> None:
    header = "image,nuclei,nucleus_types,glands,mask,mask_classes,patch_class,licence"
    folder = own_set(
        tmp_path, header, "a.png,a_label.png,a_label.png,a_label.png,a_label.png,glass;tissue;fat,tumour,CC0"
    )
    data = read_manifest(folder)
    (image,) = data.images()
    assert (data.licence, data.patch_classes, image.patch_class) == ("CC0", ("tumour",), "tumour")
    assert image.mask_classes == ("glass", "tissue", "fat")
    for label in (image.nuclei, image.glands, image.nucleus_types, image.mask):
        np.testing.assert_array_equal(label, np.eye(6, 8))
    assert image.lumina is None


def test_a_set_that_does_not_say_its_task_is_told_which_columns_to_add(tmp_path: Path) -> None:
    folder = own_set(tmp_path, "image,label", "a.png,a_label.png")
    with pytest.raises(UsageError, match=r"line 2: .*columns image, label and task \(nuclei, gland, lumen or mask\)"):
        read_manifest(folder)


def test_the_data_set_comes_from_the_column_never_from_the_folder(tmp_path: Path) -> None:
    folder = own_set(tmp_path / "consep", "image,label,dataset,grade_glas", "a.png,a_label.png,glas,benign")
    (image,) = read_manifest(folder).images()
    assert image.nuclei is None
    assert names_in(image.gland_types, GLAND_LABELS) == {"unlabelled", "benign"}


def test_a_spreadsheet_s_manifest_is_read_as_well(tmp_path: Path) -> None:
    folder = own_set(tmp_path, "image;label;task;mpp", "a.png;a_label.png;nuclei;0.5")
    text = (folder / "manifest.csv").read_text("utf-8")
    (folder / "manifest.csv").write_text(text.replace("\n", "\r\n"), "utf-8-sig", newline="")
    (image,) = read_manifest(folder).images()
    assert image.mpp == 0.5


def test_unlabelled_pixels_of_a_mask_with_more_classes_stay_so(tmp_path: Path) -> None:
    label = np.full((6, 8), UNLABELLED, np.uint8)
    label[0] = 2
    folder = own_set(tmp_path, "image,label,task,mask_classes", "a.png,a_label.png,mask,glass;tissue;fat", label=label)
    (image,) = read_manifest(folder).images()
    np.testing.assert_array_equal(image.mask, label)


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        ("image,label,task", "a.png,a_label.png,cells", "'cells' is none of nuclei, gland, lumen, mask"),
        ("image,label,task,mpp", "a.png,a_label.png,nuclei,20x", "'20x' is no pixel size"),
        ("image,label,task,mpp", "a.png,a_label.png,nuclei,nan", "'nan' is no pixel size"),
        ("image,label,task", "a.png,,nuclei", "the column label is empty"),
        ("image,label,task", ",a_label.png,nuclei", "has no image"),
        ("image,label,task", "b.png,a_label.png,nuclei", r"b\.png: no such image"),
        ("image,label,dataset,grade_glas", "a.png,a_label.png,glas,mild", "'mild' is none of"),
        ("image,label,dataset,klass", "a.png,a_label.png,rings-prostate-sample,x", "values 9, which name no class"),
        ("image,nuclei,nucleus_types", "a.png,a_label.png,a_label.png", r"holds the type 39; the types are 0 to 9"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_reason(tmp_path: Path, header: str, row: str, reason: str) -> None:
    label = np.eye(6, 8, dtype=np.uint8) * (39 if "nucleus_types" in header else 9)
    folder = own_set(tmp_path, header, row, label=label)
    with pytest.raises(UsageError, match=reason):
        list(read_manifest(folder).images())


def test_an_empty_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no rows"):
        read_manifest(own_set(tmp_path, "image,label,task"))


def test_a_damaged_points_file_is_named_with_its_line(tmp_path: Path) -> None:
    folder = own_set(tmp_path, "name,image,dataset", "a,a.png,crchistophenotypes")
    (folder / "points.csv").write_text("name,x,y,klass\na,3.5,2,others\na,left,2,others\n", "utf-8")
    with pytest.raises(UsageError, match=r"points\.csv, line 3"):
        read_manifest(folder)


def test_what_is_to_be_ignored_and_types_of_ones_own(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "a.png")
    ids, types = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.uint8)
    ids[1:3, 1:3], types[1:3, 1:3] = 1, len(GLAND_LABELS)
    ignore = np.zeros((4, 6), np.uint8)
    ignore[:, 4:] = 255
    for name, values in (("ids", ids), ("types", types), ("ignore", ignore)):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    names = ";".join((*GLAND_LABELS, "cribriform"))
    (tmp_path / "manifest.csv").write_text(
        "image,glands,gland_types,gland_labels,ignore\na.png,ids.png,types.png," + names + ",ignore.png\n"
    )
    image = read_manifest(tmp_path).entries[0].read()
    assert image.gland_labels[-1] == "cribriform"
    assert image.gland_types is not None
    assert image.gland_types.max() == len(GLAND_LABELS)
    assert image.ignore is not None
    assert image.ignore.dtype == bool
    assert image.ignore.sum() == 8
    (tmp_path / "manifest.csv").write_text("image,glands,gland_types\na.png,ids.png,types.png\n")
    with pytest.raises(UsageError, match="holds the type 5; the types are 0 to 4"):
        read_manifest(tmp_path).entries[0].read()
