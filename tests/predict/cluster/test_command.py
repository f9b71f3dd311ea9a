"""`annotate --cluster`: what is printed, exit codes, and a scheduler that is lost in the middle."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from distributed import Client

from cerberus_annotate.cli import main
from cerberus_annotate.cli.progress import RichProgress
from cerberus_annotate.qupath import Project

from .conftest import objects_of

MakeProject = Callable[[int], Project]
Call = Callable[..., tuple[int, str, str]]

SCHEDULER_AND_WORKER = """
import time
from distributed import LocalCluster
cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, host="tcp://127.0.0.1", protocol="tcp://",
                       dashboard_address=":0")
print(cluster.scheduler_address, flush=True)
time.sleep(300)
"""


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command line; gives exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code, *capsys.readouterr()

    return run


def test_the_command_computes_there_and_prints_as_ever(call: Call, make_project: MakeProject, client: Client) -> None:
    project = make_project(1)
    code, out, _ = call("annotate", project.path, "--cluster", client.scheduler.address, "--regions", "whole", "--json")
    told = json.loads(out)
    assert (code, told["images"][0]["status"], told["model"]["name"]) == (0, "done", "cerberus-small")
    assert sum(told["objects"].values()) == sum(objects_of(project)[0].values()) > 20


def test_a_lost_scheduler_is_a_sentence_and_exit_3_and_the_next_run_goes_on(
    call: Call, make_project: MakeProject, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(4)
    command = ["annotate", project.path, "--regions", "whole", "--tasks", "nuclei", "--json"]
    with subprocess.Popen([sys.executable, "-c", SCHEDULER_AND_WORKER], stdout=subprocess.PIPE, text=True) as there:
        assert there.stdout is not None
        address = there.stdout.readline().strip()
        with monkeypatch.context() as patched:
            patched.setattr(RichProgress, "image_finished", lambda *_: there.kill())
            try:
                code, out, err = call(*command, "--cluster", address)
            finally:
                there.kill()
    assert (code, out) == (3, "")
    assert address in err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    code, out, _ = call(*command, "--cluster", client.scheduler.address)
    told = json.loads(out)
    assert (code, told["resumed"]) == (0, True)
    states = [image["status"] for image in told["images"]]
    assert states.count("skipped") >= 1
    assert states.count("skipped") + states.count("done") == 4
    for objects in objects_of(project):
        assert set(objects.values()) == {1}


def test_where_no_scheduler_answers_the_address_is_named(
    call: Call, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cerberus_annotate.predict.cluster import connection

    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.5)
    code, _, err = call("annotate", make_project(1).path, "--cluster", "tcp://127.0.0.1:9")
    assert code == 2
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in err
    assert "Traceback" not in err


def test_without_dask_it_says_what_to_install(
    call: Call, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cerberus_annotate.predict.cluster.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = call("annotate", make_project(1).path, "--cluster", "tcp://127.0.0.1:9")
    assert code == 2
    assert "pip install 'cerberus-annotate[cluster]'" in err
