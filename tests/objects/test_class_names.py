import pytest

from cerberus_annotate.objects.class_names import class_colour, class_name

NUCLEI = ["nolabel", "neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective"]
TISSUE = ["background", "abnormal_epi", "normal_epi", "inflammatory", "muscle", "stroma", "debris", "mucous", "adipose"]


@pytest.mark.parametrize(
    ("task", "index", "names", "expected"),
    [
        ("nuclei", 0, NUCLEI, "Nucleus"),
        ("nuclei", 2, NUCLEI, "Nucleus: Epithelial"),
        ("nuclei", 3, NUCLEI, "Nucleus: Lymphocyte"),
        ("nuclei", 0, [], "Nucleus"),
        ("gland", 1, ["nolabel", "gland", "surface-epi"], "Gland"),
        ("gland", 2, ["nolabel", "gland", "surface-epi"], "Gland: Surface epithelium"),
        ("lumen", 1, ["nolabel", "lumen"], "Lumen"),
        ("tissue", 1, TISSUE, "Tissue: Abnormal epithelium"),
        ("tissue", 5, TISSUE, "Tissue: Stroma"),
        ("nuclei", 1, ["nolabel", "Ki-67: positive"], "Nucleus: Ki 67 positive"),
        ("nuclei", 9, NUCLEI, "Nucleus"),
    ],
)
def test_class_texts(task, index, names, expected):
    assert class_name(task, index, names) == expected


def test_known_classes_have_colours_of_their_own():
    classes = {class_name("nuclei", index, NUCLEI) for index in range(7)}
    classes |= {class_name("tissue", index, TISSUE) for index in range(1, 9)}
    classes |= {"Gland", "Gland: Surface epithelium", "Lumen"}
    colours = [class_colour(each) for each in classes]
    assert len(set(colours)) == len(classes)
    assert class_colour("Nucleus: Epithelial") == (0, 255, 0)


def test_an_unknown_class_gets_the_same_colour_every_time():
    colour = class_colour("Nucleus: Mitosis")
    assert colour == class_colour("Nucleus: Mitosis")
    assert colour != class_colour("Nucleus: Apoptosis")
    assert all(0 <= part <= 255 for part in colour)
