"""Where the pixels of a project's image come from: QuPath's server builders and the slide files they name."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any, Protocol

from cerberus_annotate.errors import SlideError
from cerberus_annotate.qupath.uri import file_name, file_uri, uri_path

OPENSLIDE = "qupath.lib.images.servers.openslide.OpenslideServerBuilder"
BIOFORMATS = "qupath.lib.images.servers.bioformats.BioFormatsServerBuilder"
IMAGEJ = "qupath.imagej.images.servers.ImageJServerBuilder"
_PROVIDERS = {"openslide": OPENSLIDE, "bioformats": BIOFORMATS, "imagej": IMAGEJ}

#: What each wrapper does to the pixels; `pyramidize` alone leaves them where they are.
_WRAPPERS = {
    "rotated": "turns the image",
    "flipped": "mirrors the image",
    "cropped": "shows a part of the image",
    "affine": "transforms the image",
    "sparse": "puts the image together from parts",
    "channels": "puts channels of several images together",
    "color": "computes its channels",
    "color_deconvolved": "shows separated stains",
    "normalized": "changes the colours",
    "typeConvert": "changes the pixel type",
    "swapRedBlue": "swaps red and blue",
    "sliced": "shows some planes of a stack",
    "z_projected": "projects a stack",
    "z_concatenated": "puts planes together to a stack",
}


@dataclass(frozen=True)
class ServerBuilder:
    """The server builder of one image entry.

    builder_type: `uri`, or the wrapper's name. provider: full class name, "" when none. uri: as it stands in the
    file, of the innermost builder when there is one only; "" when none. args: of that builder. metadata: raw JSON
    of the image's metadata (width, height, levels, pixelCalibration …) or None. json: the whole raw JSON.
    """

    builder_type: str
    provider: str
    uri: str
    args: tuple[str, ...]
    metadata: Mapping[str, Any] | None
    json: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, json: Any) -> "ServerBuilder":
        """The builder that `json` describes; what is missing or odd is left empty."""
        if not isinstance(json, Mapping):
            return cls("", "", "", (), None, {})
        inner = innermost(json)
        metadata = json.get("metadata")
        if metadata is None and json.get("builderType") == "pyramidize":
            metadata = inner.get("metadata")
        args = inner.get("args")
        return cls(
            builder_type=_text(json.get("builderType")),
            provider=_text(inner.get("providerClassName")),
            uri=_text(inner.get("uri")),
            args=tuple(str(arg) for arg in args) if isinstance(args, list) else (),
            metadata=metadata if isinstance(metadata, Mapping) else None,
            json=json,
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def innermost(json: Mapping[str, Any]) -> Mapping[str, Any]:
    """The builder inside all wrappers that hold exactly one."""
    for _ in range(100):
        inner = json.get("builder")
        if not isinstance(inner, Mapping):
            break
        json = inner
    return json


@dataclass(frozen=True)
class SlideLocation:
    """A slide file and how QuPath opens it.

    crop_bounds: level 0 is cropped to OpenSlide's bounds. series: index of the image in the file.
    provider: class name of the builder that QuPath uses.
    """

    path: Path
    crop_bounds: bool
    series: int
    provider: str


class _Project(Protocol):
    @property
    def path(self) -> Path: ...

    @property
    def uri(self) -> str: ...


def slide_location(
    server: ServerBuilder,
    project: _Project,
    *,
    slides_dirs: Iterable[str | Path] = (),
    image_name: str | None = None,
) -> SlideLocation:
    """The file that `server` shows, and the way it is to be opened.

    The URI is taken as it stands when that file exists; else the project may have been moved, and the place relative
    to the project's former folder is tried (as QuPath offers it); else `slides_dirs` are searched for the file's
    name. Raises SlideError when the file is not found, or when the server does something to the pixels that cannot
    be mapped exactly.
    """
    name = image_name or _text((server.metadata or {}).get("name")) or server.uri or "without name"
    builder: Mapping[str, Any] = server.json
    while builder.get("builderType") == "pyramidize":
        inner = builder.get("builder")
        builder = inner if isinstance(inner, Mapping) else {}
    builder_type = _text(builder.get("builderType"))
    if builder_type != "uri":
        does = _WRAPPERS.get(builder_type, "is not known to this program")
        raise SlideError(
            f"Image '{name}' is served by QuPath's '{builder_type or 'unnamed'}' server, which {does}. Its pixels "
            "cannot be mapped exactly, so it is left alone; add the slide file itself to the project."
        )
    _refuse_stack(server.metadata or {}, name)
    crop_bounds, series = _opening(server, name)
    tried = []
    for candidate in _candidates(server.uri, project, name):
        if candidate.is_file() or (candidate.is_dir() and candidate.suffix.lower() == ".zarr"):
            return SlideLocation(candidate, crop_bounds, series, server.provider)
        tried.append(candidate)
    found = _search(file_name(server.uri), slides_dirs, name)
    if found is not None:
        return SlideLocation(found, crop_bounds, series, server.provider)
    places = " or ".join(dict.fromkeys([str(uri_path(server.uri)), *map(str, tried)]))
    raise SlideError(
        f"The slide of image '{name}' is not at {places}. Put it there, correct its place in QuPath "
        "(Project > Check project URIs), or name the folder it lies in with --slides-dir."
    )


def _refuse_stack(metadata: Mapping[str, Any], name: str) -> None:
    """Raises SlideError for an image of several planes: which of them a file's reader shows is not known."""
    sizes = {what: metadata.get(key) for key, what in (("sizeZ", "focal planes"), ("sizeT", "time points"))}
    said = " × ".join(f"{size} {what}" for what, size in sizes.items() if isinstance(size, int) and size > 1)
    if said:
        raise SlideError(
            f"Image '{name}' is a stack of {said} in QuPath. Objects could come to lie on another plane than the one "
            "they were found on, so it is left alone; export the plane as an image of its own and add that."
        )


def _opening(server: ServerBuilder, name: str) -> tuple[bool, int]:
    """(crop bounds, series) by the builder's class and arguments."""
    kind = re.split(r"[.$]", server.provider)[-1]
    arguments = list(server.args)
    crop_bounds, series = kind == "OpenslideServerBuilder", 0
    if kind not in ("OpenslideServerBuilder", "BioFormatsServerBuilder", "ImageJServerBuilder") and (
        "ImageIo" not in kind
    ):
        raise SlideError(
            f"Image '{name}' is opened in QuPath by {server.provider or 'an unnamed reader'}, whose pixels are not "
            "known to be those of the file. Add the slide to the project with OpenSlide or Bio-Formats."
        )
    while arguments:
        argument = arguments.pop(0)
        option, _, value = argument.partition("=")
        if option == "--no-crop" and kind == "OpenslideServerBuilder":
            crop_bounds = False
        elif option == "--series":
            value = value or (arguments.pop(0) if arguments else "")
            if not value.isdecimal():
                raise SlideError(f"Image '{name}' asks for series '{value}' of its file; that is no number.")
            series = int(value)
        elif option == "--classname":
            value or (arguments and arguments.pop(0))
        else:
            raise SlideError(
                f"Image '{name}' is opened in QuPath with the argument '{argument}', which may change its pixels "
                "and is not known to this program. Add the slide to the project without it."
            )
    return crop_bounds, series


def _native(path: PurePath) -> Path | None:
    """`path` on this system, or None when it belongs to another."""
    return Path(path) if isinstance(path, PureWindowsPath) == (os.name == "nt") else None


def _candidates(uri: str, project: _Project, name: str) -> list[Path]:
    path = uri_path(uri)
    if path is None:
        raise SlideError(
            f"Image '{name}' lies at '{uri}', which is no file on a disk. Only slides in files can be pre-labelled."
        )
    here = project.path.parent
    candidates: list[Path | None] = []
    if path.is_absolute():
        candidates.append(_native(path))
    else:
        candidates.append(here.joinpath(*path.parts))
    former = uri_path(project.uri) if project.uri else None
    if former is not None and type(former) is type(path) and former.anchor.lower() == path.anchor.lower():
        candidates.append(here.joinpath(*_relative(path, former.parent)))
    return [Path(os.path.normpath(candidate)) for candidate in candidates if candidate is not None]


def _relative(path: PurePath, start: PurePath) -> tuple[str, ...]:
    """Parts of the way from folder `start` to `path`, with `..` where it goes up."""
    fold = str.casefold if isinstance(path, PureWindowsPath) else str
    shared = 0
    for one, other in zip(path.parts, start.parts, strict=False):
        if fold(one) != fold(other):
            break
        shared += 1
    return ("..",) * (len(start.parts) - shared) + path.parts[shared:]


def _search(name: str, folders: Iterable[str | Path], image_name: str) -> Path | None:
    """The file called `name` in the folders: at their top first, then below, then in another case (`A.SVS`)."""
    if not name:
        return None
    roots = [Path(folder) for folder in folders]
    for root in roots:
        if (root / name).is_file():
            return root / name
    found = sorted({path for root in roots for path in root.rglob(_literal(name)) if path.is_file()})
    if not found:
        below = (path for root in roots for path in root.rglob("*"))
        found = sorted({path for path in below if path.name.casefold() == name.casefold() and path.is_file()})
    if len(found) > 1:
        raise SlideError(
            f"The slide of image '{image_name}' was looked for by its name, and there are {len(found)} files called "
            f"'{name}' (such as {found[0]} and {found[1]}). Name the folder of the right one with --slides-dir."
        )
    return found[0] if found else None


def _literal(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


class _Level(Protocol):
    @property
    def downsample(self) -> float: ...

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...


def server_for_slide(
    path: str | Path,
    name: str,
    width: int,
    height: int,
    levels: Sequence[_Level] = (),
    pixel_size: tuple[float, float] | None = None,
    magnification: float | None = None,
    provider: str = "openslide",
    *,
    series: int = 0,
    tile_size: tuple[int, int] = (256, 256),
) -> ServerBuilder:
    """The builder of an 8-bit RGB slide as QuPath 0.6 writes it.

    width, height: level 0 in px as QuPath shows it. levels: each with downsample, width, height (level 0 first; none:
    level 0 alone). pixel_size: (x, y) in µm per px, None when unknown. provider: `openslide`, `bioformats`, `imagej`
    or a full class name. series: index of the image in the file (Bio-Formats only).
    """
    class_name = _PROVIDERS.get(provider, provider)
    args = ["--series", str(series)] if class_name == BIOFORMATS else []
    unit = "px" if pixel_size is None else "µm"
    x, y = (1.0, 1.0) if pixel_size is None else pixel_size
    sizes = [(float(level.downsample), int(level.width), int(level.height)) for level in levels]
    metadata: dict[str, Any] = {
        "name": name,
        "width": int(width),
        "height": int(height),
        "sizeZ": 1,
        "sizeT": 1,
        "channelType": "DEFAULT",
        "isRGB": True,
        "pixelType": "UINT8",
        "levels": [
            {"downsample": downsample, "width": level_width, "height": level_height}
            for downsample, level_width, level_height in sizes or [(1.0, int(width), int(height))]
        ],
        "channels": [
            {"name": "Red", "color": -65536},
            {"name": "Green", "color": -16711936},
            {"name": "Blue", "color": -16776961},
        ],
        "pixelCalibration": {
            "pixelWidth": {"value": float(x), "unit": unit},
            "pixelHeight": {"value": float(y), "unit": unit},
            "zSpacing": {"value": 1.0, "unit": "z-slice"},
            "timeUnit": "SECONDS",
            "timepoints": [],
        },
    }
    if magnification is not None:
        metadata["magnification"] = float(magnification)
    metadata["preferredTileWidth"] = min(int(width), tile_size[0])
    metadata["preferredTileHeight"] = min(int(height), tile_size[1])
    return ServerBuilder.from_json(
        {
            "builderType": "uri",
            "providerClassName": class_name,
            "uri": file_uri(path),
            "args": args,
            "metadata": metadata,
        }
    )
