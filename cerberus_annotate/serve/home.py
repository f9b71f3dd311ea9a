"""Where the scripts find the command and a running service: files of this user on this computer."""

import json
import os
import sys
from pathlib import Path

from cerberus_annotate.files import write_whole


def home_folder() -> Path:
    """`CERBERUS_ANNOTATE_HOME`, else `~/.cerberus-annotate`."""
    home = os.environ.get("CERBERUS_ANNOTATE_HOME")
    return Path(home) if home else Path.home() / ".cerberus-annotate"


def note_command() -> Path:
    """Notes how this very installation is called, for QuPath seldom has a terminal's PATH.  Raises ProjectError."""
    path = home_folder() / "command.json"
    content = {"command": [sys.executable, "-m", "cerberus_annotate"]}
    write_whole(path, json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogateescape"), "The command's place")
    return path
