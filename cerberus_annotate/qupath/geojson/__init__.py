"""GeoJSON as QuPath 0.3 to 0.7 write and read it (File > Import objects from file): objects in level-0 pixels.

Both directions go feature by feature, so that a file of millions of objects needs no more memory than one of a few.
"""

from cerberus_annotate.qupath.geojson.reading import iterate_geojson, read_geojson
from cerberus_annotate.qupath.geojson.writing import write_geojson

__all__ = ["iterate_geojson", "read_geojson", "write_geojson"]
