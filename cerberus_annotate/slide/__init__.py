"""Pixels: open a slide, read it at any pixel size, find its tissue, lay tiles over it.

Knows OpenSlide, tifffile and Pillow (each loaded when first needed); nothing of networks or QuPath.
"""

from cerberus_annotate.slide.demo_slide import write_demo_slide
from cerberus_annotate.slide.opening import open_recipe, open_slide
from cerberus_annotate.slide.pyramid import write_pyramid
from cerberus_annotate.slide.recipe import SlideRecipe
from cerberus_annotate.slide.region import Region
from cerberus_annotate.slide.sampling import grid_size, read_overview, read_scaled
from cerberus_annotate.slide.slide import Level, Slide
from cerberus_annotate.slide.tiles import Tile, tile_grid
from cerberus_annotate.slide.tissue import tissue_polygons

__all__ = [
    "Level",
    "Region",
    "Slide",
    "SlideRecipe",
    "Tile",
    "grid_size",
    "open_recipe",
    "open_slide",
    "read_overview",
    "read_scaled",
    "tile_grid",
    "tissue_polygons",
    "write_demo_slide",
    "write_pyramid",
]
