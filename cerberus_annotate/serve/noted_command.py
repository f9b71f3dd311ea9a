"""How this installation is called, noted where the scripts in QuPath look for it."""

import json
import sys
from pathlib import Path

from cerberus_annotate.files import write_whole
from cerberus_annotate.network.registry import home_folder


def note_command() -> Path:
    """Notes how this very installation is called, for QuPath seldom has a terminal's PATH.  Raises ProjectError."""
    path = home_folder() / "command.json"
    content = {"command": [sys.executable, "-m", "cerberus_annotate"]}
    write_whole(path, json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogateescape"), "The command's place")
    return path
