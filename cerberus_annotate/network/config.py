"""What a Cerberus network consists of, as plain data that travels in the checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

NUCLEUS_TYPES = ("nolabel", "neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")
GLAND_TYPES = ("nolabel", "gland", "surface-epi")
TISSUE_CLASSES = (
    "background",
    "abnormal_epi",
    "normal_epi",
    "inflammatory",
    "muscle",
    "stroma",
    "debris",
    "mucous",
    "adipose",
)
INSTANCE_CLASSES = ("background", "inside", "contour")


@dataclass(frozen=True)
class HeadConfig:
    """One output of a pixel decoder: `kind` is INST, TYPE or SEG, `classes` name its channels in order.

    finer: how many times finer than the grid its map is (sub-pixel convolution, Shi et al. 2016).  inner_contour:
    the contour class is the rim of the object itself, so that inside and contour together are the object; else, as in
    the reference, it straddles the outline.  threshold: probability from which a pixel belongs to an object with an
    inner contour; marker: probability of inside from which it belongs to the middle that tells touching objects apart.
    Both are chosen on images that were learnt from. sure: the least mean probability of such an object; what lies below
    is not given. 0.75 raised PQ on every set that it was tried on, seen in training or not (`docs/training.md`).
    """

    kind: str
    classes: tuple[str, ...]
    finer: int = 1
    inner_contour: bool = False
    threshold: float = 0.5
    marker: float = 0.55
    sure: float = 0.75


@dataclass(frozen=True)
class DecoderConfig:
    """One pixel decoder. `stages` of 4 ends at full size, 3 at half size (its logits are then enlarged)."""

    name: str
    heads: tuple[HeadConfig, ...]
    stages: int = 4

    @property
    def outputs(self) -> dict[str, str]:
        """Name of the network's output by kind of head: `Nuclei#TYPE` gives `Nuclei-TYPE`."""
        return {head.kind: f"{self.name.split('#')[0]}-{head.kind}" for head in self.heads}


@dataclass(frozen=True)
class PatchHeadConfig:
    """A head on the deepest encoder map.

    name: `Patch-Class` classifies the cells of a slide (the tissue head), `Image-Class` a whole image.
    """

    name: str
    classes: tuple[str, ...]
    width: int = 256
    dropout: float = 0.3


@dataclass(frozen=True)
class NetworkConfig:
    """A Cerberus network (Graham et al. 2023, section 3.1).

    blocks: residual blocks of the four encoder layers.  widths: channels of the stem and of the four layers
    (full, 1/2, 1/4, 1/8, 1/16 size).  unused_classifier: outputs of the encoder's never used `fc` layer, kept so
    that official state dicts fit, 0 for none.  mpp: µm/px of the grid, on which tiles are laid and maps given.
    margin: px of context around what is kept that make the result independent of the tiling; 8 modulo 16, the phase
    of the reference's patches.  stem_stride: how many times finer than the grid the input is; the stem halves it once
    when 2, so that outlines are drawn from all that a 40x slide shows at the cost of a 20x network.
    """

    blocks: tuple[int, int, int, int]
    widths: tuple[int, int, int, int, int]
    stem_kernel: int
    head_width: int
    decoders: tuple[DecoderConfig, ...]
    patch_head: PatchHeadConfig | None
    unused_classifier: int = 0
    mpp: float = 0.5
    margin: int = 200
    stem_stride: int = 1

    @property
    def input_mpp(self) -> float:
        """µm/px of the pixels that the network takes."""
        return self.mpp / self.stem_stride

    @property
    def nucleus_head(self) -> HeadConfig | None:
        """The head of the nuclei's instances, None without."""
        heads = (head for decoder in self.decoders if decoder.name == "Nuclei" for head in decoder.heads)
        return next((head for head in heads if head.kind == "INST"), None)

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "NetworkConfig":
        """The inverse of `as_dict`. Raises KeyError or TypeError for anything else."""
        decoders = tuple(
            DecoderConfig(
                d["name"],
                tuple(HeadConfig(**{**h, "classes": tuple(h["classes"])}) for h in d["heads"]),
                d["stages"],
            )
            for d in data["decoders"]
        )
        patch = data["patch_head"]
        patch_head = None if patch is None else PatchHeadConfig(**{**patch, "classes": tuple(patch["classes"])})
        return cls(
            **{
                **data,
                "blocks": tuple(data["blocks"]),
                "widths": tuple(data["widths"]),
                "decoders": decoders,
                "patch_head": patch_head,
            }
        )


def output_classes(config: NetworkConfig) -> dict[str, tuple[str, ...]]:
    """Channel names of each output, by output name: `Nuclei-INST`, … and the tissue head's name."""
    classes = {d.outputs[head.kind]: head.classes for d in config.decoders for head in d.heads}
    if config.patch_head is not None:
        classes[config.patch_head.name] = config.patch_head.classes
    return classes


def official_config() -> NetworkConfig:
    """The published network: ResNet34 encoder with a stride-1 stem, five pixel decoders, the tissue head."""
    instance = (HeadConfig("INST", INSTANCE_CLASSES),)
    return NetworkConfig(
        blocks=(3, 4, 6, 3),
        widths=(64, 64, 128, 256, 512),
        stem_kernel=7,
        head_width=96,
        decoders=(
            DecoderConfig("Lumen", instance),
            DecoderConfig("Gland", instance),
            DecoderConfig("Nuclei", instance),
            DecoderConfig("Nuclei#TYPE", (HeadConfig("TYPE", NUCLEUS_TYPES),)),
            DecoderConfig("Gland#TYPE", (HeadConfig("TYPE", GLAND_TYPES),)),
        ),
        patch_head=PatchHeadConfig("Patch-Class", TISSUE_CLASSES),
        unused_classifier=1000,
    )


NUCLEUS_GROUPS = ("nolabel", "epithelial", "inflammatory", "connective", "other")


def lean_config() -> NetworkConfig:
    """The bundled model's network: about a tenth of the official one's work per square micrometre.

    It takes 0.25 µm/px and works on a grid of 0.5. Nuclei are outlined at 0.25, because at 0.5 a good part of
    crowded ones cannot be told apart whatever the network (drawing CoNSeP's own labels at 0.5 costs 0.2 PQ); glands
    and lumina, whose outlines need no single pixels, are decoded at 1.
    """
    instance = HeadConfig("INST", INSTANCE_CLASSES)
    return NetworkConfig(
        blocks=(2, 2, 2, 2),
        widths=(32, 32, 64, 128, 192),
        stem_kernel=8,
        head_width=32,
        decoders=(
            DecoderConfig(
                "Nuclei",
                (HeadConfig("INST", INSTANCE_CLASSES, 2, inner_contour=True), HeadConfig("TYPE", NUCLEUS_GROUPS)),
            ),
            DecoderConfig("Gland", (instance,), stages=3),
            DecoderConfig("Lumen", (instance,), stages=3),
        ),
        patch_head=None,
        margin=104,
        stem_stride=2,
    )
