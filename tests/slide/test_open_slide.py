"""Every kind of file opens as what it is, or is refused with a sentence."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cerberus_annotate.errors import SlideError
from cerberus_annotate.slide import Region, open_slide, write_pyramid


def picture(height: int = 300, width: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def manifest(shared: Path) -> list[dict[str, str]]:
    with (shared / "data/slides/manifest.csv").open() as file:
        return list(csv.DictReader(file))


def test_real_slides_are_as_the_manifest_says(shared: Path) -> None:
    for row in manifest(shared):
        with open_slide(shared / "data/slides" / row["file"].rstrip("/")) as slide:
            assert (slide.width, slide.height) == (int(row["width"]), int(row["height"])), row["file"]
            assert len(slide.levels) == int(row["levels"]), row["file"]
            assert slide.levels[0].downsample == 1
            if row["openslide"] == "NOT READABLE":
                assert slide.format == "tifffile: OME-TIFF"
                assert slide.mpp == pytest.approx((0.2271, 0.2271), abs=1e-4)
                continue
            assert slide.format == f"openslide: {row['openslide']}"
            assert slide.mpp == (pytest.approx([float(row["mpp"])] * 2) if row["mpp"] else None)
            assert slide.magnification == (float(row["objective"]) if row["objective"] else None)


def test_a_dicom_folder_and_any_of_its_files_show_the_same_slide(shared: Path) -> None:
    folder = shared / "data/slides/CMU-1-Small-Region-dicom"
    with open_slide(folder) as whole, open_slide(folder / "level-10-frames-0-1.dcm") as part:
        assert whole.levels == part.levels
        region = Region(1000, 1000, 50, 60)
        assert np.array_equal(whole.read(region), part.read(region))
        with open_slide(shared / "data/slides/CMU-1-Small-Region.svs") as original:
            expected = np.asarray(Image.fromarray(original.read(region)).convert("YCbCr")).astype(int)
        # this file calls its YCbCr tiles RGB, and is shown so by every reader; only the place is compared here
        assert abs(whole.read(region) - expected)[..., 0].mean() < 3


def test_odd_level_sizes_do_not_bend_the_downsample(shared: Path) -> None:
    with open_slide(shared / "data/slides/TCGA-CR-7395-01A-01-TS1.svs") as slide:
        assert [level.downsample for level in slide.levels] == [1, 2]
    with open_slide(shared / "data/slides/CMU-1-Small-Region-dicom") as slide:
        assert [level.downsample for level in slide.levels] == [2**i for i in range(12)]


def test_ome_tiff_reads_as_tifffile_decodes_it(shared: Path) -> None:
    path = shared / "data/slides/OS-1-detail.ome.tif"
    with open_slide(path) as slide:
        region = Region(500, 37, 601, 333)
        assert np.array_equal(slide.read(region), tifffile.imread(path)[37:370, 500:1101])


@pytest.mark.parametrize("tile", [(256, 256), None], ids=["tiles", "strips"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_ome_pyramid_with_sub_ifds(tmp_path: Path, tile: tuple[int, int] | None, planar: str) -> None:
    pixels, path = picture(700, 900), tmp_path / "pyramid.ome.tif"
    moved = (lambda a: np.moveaxis(a, 2, 0)) if planar == "separate" else (lambda a: a)
    layout = {"photometric": "rgb", "planarconfig": planar, "tile": tile, "compression": "adobe_deflate"}
    layout |= {} if tile else {"rowsperstrip": 60}
    metadata = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 500, "PhysicalSizeYUnit": "nm"}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(moved(pixels), subifds=2, metadata=metadata, **layout)
        tiff.write(moved(pixels[::2, ::2]), subfiletype=1, **layout)
        tiff.write(moved(pixels[::4, ::4]), subfiletype=1, **layout)
    with open_slide(path) as slide:
        assert slide.format == "tifffile: OME-TIFF"
        assert [(e.downsample, e.width, e.height) for e in slide.levels] == [
            (1, 900, 700),
            (2, 450, 350),
            (4, 225, 175),
        ]
        assert slide.mpp == pytest.approx((0.25, 0.5))
        assert np.array_equal(slide.read(Region(250, 100, 300, 400)), pixels[100:500, 250:550])
        assert np.array_equal(slide.read(Region(10, 20, 215, 155), 2), pixels[::4, ::4][20:175, 10:225])


def test_the_series_of_an_ome_tiff_are_told_apart(tmp_path: Path) -> None:
    path, first, second = tmp_path / "two.ome.tif", picture(seed=1), picture(200, 250, seed=2)
    with tifffile.TiffWriter(path) as tiff:
        for pixels, size in ((first, 0.5), (second, 0.25)):
            tiff.write(pixels, photometric="rgb", metadata={"PhysicalSizeX": size, "PhysicalSizeY": size})
    with open_slide(path, series=1) as slide:
        assert slide.mpp == (0.25, 0.25)
        assert np.array_equal(slide.read(Region(0, 0, 250, 200)), second)
    with open_slide(path) as slide:
        assert np.array_equal(slide.read(Region(0, 0, 400, 300)), first)
    with pytest.raises(SlideError, match="no series 2; it holds 2"):
        open_slide(path, series=2)


def test_a_written_pyramid_opens_in_openslide(tmp_path: Path) -> None:
    pixels = picture(600, 1001)
    write_pyramid(tmp_path / "slide.tif", pixels, (0.5, 0.25))
    with open_slide(tmp_path / "slide.tif") as slide:
        assert slide.format == "openslide: generic-tiff"
        assert slide.mpp == pytest.approx((0.5, 0.25))
        assert [(e.downsample, e.width, e.height) for e in slide.levels] == [
            (1, 1001, 600),
            (2, 500, 300),
            (4, 250, 150),
        ]
        assert np.array_equal(slide.read(Region(0, 0, 1001, 600)), pixels)
        block = pixels[2 * 99 : 2 * 100, 2 * 200 : 2 * 201].reshape(4, 3).mean(axis=0)
        assert slide.read(Region(200, 99, 1, 1), 1)[0, 0] == pytest.approx(block, abs=0.51)


def test_a_pyramid_without_pixel_size_says_so(tmp_path: Path) -> None:
    write_pyramid(tmp_path / "slide.tif", picture(), None)
    with open_slide(tmp_path / "slide.tif") as slide:
        assert slide.mpp is None


@pytest.mark.parametrize("tile", [(256, 256), None], ids=["openslide", "tifffile"])
def test_print_resolution_is_no_pixel_size(tmp_path: Path, tile: tuple[int, int] | None) -> None:
    path = tmp_path / "print.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", tile=tile, resolution=(72, 72), resolutionunit="INCH")
    with open_slide(path) as slide:
        assert slide.mpp is None
    tifffile.imwrite(path, picture(), photometric="rgb", tile=tile, resolution=(5e4, 5e4), resolutionunit="INCH")
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx((0.508, 0.508))


def test_jpeg_xl_pyramid_that_openslide_refuses(tmp_path: Path) -> None:
    pixels, path = picture(500, 600), tmp_path / "xl.tif"
    with tifffile.TiffWriter(path) as tiff:
        for step in (1, 2):
            tiff.write(
                pixels[::step, ::step],
                photometric="rgb",
                tile=(256, 256),
                compression="jpegxl",
                subfiletype=int(step > 1),
                metadata=None,
            )
    with open_slide(path) as slide:
        assert slide.format == "tifffile: TIFF"
        assert [level.downsample for level in slide.levels] == [1, 2]
        assert np.array_equal(slide.read(Region(200, 200, 400, 300)), pixels[200:, 200:])


def test_jpeg_tiles_in_ycbcr_come_out_as_rgb(tmp_path: Path) -> None:
    pixels = np.full((512, 512, 3), (200, 60, 140), np.uint8)
    path = tmp_path / "jpeg.ome.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(256, 256), compression="jpeg", subsampling=(2, 2))
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages[0].photometric == tifffile.PHOTOMETRIC.YCBCR
    with open_slide(path) as slide:
        assert slide.format == "tifffile: OME-TIFF"
        assert abs(slide.read(Region(200, 200, 100, 100)).astype(int) - (200, 60, 140)).max() <= 3


@pytest.mark.parametrize(
    ("shape", "dtype", "options", "said"),
    [
        ((4, 300, 300), "uint16", {"photometric": "minisblack", "metadata": {"axes": "CYX"}}, "4 separate 16-bit"),
        ((300, 300), "uint16", {"photometric": "minisblack", "tile": (256, 256)}, "1 16-bit channel"),
        ((300, 300, 3), "uint16", {"photometric": "rgb"}, "16-bit samples"),
        ((5, 300, 300, 3), "uint8", {"photometric": "rgb", "metadata": {"axes": "ZYXS"}}, "5 focal planes"),
    ],
)
def test_what_is_no_stained_slide_is_refused_by_name(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, options: dict, said: str
) -> None:
    path = tmp_path / "image.ome.tif"
    tifffile.imwrite(path, np.zeros(shape, dtype), **options)
    with pytest.raises(SlideError, match=said) as error:
        open_slide(path)
    assert str(path) in str(error.value)
    assert "8-bit RGB" in str(error.value)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "jpg"])
def test_plain_pictures(tmp_path: Path, suffix: str) -> None:
    pixels, path = picture(), tmp_path / f"picture.{suffix}"
    Image.fromarray(pixels).save(path, dpi=(300, 300))
    with open_slide(path) as slide:
        assert (slide.width, slide.height, len(slide.levels)) == (400, 300, 1)
        assert slide.mpp is None
        expected = np.asarray(Image.open(path)) if suffix == "jpg" else pixels
        assert np.array_equal(slide.read(Region(17, 5, 300, 280)), expected[5:285, 17:317])


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA"])
def test_every_kind_of_8_bit_picture_becomes_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    image = Image.new("RGB", (64, 48), (250, 250, 250))
    image.paste((0, 0, 0), (0, 0, 32, 48))
    image = image.convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize((64, 48)).point(lambda v: 255 if v > 127 else 0))
    image.save(path)
    with open_slide(path) as slide:
        pixels = slide.read(Region(0, 0, 64, 48))
    assert pixels[47, 5].tolist() == [0, 0, 0]
    assert pixels[47, 60].min() >= 250
    assert (pixels[0, 5] == (255 if "A" in mode else 0)).all()  # transparent lies over white


def test_cmyk_and_palette_transparency(tmp_path: Path) -> None:
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(tmp_path / "red.jpg")
    with open_slide(tmp_path / "red.jpg") as slide:
        red, green, blue = slide.read(Region(5, 5, 1, 1))[0, 0]
    assert red > 200
    assert max(green, blue) < 60
    clear = Image.new("P", (20, 20), 3)
    clear.putpalette([0] * 30)
    clear.save(tmp_path / "clear.png", transparency=3)
    with open_slide(tmp_path / "clear.png") as slide:
        assert (slide.read(Region(0, 0, 20, 20)) == 255).all()


def test_exif_orientation_turns_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(40, 60)).save(tmp_path / "turned.jpg", exif=exif)
    with open_slide(tmp_path / "turned.jpg") as slide:
        assert (slide.width, slide.height) == (60, 40)


def test_16_bit_png_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((20, 20), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(SlideError, match="16-bit"):
        open_slide(tmp_path / "deep.png")


def test_a_picture_too_large_to_be_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture()).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 70_000)
    with open_slide(tmp_path / "large.png") as slide:  # Pillow only warns here
        assert slide.width == 400
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    with pytest.raises(SlideError, match=r"large\.png.*too large.*pyramidal TIFF"):
        open_slide(tmp_path / "large.png")


def test_missing_empty_foreign_and_folder(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match=r"slide\.svs: no such file"):
        open_slide(tmp_path / "slide.svs")
    (tmp_path / "empty.svs").touch()
    with pytest.raises(SlideError, match="file is empty"):
        open_slide(tmp_path / "empty.svs")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(SlideError, match="is no image"):
        open_slide(tmp_path / "notes.txt")
    with pytest.raises(SlideError, match="folder without DICOM"):
        open_slide(tmp_path)
    Image.fromarray(picture()).save(tmp_path / "picture.png")
    with pytest.raises(SlideError, match="no series 1"):
        open_slide(tmp_path / "picture.png", series=1)


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["slide.tif", "image.ome.tif", "picture.png", "picture.jpg", "strips.tif"])
def test_truncated_files_fail_with_a_sentence(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / kind
    pixels = picture(600, 700)
    if kind == "slide.tif":
        write_pyramid(path, pixels, 0.5)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="rgb", tile=(256, 256) if "ome" in kind else None)
    else:
        Image.fromarray(pixels).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: max(20, int(len(data) * share))])
    with pytest.raises(SlideError, match=kind) as error, open_slide(path) as slide:
        slide.read(Region(0, 0, 700, 600))
    assert "copy it again" in str(error.value) or "is no image" in str(error.value) or "again with" in str(error.value)


def test_a_truncated_real_slide_fails_with_a_sentence(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.svs"
    shutil.copyfile(shared / "data/slides/CMU-1-Small-Region.svs", path)
    data = path.read_bytes()
    path.write_bytes(data[:500_000])
    with pytest.raises(SlideError, match=r"cut\.svs"), open_slide(path) as slide:
        slide.read(Region(0, 0, slide.width, slide.height))


@pytest.mark.parametrize(
    ("tag", "value"),
    [("TileWidth", 1_728_053_504), ("TileWidth", 0), ("ImageWidth", 0), ("ImageLength", 0), ("SamplesPerPixel", 9)],
)
@pytest.mark.parametrize("name", ["slide.tif", "image.ome.tif"])
def test_hostile_sizes_are_refused(tmp_path: Path, name: str, tag: str, value: int) -> None:
    """OpenSlide would end the process over the first."""
    path = tmp_path / name
    if name == "slide.tif":
        write_pyramid(path, picture(), 0.5)
    else:
        tifffile.imwrite(path, picture(), photometric="rgb", tile=(256, 256))
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[tag].overwrite(value, dtype="I")
    with pytest.raises(SlideError, match=name), open_slide(path) as slide:
        slide.read(Region(0, 0, 400, 300))


@pytest.mark.parametrize("tag", ["XResolution", "ResolutionUnit"])
def test_nonsense_in_resolution_tags_is_no_pixel_size(tmp_path: Path, tag: str) -> None:
    path = tmp_path / "strips.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", resolution=(2e4, 2e4), resolutionunit="CENTIMETER")
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[tag].overwrite((0, 0) if tag == "XResolution" else 77)
    with open_slide(path) as slide:
        assert slide.mpp is None


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    write_pyramid(path, picture(), 0.5)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not enough samples"):
        write_pyramid(path, np.zeros((10, 10), np.uint8), 0.5)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["slide.tif"]
