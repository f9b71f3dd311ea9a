"""Which GeoJSON file belongs to which image: named after it, so that an export is imported into the same images."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cerberus_annotate.annotate.opening import choose_images
from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath import Image, Project

SUFFIXES = (".geojson", ".json", ".geojson.gz", ".json.gz")


def file_stems(images: Sequence[Image]) -> dict[str, str]:
    """Image id → name of its file without suffix; images whose files would have one name get their id behind it."""
    names = {image.id: _file_name(image.name) for image in images}
    counts = Counter(name.lower() for name in names.values())
    return {key: f"{name} ({key})" if counts[name.lower()] > 1 else name for key, name in names.items()}


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The GeoJSON files that are named, and those in the folders that are named.  Raises UsageError for none."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = [file for file in sorted(path.iterdir()) if file.is_file() and _stem(file) is not None]
        if not inside:
            raise UsageError(f"There is no GeoJSON file in the folder {path}.")
        found += inside
    return found


def match_files(project: Project, files: Sequence[Path], pattern: str | None) -> list[tuple[Image, list[Path]]]:
    """The images that get objects, in the project's order, each with its files.

    pattern: names the one image that all files are for; without it each file must be called as its image is, with or
    without the image's own suffix.  Raises UsageError for a file that fits no image, or several.
    """
    if pattern is not None:
        chosen = choose_images(project, [pattern])
        if len(chosen) > 1:
            raise UsageError(
                f"{len(chosen)} images of the project have a name like {pattern}; --image must name one. For images "
                "of one name, call the file 'NAME (ID).geojson', as export does."
            )
        return [(chosen[0], list(files))]
    stems = file_stems(project.images)
    # QuPath's own export proposes the name without the image's suffix
    bare = {image.id: Path(_file_name(image.name)).stem for image in project.images}
    files_of: dict[str, list[Path]] = {}
    for path in files:
        files_of.setdefault(_image_of(path, stems, bare), []).append(path)
    return [(image, files_of[image.id]) for image in project.images if image.id in files_of]


def _image_of(path: Path, stems: Mapping[str, str], bare: Mapping[str, str]) -> str:
    """Id of the image that a file is named after."""
    stem = _stem(path) or path.stem
    fitting = [key for key, name in stems.items() if name == stem] or [
        key for key, name in bare.items() if name == stem
    ]
    if len(fitting) == 1:
        return fitting[0]
    what = f"{path.name} fits {len(fitting)} images" if fitting else f"No image is called as the file {path.name}"
    raise UsageError(f"{what}; say with --image which one of the project's images it is for.")


def _stem(path: Path) -> str | None:
    """The name without its suffix, None when it has none of GeoJSON's."""
    name = path.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return None


def _file_name(image_name: str) -> str:
    """The image's name without characters that a file name may not have."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", image_name)
