"""The live service over real sockets, also with visitors that mean no good."""

import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from shapely.geometry import box

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.qupath import PathObject, Project, write_geojson
from cerberus_annotate.serve import service
from cerberus_annotate.serve.live import Answer, Question
from cerberus_annotate.serve.session import Session

from .conftest import StubModel, StubPredictor

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra `serve`")

TOKEN = "the token"
REGION = UUID("11111111-2222-4333-8444-555555555555")


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Question], Answer]], int]]:
    """Starts a service for a function that answers; gives its port."""
    servers = []

    def start(ask: Callable[[Question], Answer]) -> int:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        config = uvicorn.Config(
            service.make_app(ask, TOKEN), log_config=None, lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        servers.append((server, thread, listener))
        return int(listener.getsockname()[1])

    yield start
    for server, thread, listener in servers:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def port(serve: Callable[..., int], project: Project) -> int:
    return serve(Session(project.path, "native", StubModel(), Options(), StubPredictor()).ask)


@pytest.fixture
def question(tmp_path: Path) -> bytes:
    """A region as QuPath sends it."""
    write_geojson([PathObject(roi=box(90, 90, 260, 260), roi_kind="Rectangle", uuid=REGION)], tmp_path / "q.geojson")
    return (tmp_path / "q.geojson").read_bytes()


def call(
    port: int, body: Any = None, path: str = f"/objects?image=1&region={REGION}", method: str = "POST", **headers: str
) -> tuple[int, Any]:
    """(status, JSON) of a request with the token."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}", **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def head(length: object) -> bytes:
    """The start of a request with the token, by hand."""
    lines = ("POST /objects?image=1 HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}", f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def still_answers(port: int) -> bool:
    return call(port, path="/status", method="GET") == (200, {"ready": True})


def test_a_region_is_answered_with_objects_as_qupath_reads_them(port: int, question: bytes) -> None:
    status, answer = call(port, question)
    assert status == 200
    assert (answer["remove"], answer["dropped"]) == ([], 0)
    features = answer["objects"]["features"]
    assert len(features) == 4
    assert {feature["properties"]["objectType"] for feature in features} == {"annotation"}
    assert {"cerberus.run", "cerberus.id"} <= set(features[0]["properties"]["metadata"])
    assert set(answer["parents"]) == {feature["id"] for feature in features}


def test_tasks_of_the_question(port: int, question: bytes) -> None:
    path = f"/objects?image=1&region={REGION}&task=gland"
    assert len(call(port, question, path)[1]["objects"]["features"]) == 1
    status, answer = call(port, question, f"/objects?image=1&region={REGION}&task=cells")
    assert (status, answer["error"][:19]) == (422, "There is no task 'c")


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", "Basic the token", "the token", f"bearer {TOKEN}"])
@pytest.mark.parametrize("path", ["/objects?image=1", "/status", "/", "/../../etc/passwd"])
def test_without_the_token_everything_is_refused(
    port: int, question: bytes, given: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    for method in ("POST", "GET", "OPTIONS"):
        status, answer = call(port, question, path, method, Authorization=given)
        assert status in (401, 405)
        assert "objects" not in (answer or {})
    assert "refused (401)" in caplog.text
    assert still_answers(port)


@pytest.mark.parametrize("image", ["2", "", "../1", "../../one.tif", "/etc/passwd", "file:///etc/passwd", "1\0", "é"])
def test_a_foreign_image_or_a_path_is_refused(
    port: int, question: bytes, image: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, answer = call(port, question, f"/objects?image={quote(image)}&region={REGION}")
    assert status == 422
    assert "no image with the entryID" in answer["error"]
    assert "refused (422)" in caplog.text
    assert still_answers(port)


@pytest.mark.parametrize("path", ["/", "/objects/../../etc/passwd", "/..%2f..%2fetc/passwd", "/project.qpproj", "//x"])
def test_no_file_is_served(port: int, path: str) -> None:
    status, answer = call(port, None, path, "GET")
    assert status == 404
    assert "There is nothing at" in answer["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not JSON",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"type":"FeatureCollection","features":[' + b'{"a":' * 100_000,
        b'{"type":"FeatureCollection","features":[1,null]}',
        b'{"type":"FeatureCollection","features":{}}',
        b'{"type":"Polygon","coordinates":[[[0,0],[1e999,0],[NaN,5],[0,0]]]}',
        b'{"type":"Feature","id":"%s","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}}'
        % str(REGION).encode(),
        b'{"type":"Feature","id":"%s","geometry":{"type":"Point","coordinates":[NaN,1]}}' % str(REGION).encode(),
        b'{"type":"Feature","id":"%s","geometry":null}' % str(REGION).encode(),
    ],
)
def test_a_body_that_is_no_question_is_a_sentence(port: int, body: bytes) -> None:
    status, answer = call(port, body)
    assert status == 422
    assert answer["error"].endswith(".")
    assert "/" not in answer["error"].replace("px/", "")  # no path of this computer
    assert still_answers(port)


def test_regions_that_are_no_uuid(port: int, question: bytes) -> None:
    for query in ("", "&region=7", f"&region={uuid4()}"):
        assert call(port, question, f"/objects?image=1{query}")[0] == 422


def test_a_body_of_a_gigabyte_is_refused_before_it_is_read(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
        sender.sendall(head(2**30))
        sent = 0
        part = b" " * 2**20
        try:
            while sent < 2**30:
                sender.sendall(part)
                sent += len(part)
        except OSError:
            pass  # the service has hung up
        assert sent < 2**28
    assert "refused (413)" in caplog.text
    assert still_answers(port)


def test_a_body_without_a_length_is_cut_off_where_it_gets_too_large(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "LARGEST_BODY", 2**20)
    parts = (b" " * 2**16 for _ in range(2**14))  # a gigabyte in all
    try:
        status, _ = call(port, parts)
    except OSError:
        status = 413  # the service has hung up before all was sent
    assert status == 413
    assert "refused (413)" in caplog.text
    assert still_answers(port)


@pytest.mark.parametrize("length", ["-1", "1e9", "99999999999999999999999"])
def test_odd_lengths(port: int, length: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
        sender.sendall(head(length))
        assert sender.recv(100).split()[1] in (b"400", b"413")
    assert still_answers(port)


def test_a_body_that_never_comes_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SLOWEST_BODY", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
        head = (
            f"POST /objects?image=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 10\r\n\r\n"
        )
        sender.sendall(head.encode())
        assert sender.recv(100).split()[1] == b"408"
    assert still_answers(port)


def test_fifty_at_once_are_queued_or_refused(
    serve: Callable[..., int], question: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    at_work: list[int] = []
    most = 0

    def slow(asked: Question) -> Answer:
        nonlocal most
        at_work.append(1)
        most = max(most, len(at_work))
        time.sleep(0.1)
        at_work.pop()
        return Answer("one.tif", (), (), 0, {}, 0.1)

    port = serve(slow)
    caplog.set_level(logging.WARNING)
    with ThreadPoolExecutor(50) as callers:
        statuses = list(callers.map(lambda _: call(port, question)[0], range(50)))
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= service.MOST_WAITING
    assert most == 1
    assert caplog.text.count("refused (503)") == statuses.count(503)
    assert call(port, question)[0] == 200


def test_whoever_hangs_up_while_waiting_is_not_computed_for(serve: Callable[..., int], question: bytes) -> None:
    asked: list[Question] = []
    go_on = threading.Event()

    def wait(one: Question) -> Answer:
        asked.append(one)
        go_on.wait(10)
        return Answer("one.tif", (), (), 0, {}, 0.1)

    port = serve(wait)
    first = threading.Thread(target=call, args=(port, question))
    first.start()
    while not asked:
        time.sleep(0.01)
    gone = socket.create_connection(("127.0.0.1", port))
    gone.sendall(head(len(question)) + question)
    time.sleep(0.3)
    gone.close()
    time.sleep(0.3)
    go_on.set()
    first.join()
    assert call(port, question)[0] == 200
    assert len(asked) == 2


@pytest.mark.parametrize(("error", "status"), [(RuntimeError("CUDA error 7"), 500), (MemoryError(), 507)])
def test_a_network_that_fails_is_told_and_the_service_goes_on(
    serve: Callable[..., int], question: bytes, error: Exception, status: int
) -> None:
    def fail(asked: Question) -> Answer:
        raise error

    port = serve(fail)
    found, answer = call(port, question)
    assert found == status
    assert str(error) in answer["error"]
    assert still_answers(port)


def test_a_slide_that_is_gone_is_a_sentence(port: int, question: bytes, tmp_path: Path) -> None:
    (tmp_path / "one.tif").unlink()
    status, answer = call(port, question)
    assert status == 422
    assert "The slide of image 'one.tif' is not at" in answer["error"]


LISTEN = """
import sys
from pathlib import Path
from cerberus_annotate.serve.listening import listen
listen(None, Path(sys.argv[1]), 0, lambda port, path: print(port, path, flush=True))
"""


def test_the_service_is_announced_to_this_user_alone_and_takes_that_back(project: Project, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "live").mkdir(parents=True)
    (home / "live" / "1.json").write_text('{"port": 1}')  # of one that was killed
    started = subprocess.Popen(
        [sys.executable, "-c", LISTEN, project.path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CERBERUS_ANNOTATE_HOME": str(home)},
    )
    assert started.stdout is not None
    port, _, name = started.stdout.readline().strip().partition(" ")
    path = Path(name)
    told = json.loads(path.read_text("utf-8"))
    assert (told["project"], told["port"]) == (str(project.path), int(port))
    assert len(told["token"]) >= 32
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0
    assert sorted(path.parent.iterdir()) == [path]
    assert call(int(port), None, "/status", "GET", Authorization=f"Bearer {told['token']}")[0] == 200
    assert _refuses_other_addresses(int(port))
    started.send_signal(signal.SIGINT)
    started.wait(20)
    started.stdout.close()
    assert list(path.parent.iterdir()) == []


def _refuses_other_addresses(port: int) -> bool:
    """Whether the port is closed at the computer's other addresses, where it has any."""
    for address in {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}:
        if str(address).startswith("127."):
            continue
        try:
            socket.create_connection((str(address), port), timeout=2).close()
            return False
        except OSError:
            continue
    return True
