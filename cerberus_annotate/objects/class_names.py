"""Class texts and display colours for what a model predicts, from its own lists of type names."""

import colorsys
import zlib
from collections.abc import Sequence

_PLAIN = {"nuclei": "Nucleus", "gland": "Gland", "lumen": "Lumen", "tissue": "Tissue"}

# Type names that say no more than the task itself.
_UNTYPED = {"nolabel", "nucleus", "nuclei", "gland", "lumen", "tissue", ""}

# Nuclei, glands and lumina as in the reference's data set file; the rest chosen to differ from them and each other.
_COLOURS = {
    "Nucleus": (40, 120, 255),
    "Nucleus: Neutrophil": (0, 0, 255),
    "Nucleus: Epithelial": (0, 255, 0),
    "Nucleus: Lymphocyte": (255, 0, 255),
    "Nucleus: Plasma": (176, 244, 230),
    "Nucleus: Eosinophil": (0, 191, 255),
    "Nucleus: Connective": (255, 165, 0),
    "Gland": (255, 255, 0),
    "Gland: Surface epithelium": (177, 52, 235),
    "Lumen": (131, 235, 52),
    "Tissue": (128, 128, 128),
    "Tissue: Abnormal epithelium": (200, 0, 0),
    "Tissue: Normal epithelium": (0, 130, 60),
    "Tissue: Inflammatory": (90, 40, 200),
    "Tissue: Muscle": (140, 80, 40),
    "Tissue: Stroma": (240, 130, 160),
    "Tissue: Debris": (70, 70, 70),
    "Tissue: Mucous": (0, 160, 170),
    "Tissue: Adipose": (235, 200, 90),
}


def class_name(task: str, type_index: int = 0, type_names: Sequence[str] = ()) -> str:
    """The class text of an object: `Nucleus: Epithelial`, `Gland: Surface epithelium`, `Tissue: Stroma`, or the plain
    `Nucleus`, `Gland`, `Lumen` where the type says nothing more (`nolabel`, `gland`, an index without a name).

    `task` is nuclei, gland, lumen or tissue; `type_names` are the names of the model's type head, by index.
    """
    plain = _PLAIN[task]
    name = type_names[type_index] if 0 <= type_index < len(type_names) else ""
    # A colon would be a further level of QuPath's class, an underscore or hyphen only joins words.
    words = name.replace("_", " ").replace("-", " ").replace(":", " ").split()
    if " ".join(words).lower() in _UNTYPED:
        return plain
    text = " ".join("epithelium" if word.lower() == "epi" else word for word in words)
    return f"{plain}: {text[0].upper()}{text[1:]}"


def class_colour(path_class: str) -> tuple[int, int, int]:
    """Display colour of a class text, (red, green, blue) 0 to 255. A class we do not know gets one from its text, the
    same every time."""
    if path_class in _COLOURS:
        return _COLOURS[path_class]
    hue = zlib.crc32(path_class.encode()) / 2**32
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)
