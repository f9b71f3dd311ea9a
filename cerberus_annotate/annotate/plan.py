"""What a run would do, without doing it."""

from dataclasses import dataclass
from typing import Any, Protocol

from cerberus_annotate.annotate.opening import check_type, choose_images, open_image, pixel_size
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.regions import check_regions, find_regions
from cerberus_annotate.errors import CerberusError
from cerberus_annotate.qupath import Image, Project
from cerberus_annotate.slide.slide import Slide

# of dense tissue
NUCLEI_PER_MM2 = 5500
BYTES_PER_OBJECT = 450


class ModelFacts(Protocol):
    """What a plan needs to know of the model."""

    @property
    def tasks(self) -> tuple[str, ...]: ...


class Expect(Protocol):
    """Tells how many tiles a slide has and about how many seconds it will take; arguments as `Predict`."""

    def __call__(
        self, slide: Slide, mpp: tuple[float, float], *, tasks: tuple[str, ...], areas: Any
    ) -> tuple[int, float]: ...


@dataclass(frozen=True)
class ImagePlan:
    """What would be done with one image.

    mpp: (x, y) µm/px; mpp_from: `project`, `file` or `--mpp`. regions: what they are, for people. area_mm2: of the
    regions. tiles: of the network. seconds, megabytes: rough expectations of time and of added data.
    refusal: the sentence why it would not be done, "" otherwise.
    """

    id: str
    name: str
    slide: str = ""
    width: int = 0
    height: int = 0
    mpp: tuple[float, float] | None = None
    mpp_from: str = ""
    regions: str = ""
    area_mm2: float = 0.0
    tiles: int = 0
    seconds: float = 0.0
    megabytes: float = 0.0
    refusal: str = ""


@dataclass(frozen=True)
class Plan:
    """tasks that would be predicted, and the images in the project's order."""

    tasks: tuple[str, ...]
    images: tuple[ImagePlan, ...]

    @property
    def exit_code(self) -> int:
        """0 when every image can be done, else 1."""
        return int(any(image.refusal for image in self.images))


def plan(project: Project, model: ModelFacts, options: Options, expect: Expect) -> Plan:
    """Looks at each image as a run would, up to the network.  Raises UsageError when the options cannot be used."""
    tasks = options.chosen_tasks(tuple(model.tasks))
    check_regions(options.regions)
    images = choose_images(project, options.images)
    return Plan(tasks, tuple(_plan_image(project, image, tasks, options, expect) for image in images))


def _plan_image(project: Project, image: Image, tasks: tuple[str, ...], options: Options, expect: Expect) -> ImagePlan:
    from cerberus_annotate.slide.tissue import tissue_polygons

    try:
        check_type(image.name, image.image_type, options.any_stain)
        with open_image(project, image, options) as slide:
            mpp, source = pixel_size(image, slide, options.mpp)
            size = (slide.width, slide.height)
            by_class = options.regions == "auto" or options.regions.startswith("class:")
            objects = image.read_objects() if by_class else []
            regions = find_regions(options.regions, image.name, size, objects, lambda: tissue_polygons(slide, mpp))
            pixels = size[0] * size[1] if regions.area is None else regions.area.area
            tiles, seconds = expect(slide, mpp, tasks=tasks, areas=regions.area)
    except (CerberusError, OSError) as error:
        return ImagePlan(image.id, image.name, refusal=str(error))
    area_mm2 = pixels * mpp[0] * mpp[1] / 1e6
    return ImagePlan(
        image.id,
        image.name,
        slide=str(slide.path),
        width=size[0],
        height=size[1],
        mpp=mpp,
        mpp_from=source,
        regions=regions.said,
        area_mm2=round(area_mm2, 3),
        tiles=tiles,
        seconds=round(seconds, 1),
        megabytes=round(area_mm2 * NUCLEI_PER_MM2 * BYTES_PER_OBJECT / 1e6, 1),
    )
