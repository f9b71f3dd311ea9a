"""What a lab's classes mean in a harvest."""

from cerberus_annotate.annotate.classes import ClassTable
from cerberus_annotate.harvest.types import meaning_of
from cerberus_annotate.qupath import PathClass

CELL = PathClass.of("Cell")


def test_a_class_that_stands_for_several_types_says_none() -> None:
    types = ("Nucleus: Epithelial", "Nucleus: Connective", "Nucleus")
    for order in (types, types[::-1], (types[1], types[2], types[0])):
        meaning = meaning_of([ClassTable(dict.fromkeys(order, CELL))])
        assert meaning.type_of("nuclei", "Cell") == ""


def test_a_class_that_stands_for_one_type_says_it_under_several_mappings() -> None:
    table = ClassTable({"Nucleus: Epithelial": PathClass.of("Tumour")})
    assert meaning_of([table, table]).type_of("nuclei", "Tumour") == "epithelial"
