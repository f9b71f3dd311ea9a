"""Starting: fast, without torch, with help that helps."""

import subprocess
import sys
from collections.abc import Callable

import pytest

import cerberus_annotate
from cerberus_annotate.cli.group import COMMANDS

Call = Callable[..., "object"]
OPTIONS = [
    *("--model", "--tasks", "--write-tissue", "--min-confidence", "--regions", "--images", "--nuclei-as", "--classes"),
    *("--mpp", "--any-stain", "--device", "--precision", "--batch-size", "--geometry", "--engine", "--geojson-dir"),
    *("--slides-dir", "--dry-run", "--json", "--verbose", "--quiet"),
]
HEAVY = ("torch", "cv2", "skimage", "scipy", "openslide", "tifffile", "shapely", "numpy")


@pytest.mark.parametrize("arguments", [["--help"], ["annotate", "-h"], ["runs", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom cerberus_annotate.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cerberus_annotate", "--version"], capture_output=True, text=True, check=True
    )
    assert cerberus_annotate.__version__ in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(call: Call, name: str) -> None:
    for flag in ("-h", "--help"):
        result = call(name, flag)
        assert result.code == 0
        shown = f"cerberus-annotate {name}" if name != "annotate" else "cerberus-annotate project.qpproj"
        assert shown in result.out.split("Usage:")[1].split("\n", 1)[1]


@pytest.mark.parametrize(
    "arguments",
    [("runs", "list"), ("runs", "remove"), ("models", "list"), ("models", "info"), ("models", "import")],
)
def test_so_have_the_commands_below(call: Call, arguments: tuple[str, ...]) -> None:
    result = call(*arguments, "--help")
    assert f"  cerberus-annotate {' '.join(arguments)}" in result.out


def test_help_names_all_options_of_annotate(call: Call) -> None:
    text = call("annotate", "--help").out
    for option in OPTIONS:
        assert option in text


def test_no_arguments_show_the_help(call: Call) -> None:
    result = call()
    assert "Commands:" in result.out + result.err


def test_a_mistyped_command_is_named(call: Call) -> None:
    result = call("anotate", "project")
    assert result.code == 2
    assert "Did you mean 'annotate'?" in result.err
