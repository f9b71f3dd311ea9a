"""The documentation names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`|`::(\w+)`")


def test_every_test_that_the_page_on_safety_names_is_there() -> None:
    named = 0
    file = ""
    for match in NAMED.finditer((ROOT / "docs/safety.md").read_text("utf-8")):
        file = match[1] or file
        name = match[2] or match[3]
        text = (ROOT / file).read_text("utf-8")
        assert name is None or re.search(rf"^\s*def {name}\(", text, re.MULTILINE), f"{file} has no {name}"
        named += name is not None
    assert named > 50
