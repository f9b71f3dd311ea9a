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
    """One output of a pixel decoder: `kind` is INST or TYPE, `classes` name its channels in order."""

    kind: str
    classes: tuple[str, ...]


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
    """The tissue head on the deepest encoder map."""

    name: str
    classes: tuple[str, ...]
    width: int = 256
    dropout: float = 0.3


@dataclass(frozen=True)
class NetworkConfig:
    """A Cerberus network (Graham et al. 2023, section 3.1).

    blocks: residual blocks of the four encoder layers.  widths: channels of the stem and of the four layers
    (full, 1/2, 1/4, 1/8, 1/16 size).  unused_classifier: outputs of the encoder's never used `fc` layer, kept so
    that official state dicts fit, 0 for none.  mpp: µm/px of the input.  margin: px of context around what is
    kept that make the result independent of the tiling; 8 modulo 16, the phase of the reference's patches.
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

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "NetworkConfig":
        """The inverse of `as_dict`. Raises KeyError or TypeError for anything else."""
        decoders = tuple(
            DecoderConfig(
                d["name"],
                tuple(HeadConfig(h["kind"], tuple(h["classes"])) for h in d["heads"]),
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


def lean_config() -> NetworkConfig:
    """The bundled model's network: about a twentieth of the official one's work per pixel.

    Nuclei are decoded to full size with instances and types in one decoder; glands, whose outlines need no
    single pixels, to half size.
    """
    instance = HeadConfig("INST", INSTANCE_CLASSES)
    return NetworkConfig(
        blocks=(2, 2, 2, 2),
        widths=(16, 32, 64, 128, 192),
        stem_kernel=5,
        head_width=32,
        decoders=(
            DecoderConfig(
                "Nuclei",
                (
                    instance,
                    HeadConfig("TYPE", ("nolabel", "epithelial", "inflammatory", "connective", "other")),
                ),
            ),
            DecoderConfig("Gland", (instance,), stages=3),
        ),
        patch_head=None,
        margin=104,
    )
