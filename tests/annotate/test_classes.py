"""A lab's mapping of class names."""

from pathlib import Path

import pytest

from cerberus_annotate.annotate.classes import ClassTable, known_classes, read_classes
from cerberus_annotate.errors import UsageError
from cerberus_annotate.network.config import lean_config, official_config, output_classes

KNOWN = known_classes(output_classes(official_config()), output_classes(lean_config()))


def mapping(tmp_path: Path, text: str) -> ClassTable:
    path = tmp_path / "lab.toml"
    path.write_text(text, "utf-8")
    return read_classes(path, KNOWN)


def test_our_classes_are_those_of_the_issue() -> None:
    for text in ("Gland", "Gland: Surface epithelium", "Lumen", "Nucleus", "Nucleus: Epithelial", "Tissue: Stroma"):
        assert text in KNOWN


def test_without_a_mapping_ours_are_kept_with_their_colours() -> None:
    assert str(ClassTable().path_class("Nucleus: Epithelial")) == "Nucleus: Epithelial"
    assert ClassTable().path_class("Gland").colour is not None


def test_names_and_colours(tmp_path: Path) -> None:
    table = mapping(
        tmp_path,
        '"Nucleus: Epithelial" = { name = "Tumour: Cell", colour = "#c80a00" }\n'
        'Gland = "Drüse"\nLumen = { colour = [1, 2, 3] }\n',
    )
    assert str(table.path_class("Nucleus: Epithelial")) == "Tumour: Cell"
    assert table.path_class("Nucleus: Epithelial").colour == (200, 10, 0)
    assert str(table.path_class("Gland: Surface epithelium")) == "Drüse: Surface epithelium"
    assert (str(table.path_class("Lumen")), table.path_class("Lumen").colour) == ("Lumen", (1, 2, 3))
    assert table.bases("nuclei") == {"Nucleus", "Tumour"}
    assert table.bases("gland") == {"Gland", "Drüse"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('"Nucleus: Epithelal" = "X"', 'names "Nucleus: Epithelal".*Known: "Nucleus"'),
        ('Gland = "a: "', "cannot be a class name"),
        ('Gland = { nam = "x" }', "needs a name"),
        ('Gland = { colour = "red" }', "is no colour"),
        ("Gland = { colour = [1, 2, 300] }", "is no colour"),
        ('Gland = { colour = "#12345g" }', "Gland"),
        ("Gland = 3", "needs a name"),
        ('Gland = "Region*"', "where to look"),
        ("Gland = { name = 3 }", "lab.toml"),
        ("Gland", "no valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        mapping(tmp_path, text)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_classes(tmp_path / "none.toml", KNOWN)
