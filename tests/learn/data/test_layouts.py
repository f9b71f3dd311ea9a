"""Every layout, from a few files made as users download them; MoNuSAC also from real slides."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.label_names import GLAND_LABELS, NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import DataSet, LabelledImage
from cerberus_annotate.learn.data.layouts import LAYOUTS, monusac, pannuke, read_data_set
from cerberus_annotate.learn.data.published import NCT_CRC_CLASSES

RANDOM = np.random.default_rng(5)
XML = """<Annotations MicronsPerPixel="0.25"><Annotation Name=""><Attributes>{attribute}</Attributes><Regions>
<Region Id="1"><Vertices><Vertex X="2" Y="3"/><Vertex X="8" Y="3"/><Vertex X="8" Y="9"/><Vertex X="2" Y="9"/></Vertices>
</Region></Regions></Annotation></Annotations>"""


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def picture(size: tuple[int, int] = (24, 30)) -> np.ndarray:
    return RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8)


def two_objects(size: tuple[int, int] = (24, 30)) -> np.ndarray:
    label = np.zeros(size, np.uint8)
    label[2:8, 2:8] = 1
    label[12:20, 10:20] = 2
    return label


def glas(folder: Path) -> None:
    for name in ("train_1", "train_2", "train_10", "testA_1", "testB_1"):
        write(folder / f"{name}.bmp", picture())
        write(folder / f"{name}_anno.bmp", two_objects())
    rows = ["name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)", "train_1,7, benign, healthy"]
    rows += ["train_10,8, malignant, poorly differentiated", "testA_1,7, malignant, moderately differentiated"]
    (folder / "Grade.csv").write_text("\n".join(rows), "utf-8")


def ebhi_seg(folder: Path) -> None:
    grey_edge = np.array([[0, 100, 140, 255]] * 4, np.uint8)
    for class_folder in ("Normal", "Low-grade IN"):
        write(folder / class_folder / "image" / "GTGT2012149-2-400-001.png", picture((4, 4)))
        write(folder / class_folder / "label" / "GTGT2012149-2-400-001.png", grey_edge)


def nct_crc(folder: Path) -> None:
    for patch_class in NCT_CRC_CLASSES:
        write(folder / "NCT-CRC-HE-100K" / patch_class / f"{patch_class}-AAAFLCLY.tif", picture())
        write(folder / "CRC-VAL-HE-7K" / patch_class / f"{patch_class}-TCGA-AAICEQFN.tif", picture())


def conic(folder: Path) -> None:
    folder.mkdir()
    np.save(folder / "images.npy", RANDOM.integers(0, 256, (3, 24, 30, 3), dtype=np.uint8))
    labels = np.zeros((3, 24, 30, 2), np.uint16)
    labels[..., 0] = two_objects()
    labels[..., 1] = np.array([0, 4, 6])[two_objects()]
    np.save(folder / "labels.npy", labels)
    (folder / "patch_info.csv").write_text("patch_info\nconsep_1-0000\nconsep_1-0001\ndpath_9-0000\n", "utf-8")


def write_pannuke(folder: Path) -> None:
    for fold in (1, 2):
        images, masks = folder / f"Fold {fold}/images/fold{fold}", folder / f"Fold {fold}/masks/fold{fold}"
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        np.save(images / "images.npy", RANDOM.integers(0, 256, (2, 24, 30, 3)).astype(np.float64))
        np.save(images / "types.npy", np.array(["Colon", "Breast"]))
        mask = np.zeros((2, 24, 30, 6))
        mask[..., 0] = np.where(two_objects() == 1, 7, 0)
        mask[..., 3] = np.where(two_objects() == 2, 7, 0)
        mask[..., 5] = two_objects() == 0
        np.save(masks / "masks.npy", mask)


def consep(folder: Path) -> None:
    for part, name in (("Train", "train_1"), ("Test", "test_1")):
        write(folder / part / "Images" / f"{name}.png", picture())
        (folder / part / "Labels").mkdir()
        label = two_objects()
        content = {"inst_map": label.astype(float), "type_map": np.array([0.0, 2.0, 7.0])[label]}
        savemat(folder / part / "Labels" / f"{name}.mat", content)


def lizard(folder: Path) -> None:
    write(folder / "lizard_images1" / "Lizard_Images1" / "glas_1.png", picture())
    write(folder / "lizard_images2" / "Lizard_Images2" / "dpath_1.png", picture())
    labels = folder / "lizard_labels" / "Lizard_Labels" / "Labels"
    labels.mkdir(parents=True)
    for name in ("glas_1", "dpath_1"):
        content = {"inst_map": two_objects().astype(np.int32), "id": [[2], [1]], "class": [[3], [1]]}
        savemat(labels / f"{name}.mat", content)
    (labels.parent / "info.csv").write_text("Filename,Source,Split\nglas_1,GlaS,1\ndpath_1,DigestPath,3\n", "utf-8")


def monuseg(folder: Path) -> None:
    name, other = "TCGA-18-5592-01Z-00-DX1", "TCGA-2Z-A9J9-01A-01-TS1"
    training, test = folder / "MoNuSeg 2018 Training Data", folder / "MoNuSegTestData"
    write(training / "Tissue Images" / f"{name}.tif", picture())
    write(test / f"{other}.tif", picture())
    (training / "Annotations").mkdir()
    (training / "Annotations" / f"{name}.xml").write_text(XML.format(attribute=""))
    (test / f"{other}.xml").write_text(XML.format(attribute=""))


MAKERS: dict[str, Callable[[Path], None]] = {
    "glas": glas,
    "ebhi-seg": ebhi_seg,
    "nct-crc-he": nct_crc,
    "conic": conic,
    "pannuke": write_pannuke,
    "consep": consep,
    "lizard": lizard,
    "monuseg": monuseg,
}


def read(tmp_path: Path, layout: str) -> tuple[DataSet, dict[str, LabelledImage]]:
    folder = tmp_path / "data"
    MAKERS[layout](folder)
    data = read_data_set(folder)
    return data, {image.name: image for image in data.images()}


def type_names(image: LabelledImage) -> set[str]:
    assert image.nucleus_types is not None
    assert image.nuclei is not None
    return {NUCLEUS_LABELS[index] for index in np.unique(image.nucleus_types[image.nuclei > 0])}


@pytest.mark.parametrize("layout", MAKERS)
def test_a_layout_is_told_from_the_others_and_said_where_it_comes_from(tmp_path: Path, layout: str) -> None:
    data, images = read(tmp_path, layout)
    assert data.layout == layout
    assert data.licence != "not stated"
    assert len(images) == len(data.entries) > 1
    for entry, image in zip(data.entries, data.images(), strict=True):
        said = (entry.name, entry.split, entry.patient, entry.patch_class)
        assert said == (image.name, image.split, image.patient, image.patch_class)


@pytest.mark.parametrize("layout", MAKERS)
def test_a_folder_that_holds_only_the_data_set_stands_for_it(tmp_path: Path, layout: str) -> None:
    (tmp_path / "download").mkdir()
    MAKERS[layout](tmp_path / "download" / "data")
    (tmp_path / "download" / "__MACOSX").mkdir()
    assert read_data_set(tmp_path / "download").layout == layout


def test_glas_has_the_official_split_and_grades(tmp_path: Path) -> None:
    data, images = read(tmp_path, "glas")
    assert [entry.name for entry in data.entries] == ["testA_1", "testB_1", "train_1", "train_2", "train_10"]
    assert {entry.split for entry in data.entries} == {"train", "testA", "testB"}
    first = images["train_1"]
    assert (first.mpp, first.patient) == (0.62, "7")
    assert first.glands is not None
    assert first.gland_types is not None
    assert {GLAND_LABELS[index] for index in np.unique(first.gland_types[first.glands > 0])} == {"benign"}
    assert images["train_2"].gland_types is None


def test_ebhi_seg_cuts_grey_edges_and_splits_by_the_case_number(tmp_path: Path) -> None:
    data, images = read(tmp_path, "ebhi-seg")
    image = images["low_grade_in/GTGT2012149-2-400-001"]
    assert image.mask is not None
    assert image.mask[0].tolist() == [0, 0, 1, 1]
    assert image.patient == "P2012149"
    assert len({entry.split for entry in data.entries}) == 1
    assert data.patch_classes[:2] == ("normal", "polyp")


def test_nct_crc_tests_on_the_validation_set(tmp_path: Path) -> None:
    data, _ = read(tmp_path, "nct-crc-he")
    for split in ("train", "test"):
        assert [entry.patch_class for entry in data.entries if entry.split == split].count("TUM") == 1
    assert {entry.patient for entry in data.entries} == {None}


def test_conic_keeps_patches_of_one_image_together(tmp_path: Path) -> None:
    data, images = read(tmp_path, "conic")
    assert [entry.patient for entry in data.entries] == ["consep_1", "consep_1", "dpath_9"]
    assert type_names(images["consep_1-0001"]) == {"plasma", "connective"}


def test_pannuke_joins_the_channels_and_leaves_dead_nuclei_untyped(tmp_path: Path) -> None:
    data, images = read(tmp_path, "pannuke")
    assert [entry.split for entry in data.entries] == ["fold1", "fold1", "fold2", "fold2"]
    image = images["fold2_0001"]
    assert image.nuclei is not None
    np.testing.assert_array_equal(image.nuclei, two_objects())
    assert type_names(image) == {"epithelial", "unlabelled"}


def test_pannuke_files_beside_each_other_are_found_too(tmp_path: Path) -> None:
    write_pannuke(tmp_path / "zip")
    (tmp_path / "fold_3").mkdir()
    for name in ("images/fold1/images.npy", "masks/fold1/masks.npy"):
        shutil.copy(tmp_path / "zip" / "Fold 1" / name, tmp_path / "fold_3")
    assert {entry.split for entry in pannuke.read(tmp_path / "fold_3").entries} == {"fold3"}


def test_stacked_patches_of_different_number_are_refused(tmp_path: Path) -> None:
    conic(tmp_path / "conic")
    np.save(tmp_path / "conic" / "labels.npy", np.zeros((2, 24, 30, 2), np.uint16))
    with pytest.raises(UsageError, match=r"images\.npy has 3 patches of 30 x 24 px.*labels\.npy has 2 patches"):
        read_data_set(tmp_path / "conic")


def test_consep_types_are_grouped(tmp_path: Path) -> None:
    data, images = read(tmp_path, "consep")
    assert {entry.split for entry in data.entries} == {"train", "test"}
    assert type_names(images["test_1"]) == {"inflammatory", "connective"}


def test_lizard_types_follow_the_ids(tmp_path: Path) -> None:
    data, images = read(tmp_path, "lizard")
    assert {entry.name: entry.split for entry in data.entries} == {"glas_1": "split1", "dpath_1": "split3"}
    image = images["glas_1"]
    assert image.nucleus_types is not None
    assert NUCLEUS_LABELS[image.nucleus_types[5, 5]] == "neutrophil"
    assert NUCLEUS_LABELS[image.nucleus_types[15, 15]] == "lymphocyte"


def test_monuseg_draws_the_outlines(tmp_path: Path) -> None:
    data, images = read(tmp_path, "monuseg")
    assert {entry.patient: entry.split for entry in data.entries} == {"TCGA-18-5592": "train", "TCGA-2Z-A9J9": "test"}
    nuclei = images["TCGA-18-5592-01Z-00-DX1"].nuclei
    assert nuclei is not None
    assert nuclei[3:10, 2:9].all()
    assert np.count_nonzero(nuclei) == 49


def test_monusac_as_downloaded_gives_the_published_instances_and_types(shared: Path, tmp_path: Path) -> None:
    sample = shared / "data" / "monusac-sample"
    folder = tmp_path / "MoNuSAC_images_and_annotations" / "TCGA-5P-A9K0-01Z-00-DX1"
    folder.mkdir(parents=True)
    for path in sample.glob("TCGA*"):
        shutil.copy(path, folder)
    data = read_data_set(tmp_path / "MoNuSAC_images_and_annotations")
    assert (data.layout, data.left_out) == ("monusac", ())
    for ours, theirs in zip(data.images(), read_data_set(sample).images(), strict=True):
        np.testing.assert_array_equal(ours.nuclei, theirs.nuclei)
        np.testing.assert_array_equal(ours.nucleus_types, theirs.nucleus_types)
        assert ours.mpp == pytest.approx(theirs.mpp)
        assert (ours.patient, ours.split) == ("TCGA-5P-A9K0", "train")


def test_a_file_without_its_partner_is_left_out_and_named(tmp_path: Path) -> None:
    glas(tmp_path / "data")
    (tmp_path / "data" / "train_2_anno.bmp").unlink()
    (tmp_path / "data" / "testA_1.bmp").unlink()
    data = read_data_set(tmp_path / "data")
    assert [entry.name for entry in data.entries] == ["testB_1", "train_1", "train_10"]
    assert [re.sub(".*/", "", sentence) for sentence in data.left_out] == [
        "train_2.bmp has no label.",
        "testA_1_anno.bmp has no image.",
    ]


def test_a_label_without_its_variables_is_named(tmp_path: Path) -> None:
    lizard(tmp_path / "data")
    last = tmp_path / "data" / "lizard_labels" / "Lizard_Labels" / "Labels" / "glas_1.mat"
    savemat(last, {"inst_map": two_objects()})
    with pytest.raises(UsageError, match=r"glas_1\.mat: has no variable class, id"):
        list(read_data_set(tmp_path / "data").images())


def test_a_damaged_outline_file_is_named(tmp_path: Path) -> None:
    monuseg(tmp_path / "data")
    broken = tmp_path / "data" / "MoNuSegTestData" / "TCGA-2Z-A9J9-01A-01-TS1.xml"
    broken.write_text("<Annotations><Annotation>", "utf-8")
    with pytest.raises(UsageError, match=broken.name):
        list(read_data_set(tmp_path / "data").images())


def test_a_folder_in_no_layout_is_told_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing", "utf-8")
    with pytest.raises(UsageError) as refused:
        read_data_set(tmp_path)
    for layout in LAYOUTS:
        assert layout.shape in str(refused.value)
    with pytest.raises(UsageError, match="no folder"):
        read_data_set(tmp_path / "missing")


def test_slides_without_outlines_are_no_data_set(shared: Path) -> None:
    assert not monusac.recognise(shared / "data" / "slides")
