"""Which output of a network learns which task, and networks with the heads that a plan asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cerberus_annotate.learn.training.plan import Plan
from cerberus_annotate.network.config import (
    DecoderConfig,
    HeadConfig,
    NetworkConfig,
    PatchHeadConfig,
    lean_config,
    official_config,
)

TASK_HEADS = {
    "nuclei": ("Nuclei", "INST"),
    "nucleus-types": ("Nuclei", "TYPE"),
    "gland": ("Gland", "INST"),
    "gland-types": ("Gland", "TYPE"),
    "lumen": ("Lumen", "INST"),
    "mask": ("Region", "SEG"),
}
"""Output of each task, as its decoder's name before any `#` and the kind of its head; `patch` has the patch head."""


@dataclass(frozen=True)
class Heads:
    """The heads of a network by task. decoders: the name of the decoder that each task's head sits on."""

    tasks: tuple[str, ...]
    heads: Mapping[str, HeadConfig]
    decoders: Mapping[str, str]
    patch_head: str | None
    patch_classes: tuple[str, ...]

    def of(self, task: str) -> HeadConfig:
        """The pixel head of a task."""
        return self.heads[task]

    def decoder(self, task: str) -> str:
        """The name of the decoder, or of the patch head, that computes a task."""
        return self.decoders.get(task, self.patch_head or "")

    def output(self, task: str) -> str:
        """The name of a task's logits."""
        if task == "patch":
            return self.patch_head or ""
        return "-".join(TASK_HEADS[task])


def heads_of(config: NetworkConfig) -> Heads:
    """The tasks that a network can learn."""
    heads, decoders = {}, {}
    for task, (name, kind) in TASK_HEADS.items():
        for decoder in config.decoders:
            for head in decoder.heads:
                if decoder.name.split("#")[0] == name and head.kind == kind:
                    heads[task], decoders[task] = head, decoder.name
    patch = config.patch_head
    tasks = (*heads, *(() if patch is None else ("patch",)))
    return Heads(tasks, heads, decoders, None if patch is None else patch.name, () if patch is None else patch.classes)


def network_for(plan: Plan) -> NetworkConfig:
    """The preset's network with the heads of the plan's tasks alone."""
    base = lean_config() if plan.preset == "lean" else official_config()
    wanted = {TASK_HEADS[task] for task in plan.tasks if task != "patch"}
    decoders = []
    for decoder in base.decoders:
        heads = tuple(h for h in decoder.heads if (decoder.name.split("#")[0], h.kind) in wanted)
        if heads:
            decoders.append(replace(decoder, heads=heads))
    if "mask" in plan.tasks:
        decoders.append(DecoderConfig("Region", (HeadConfig("SEG", plan.mask_classes),), base.decoders[-1].stages))
    patch = PatchHeadConfig("Image-Class", plan.patch_classes) if "patch" in plan.tasks else None
    return replace(base, decoders=tuple(decoders), patch_head=patch, unused_classifier=0)
