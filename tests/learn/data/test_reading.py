"""Pictures and labels of every kind that people have come out the same, or are refused with a reason."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.io import savemat

from cerberus_annotate.errors import SlideError, UsageError
from cerberus_annotate.learn.data.reading import as_label, read_classes, read_foreground, read_instances, read_picture

SHAPE = (6, 8)
IDS = np.zeros(SHAPE, np.int32)
IDS[1:3, 1:3] = 1
IDS[4:6, 3:7] = 2


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


def instances(path: Path) -> np.ndarray:
    return read_instances(path, SHAPE, "image.png")


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1"])
def test_a_picture_of_any_mode_is_rgb(tmp_path: Path, mode: str) -> None:
    grey = Image.new("L", (8, 6), 255)
    rgb, mpp = read_picture(saved(tmp_path / "a.png", grey.convert(mode)))
    assert (rgb.dtype, rgb.shape, mpp) == (np.uint8, (6, 8, 3), None)
    assert (rgb == 255).all()


def test_cmyk_is_no_negative(tmp_path: Path) -> None:
    pink = Image.new("RGB", (8, 6), (230, 160, 200)).convert("CMYK")
    rgb, _ = read_picture(saved(tmp_path / "a.jpg", pink))
    np.testing.assert_allclose(rgb[0, 0], (230, 160, 200), atol=6)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    rgb, _ = read_picture(saved(tmp_path / "a.png", Image.new("RGBA", (8, 6), (10, 20, 30, 0))))
    assert (rgb == 255).all()


def test_sixteen_bit_grey_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(np.full(SHAPE, 3000, np.uint16)))
    with pytest.raises(SlideError, match=r"a\.png.*8-bit RGB"):
        read_picture(path)


def test_sixteen_bit_colour_keeps_its_upper_half(tmp_path: Path) -> None:
    deep = (np.random.default_rng(2).integers(0, 65536, (6, 8, 3))).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png")[0], deep[..., ::-1] >> 8)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.png: no such image"):
        read_picture(tmp_path / "gone.png")


def palette(ids: np.ndarray) -> Image.Image:
    image = Image.new("P", ids.shape[::-1])
    image.putdata(ids.ravel().tolist())
    image.putpalette([0, 0, 0, 200, 30, 30, 30, 200, 30])
    return image


def coded(ids: np.ndarray) -> np.ndarray:
    return np.stack([ids % 256, ids // 256, np.zeros_like(ids)], axis=-1).astype(np.uint8)


def test_a_label_of_any_kind_has_the_same_ids(tmp_path: Path) -> None:
    eight, sixteen = IDS.astype(np.uint8), IDS.astype(np.uint16)
    paths = [
        saved(tmp_path / "eight.png", Image.fromarray(eight)),
        saved(tmp_path / "sixteen.png", Image.fromarray(sixteen)),
        saved(tmp_path / "windows.bmp", Image.fromarray(eight)),
        saved(tmp_path / "grey_as_colour.png", Image.fromarray(np.dstack([eight] * 3))),
        saved(tmp_path / "coded.png", Image.fromarray(coded(IDS))),
        saved(tmp_path / "palette.png", palette(IDS)),
    ]
    for suffix, values in (("int", IDS), ("float", IDS.astype(float)), ("deep", IDS[..., None])):
        np.save(tmp_path / f"{suffix}.npy", values)
        paths.append(tmp_path / f"{suffix}.npy")
    tifffile.imwrite(tmp_path / "wide.tif", IDS.astype(np.uint32))
    savemat(tmp_path / "hover.mat", {"inst_map": IDS.astype(float), "inst_type": np.ones((2, 1))})
    savemat(tmp_path / "only.mat", {"whatever": IDS})
    for path in (*paths, tmp_path / "wide.tif", tmp_path / "hover.mat", tmp_path / "only.mat"):
        np.testing.assert_array_equal(instances(path), IDS, err_msg=path.name)


def test_more_ids_than_eight_bits_hold_survive_colour_coding(tmp_path: Path) -> None:
    ids = np.arange(48, dtype=np.int32).reshape(SHAPE) * 40
    np.testing.assert_array_equal(instances(saved(tmp_path / "a.png", Image.fromarray(coded(ids)))), ids)


@given(arrays(np.uint8, (5, 4, 3)))
def test_two_pixels_have_one_id_where_they_have_one_colour(colours: np.ndarray) -> None:
    ids = as_label(colours, Path("label.png")).ravel()
    same_colour = (colours.reshape(-1, 1, 3) == colours.reshape(1, -1, 3)).all(-1)
    np.testing.assert_array_equal(same_colour, ids[:, None] == ids[None])


@pytest.mark.parametrize("kind", ["boolean", "black and white"])
def test_a_mask_of_objects_gives_each_piece_an_id(tmp_path: Path, kind: str) -> None:
    mask = IDS > 0
    image = Image.fromarray(mask) if kind == "boolean" else Image.fromarray(mask.astype(np.uint8) * 255)
    np.testing.assert_array_equal(instances(saved(tmp_path / "a.png", image)), IDS)


def test_one_object_stays_one(tmp_path: Path) -> None:
    one = (IDS == 2).astype(np.uint8)
    np.testing.assert_array_equal(instances(saved(tmp_path / "a.png", Image.fromarray(one))), one)


@given(st.sampled_from([bool, np.uint8]), arrays(bool, SHAPE))
def test_foreground_is_what_is_white(tmp_path_factory: pytest.TempPathFactory, kind: type, mask: np.ndarray) -> None:
    values = mask if kind is bool else mask.astype(np.uint8) * 255
    path = saved(tmp_path_factory.mktemp("mask") / "a.png", Image.fromarray(values))
    np.testing.assert_array_equal(read_foreground(path, SHAPE, "image.png"), mask)


def test_a_label_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = saved(tmp_path / "label.png", Image.fromarray(IDS.astype(np.uint8)))
    with pytest.raises(UsageError, match=r"label\.png is 8 x 6 px, but its image photo\.png is 9 x 6 px"):
        read_instances(path, (6, 9), "photo.png")


def unusable(folder: Path, kind: str) -> Path:
    path = folder / {"lossy": "a.jpg", "text": "a.png", "missing": "b.png"}.get(kind, "a.npy")
    if kind == "lossy":
        Image.fromarray(IDS.astype(np.uint8)).save(path)
    elif kind == "text":
        path.write_text("no picture", "utf-8")
    elif kind != "missing":
        bad = {"fraction": IDS + 0.5, "negative": -IDS, "nan": IDS * np.nan, "stack": np.zeros((6, 8, 7))}
        np.save(path, bad[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("lossy", "JPEG"),
        ("text", "cannot be read as a label map"),
        ("missing", "no such label"),
        ("fraction", "not whole"),
        ("nan", "not whole"),
        ("negative", "start at 0"),
        ("stack", "one number a pixel"),
    ],
)
def test_what_is_no_label_map_is_refused_with_the_reason(tmp_path: Path, kind: str, reason: str) -> None:
    path = unusable(tmp_path, kind)
    with pytest.raises(UsageError, match=rf"{path.name}.*{reason}"):
        instances(path)


def test_colours_are_no_classes(tmp_path: Path) -> None:
    green = np.zeros((*SHAPE, 3), np.uint8)
    green[..., 1] = 200
    with pytest.raises(UsageError, match="colour coded"):
        read_classes(saved(tmp_path / "a.png", Image.fromarray(green)), SHAPE, "image.png")


def test_a_mat_file_with_several_maps_says_which_it_has(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"one": IDS, "two": IDS})
    with pytest.raises(UsageError, match="one, two"):
        instances(tmp_path / "a.mat")
