"""File URIs as Java writes them, on whatever system it ran."""

import os
import re
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote, urlsplit


def uri_path(uri: str) -> PurePath | None:
    """The path that a `file:` URI names, of the system that it was written on; None for other URIs.

    `file:/x`, `file:///x` and plain paths; `file:/C:/x` is a Windows drive, `file://host/share` a Windows share.
    """
    if re.match(r"[A-Za-z]:[\\/]", uri) or uri.startswith("\\\\"):
        return PureWindowsPath(uri)
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme == "":
        return PurePosixPath(unquote(uri))
    if parts.scheme.lower() != "file" or parts.query or parts.fragment:
        return None
    path = unquote(parts.path)
    if "\0" in path or not path:
        return None
    host = parts.netloc if parts.netloc.lower() != "localhost" else ""
    if host:
        return PureWindowsPath(f"//{host}{path}")
    if path.startswith("//"):
        return PureWindowsPath(path)
    if re.match(r"/[A-Za-z]:(/|$)", path):
        return PureWindowsPath(path[1:])
    return PurePosixPath(path)


def file_name(uri: str) -> str:
    """The last part of a URI's path."""
    path = uri_path(uri)
    return path.name if path is not None else ""


def file_uri(path: str | PurePath) -> str:
    """`path`, made absolute, as the URI that Java writes: one slash after `file:`, percent-encoded UTF-8."""
    if not isinstance(path, PureWindowsPath):
        path = Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links, QuPath does not)
    text = path.as_posix()
    if not text.startswith("/"):
        text = "/" + text
    return "file:" + quote(text, safe="/;:@&=+$,-_.!~*'()")


def same_uri(one: str, other: str) -> bool:
    """Do two URIs name the same file, whatever way they are written?

    Two spellings that differ in case only name one file where the disk does not tell them apart.
    """
    here, there = uri_path(one), uri_path(other)
    if one == other or (here is not None and here == there):
        return True
    if here is None or there is None or str(here).casefold() != str(there).casefold():
        return False
    try:
        return os.path.samefile(here, there)  # noqa: PTH121  (pure paths, of whatever system)
    except OSError:
        return False
