"""The live service: one question at a time goes to the network, a few wait, all others are refused."""

import asyncio
import functools
import hmac
import json
import logging
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from cerberus_annotate.errors import CerberusError, UsageError
from cerberus_annotate.qupath.geojson import iterate_geojson, write_geojson
from cerberus_annotate.serve.live import Answer, Question

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

logger = logging.getLogger("cerberus_annotate")

LARGEST_BODY = 64 * 2**20
"""Bytes of one question."""

SLOWEST_BODY = 60.0
"""Seconds in which a question must have arrived."""

MOST_WAITING = 8
"""Questions that wait for the network or are being answered."""

Ask = Callable[[Question], Answer]


class _RefusedError(Exception):
    """A question that is not looked at.  status: of HTTP."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def make_app(ask: Ask, token: str) -> "Starlette":
    """The service as an ASGI application.

    ask: answers a question; is called in a thread, never twice at once. token: what each request must carry as
    `Authorization: Bearer TOKEN`.

    `POST /objects?image=ID&region=UUID…&task=…` with a FeatureCollection of what QuPath shows around the regions, the
    regions among them, gives `{"remove": [UUID…], "parents": {UUID: UUID}, "dropped": n, "seconds": s,
    "objects": FeatureCollection}`. Every refusal is `{"error": SENTENCE}`.
    """
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    one_at_a_time = asyncio.Lock()
    under_way = 0

    async def status(request: "Request") -> "Response":
        return JSONResponse({"ready": True})

    async def objects(request: "Request") -> "Response":
        nonlocal under_way
        if under_way >= MOST_WAITING:
            raise _RefusedError(503, f"{MOST_WAITING} regions are waiting already; try again in a moment.")
        under_way += 1
        try:
            with tempfile.TemporaryDirectory(prefix="cerberus-") as folder:
                body = Path(folder) / "question.geojson"
                await _receive(request, body)
                async with one_at_a_time:
                    if await request.is_disconnected():
                        raise _RefusedError(499, "Nobody waits for the answer any more.")
                    text = await asyncio.to_thread(_answer, ask, request, body)
        finally:
            under_way -= 1
        return _json(text)

    def guarded(handle: Callable[["Request"], Awaitable["Response"]]) -> Callable[["Request"], Awaitable["Response"]]:
        @functools.wraps(handle)
        async def run(request: "Request") -> "Response":
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {token}".encode()):
                return _refusal(request, 401, "The request has no token, or not the one of this service.")
            try:
                return await handle(request)
            except _RefusedError as error:
                return _refusal(request, error.status, str(error))
            except CerberusError as error:
                return _refusal(request, 422, str(error))
            except MemoryError:
                return _refusal(request, 507, "Memory ran out. Select a smaller region.")
            except Exception as error:  # the service goes on; the true reason is told
                logger.debug("%s %s", request.method, request.url.path, exc_info=True)
                return _refusal(request, 500, f"The region could not be predicted ({type(error).__name__}: {error}).")

        return run

    async def nothing_there(request: "Request") -> "Response":
        raise _RefusedError(404, f"There is nothing at {request.method} {request.url.path}.")

    return Starlette(
        routes=[
            Route("/status", guarded(status), methods=["GET"]),
            Route("/objects", guarded(objects), methods=["POST"]),
            Route("/{rest:path}", guarded(nothing_there), methods=["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
        ]
    )


async def _receive(request: "Request", path: Path) -> None:
    """The body into a file, so that it never fills the memory.  Raises _RefusedError for one too large or slow."""
    too_large = _RefusedError(413, f"The question is larger than {LARGEST_BODY // 2**20} MB. Select a smaller region.")
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdecimal() or int(length) > LARGEST_BODY:
        raise too_large
    received = 0
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            with path.open("wb") as file:
                async for part in request.stream():
                    received += len(part)
                    if received > LARGEST_BODY:
                        raise too_large
                    file.write(part)
    except TimeoutError:
        raise _RefusedError(408, f"The question did not arrive within {SLOWEST_BODY:g} seconds.") from None


def _answer(ask: Ask, request: "Request", body: Path) -> str:
    """The answer's JSON."""
    query = request.query_params
    try:
        regions = tuple(UUID(text) for text in query.getlist("region"))
        objects = list(iterate_geojson(body))
    except ValueError:
        raise UsageError("The question names a region by something that is no UUID.") from None
    except UsageError as error:
        raise UsageError(str(error).replace(str(body), "The question")) from None
    found = ask(Question(query.get("image", ""), regions, objects, tuple(query.getlist("task"))))
    logger.info(
        "image '%s': %d objects added, %d taken out, %d left out, %.2f s",
        found.image,
        len(found.add),
        len(found.remove),
        found.dropped,
        found.seconds,
    )
    features = body.with_name("answer.geojson")
    write_geojson(found.add, features)
    told = {
        "remove": [str(uuid) for uuid in found.remove],
        "parents": {str(child): str(parent) for child, parent in found.parents.items()},
        "dropped": found.dropped,
        "seconds": found.seconds,
    }
    return f'{json.dumps(told)[:-1]}, "objects": {features.read_text("utf-8")}}}'


def _json(text: str) -> "Response":
    from starlette.responses import Response

    return Response(text, media_type="application/json")


def _refusal(request: "Request", status: int, sentence: str) -> "Response":
    from starlette.responses import JSONResponse

    logger.warning("%s %s refused (%d): %s", request.method, request.url.path, status, sentence)
    # what is left of a body that was refused is not waited for
    return JSONResponse({"error": sentence}, status, headers={"Connection": "close"})
