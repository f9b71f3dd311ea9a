"""What the columns of a manifest mean in each data set that we know, and its licence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cerberus_annotate.learn.data.label_names import GLAND_LABELS, NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import UNLABELLED
from cerberus_annotate.learn.data.splits import ebhi_seg_split

EBHI_SEG_CLASSES = ("normal", "polyp", "low_grade_in", "high_grade_in", "adenocarcinoma", "serrated_adenoma")
NCT_CRC_CLASSES = ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM")
FOREGROUND_CLASSES = ("background", "foreground")

CONSEP_TYPES = {
    1: "other",
    2: "inflammatory",
    3: "epithelial",
    4: "epithelial",
    5: "connective",
    6: "connective",
    7: "connective",
}
MONUSAC_TYPES = {1: "epithelial", 2: "lymphocyte", 3: "neutrophil", 4: "macrophage"}


@dataclass(frozen=True)
class Licence:
    """Under which terms a data set may be used, and where it comes from."""

    terms: str
    source: str


@dataclass(frozen=True)
class Columns:
    """Which column of a manifest holds which label, and how its values translate to ours; None: there is no such label.

    image, nuclei, nucleus_types, glands, gland_types, lumina, mask, ignore: columns with paths of files.
    nucleus_type_names: values of the type map to `NUCLEUS_LABELS`.  point_types: values of `klass` in points.csv to
    `NUCLEUS_LABELS`.
    gland_type: column with the type (of `GLAND_LABELS`) of every gland in the image.  mask_values: values of the mask's
    file to indices of `mask_classes` or UNLABELLED.  patch_class: column with the class of the whole image.
    split: a patient's split, where the manifest has none.  nucleus_labels, gland_labels: names of the types by index.
    """

    image: str = "image"
    nuclei: str | None = None
    nucleus_types: str | None = None
    nucleus_type_names: Mapping[int, str] | None = None
    point_types: Mapping[str, str] | None = None
    glands: str | None = None
    gland_type: str | None = None
    lumina: str | None = None
    mask: str | None = None
    mask_values: Mapping[int, int] | None = None
    mask_classes: tuple[str, ...] = ()
    patch_class: str | None = None
    patch_classes: tuple[str, ...] = ()
    split: Callable[[str], str] | None = None
    gland_types: str | None = None
    ignore: str | None = None
    nucleus_labels: tuple[str, ...] = NUCLEUS_LABELS
    gland_labels: tuple[str, ...] = GLAND_LABELS


COLUMNS = {
    "glas": Columns(glands="label", gland_type="grade_glas"),
    "consep": Columns(nuclei="instances", nucleus_types="types", nucleus_type_names=CONSEP_TYPES),
    "monuseg": Columns(nuclei="label"),
    "dsb2018-brightfield": Columns(nuclei="label"),
    "crchistophenotypes": Columns(
        point_types={
            "epithelial": "epithelial",
            "inflammatory": "inflammatory",
            "fibroblast": "connective",
            "others": "other",
            "unlabelled": "unlabelled",
        }
    ),
    "nucls-sample": Columns(
        nuclei="instances",
        nucleus_types="types",
        nucleus_type_names={1: "unlabelled", 2: "epithelial"},  # a nucleus that is no tumour's may be of any type
        point_types={
            "tumor_any": "epithelial",
            "sTIL": "inflammatory",
            "nonTIL_stromal": "connective",
            "other_nucleus": "other",
        },
    ),
    "monusac-sample": Columns(
        image="slide", nuclei="instances", nucleus_types="types", nucleus_type_names=MONUSAC_TYPES
    ),
    "ebhi-seg": Columns(
        mask="label",
        mask_values={0: 0, 1: 1, 255: 1},
        mask_classes=FOREGROUND_CLASSES,
        patch_class="klass",
        patch_classes=EBHI_SEG_CLASSES,
        split=ebhi_seg_split,
    ),
    "crc-val-he-7k-sample": Columns(patch_class="klass", patch_classes=NCT_CRC_CLASSES),
    # glands without a label stand in many of its images, so that what is not marked is not background
    "rings-prostate-sample": Columns(
        mask="label", mask_values={0: UNLABELLED, 1: 1, 2: 2}, mask_classes=("background", "gland", "tumour")
    ),
}

LICENCES = {
    "glas": Licence("research only, no commercial use", "Sirinukunwattana et al., Medical Image Analysis 35 (2017)"),
    "consep": Licence(
        "no open licence; research, citation required", "Graham et al., Medical Image Analysis 58 (2019)"
    ),
    "monuseg": Licence("CC BY-NC-SA 4.0", "Kumar et al., IEEE TMI 36(7) 2017 and 39(5) 2020"),
    "monusac": Licence("CC BY-NC-SA 4.0", "Verma et al., IEEE TMI 40(12) 2021"),
    "monusac-sample": Licence("CC BY-NC-SA 4.0", "Verma et al., IEEE TMI 40(12) 2021"),
    "crchistophenotypes": Licence("research only", "Sirinukunwattana et al., IEEE TMI 35(5) 2016"),
    "dsb2018-brightfield": Licence("CC0 1.0", "Caicedo et al., Nature Methods 16 (2019)"),
    "nucls-sample": Licence("CC0 1.0", "Amgad et al., GigaScience 11 (2022)"),
    "ebhi-seg": Licence("CC BY 4.0", "Shi et al., Frontiers in Medicine 10 (2023)"),
    "nct-crc-he": Licence("CC BY 4.0", "Kather, Halama, Marx, Zenodo 10.5281/zenodo.1214456"),
    "crc-val-he-7k-sample": Licence("CC BY 4.0", "Kather, Halama, Marx, Zenodo 10.5281/zenodo.1214456"),
    "rings-prostate-sample": Licence("CC BY 4.0", "Salvi et al., Artificial Intelligence in Medicine 115 (2021)"),
    "pannuke": Licence("CC BY-NC-SA 4.0", "Gamper et al., arXiv 2003.10778 (2020)"),
    "lizard": Licence("CC BY-NC-SA 4.0", "Graham et al., ICCV Workshops 2021, arXiv 2108.11195"),
    "conic": Licence("CC BY-NC-SA 4.0", "Graham et al., CoNIC challenge 2022, arXiv 2111.14485"),
}
NOT_STATED = Licence("not stated", "not stated")
