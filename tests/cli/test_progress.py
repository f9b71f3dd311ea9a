"""How far a run is, where no terminal shows bars, as in QuPath's log."""

import pytest

from cerberus_annotate.cli.progress import RichProgress


def test_a_line_a_tenth_of_the_tiles_and_none_for_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    with RichProgress(quiet=False) as progress:
        for name in ("one.svs", "[two].svs"):
            progress.image_started(name, 1, 2)
            for done in range(201):
                progress.tiles(done, 200, 10 * done)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 18
    assert lines[0] == "one.svs: 20 of 200 tiles, 200 objects"
    assert lines[9] == "[two].svs: 20 of 200 tiles, 200 objects"


def test_nothing_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with RichProgress(quiet=True) as progress:
        progress.image_started("one.svs", 1, 1)
        progress.tiles(5, 10, 3)
    assert capsys.readouterr().err == ""
