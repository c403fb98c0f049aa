"""The daemon's socket: HTTP in, inbox messages out. Runs in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, MutableMapping
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator import __version__
from orchestrator import requests as r
from orchestrator.codec import WireError, build
from orchestrator.errors import JournalError
from orchestrator.inbox import Asked, Message
from orchestrator.journal import Entry, Journal
from orchestrator.loop import View
from orchestrator.metrics.exposition import CONTENT_TYPE
from orchestrator.talk import Talk

FOLLOW_PAUSE_S = 0.2
LISTEN_PAUSE_S = 0.5
BODY_LIMIT_BYTES = 4 * 1024 * 1024

_REQUESTS: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(r.Request)}


class Shown(Protocol):
    """What the daemon shows besides its status."""

    def troubles(self) -> tuple[str, ...]: ...

    def metrics(self) -> bytes: ...


class Api:
    """Listens on a socket only its owner can open."""

    def __init__(
        self,
        path: Path,
        journal: Path,
        view: Callable[[], View],
        inbox: SimpleQueue[Message],
        shown: Shown,
    ) -> None:
        self._path = path
        self._journal = journal
        self._view = view
        self._inbox = inbox
        self._shown = shown
        self._socket = listen(path)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app(),
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=2,
            )
        )
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let answers under way go out, then stop listening."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def _app(self) -> Starlette:
        return Starlette(
            middleware=[Middleware(_SayingVersion)],
            routes=[
                Route("/v1/status", self._status),
                Route("/v1/events", self._events),
                Route("/metrics", self._metrics),
                Route("/v1/ask", self._ask, methods=["POST"]),
            ],
        )

    async def _status(self, request: HttpRequest) -> Response:
        return JSONResponse(asdict(replace(self._view().status(), troubles=self._shown.troubles())))

    async def _metrics(self, request: HttpRequest) -> Response:
        try:
            text = await asyncio.to_thread(self._shown.metrics)
        except JournalError as error:
            return Response(error.message, status_code=503)
        return Response(text, media_type=CONTENT_TYPE)

    async def _events(self, request: HttpRequest) -> Response:
        after = int(request.query_params.get("after", "0"))
        follow = request.query_params.get("follow") == "1"
        return StreamingResponse(self._entries(after, follow), media_type="application/x-ndjson")

    async def _entries(self, after: int, follow: bool) -> AsyncIterator[str]:
        while True:
            for entry in await asyncio.to_thread(_read_entries, self._journal, after):
                after = entry.id
                yield json.dumps(entry.document(), ensure_ascii=False) + "\n"
            if not follow:
                return
            while self._view().last_entry <= after:
                await asyncio.sleep(FOLLOW_PAUSE_S)

    async def _ask(self, request: HttpRequest) -> Response:
        try:
            asked = _parse(await request.body())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        talk = Talk()
        self._inbox.put(Asked(request=asked, talk=talk))
        return StreamingResponse(_lines(talk), media_type="application/x-ndjson")


class _SayingVersion:
    """Every answer names the version of the program that gave it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                version = (r.VERSION_HEADER.lower().encode(), __version__.encode())
                message["headers"] = [*message.get("headers", ()), version]
            await send(message)

        await self._app(scope, receive, named)


async def _lines(talk: Talk) -> AsyncIterator[str]:
    try:
        while True:
            line = await asyncio.to_thread(talk.next_line, LISTEN_PAUSE_S)
            if line is not None:
                yield json.dumps(line, ensure_ascii=False) + "\n"
                if "say" not in line:
                    return
    finally:
        # Reached at once when the asker hangs up: what is done for nobody may stop.
        talk.abandon()


def _parse(body: bytes) -> r.Request:
    if len(body) > BODY_LIMIT_BYTES:
        raise WireError("the request is too large")
    document = json.loads(body)
    if not isinstance(document, dict) or document.get("is") not in _REQUESTS:
        kind = document.get("is") if isinstance(document, dict) else document
        raise WireError(f"{kind!r:.80} is no request that this daemon knows")
    fields = {key: value for key, value in document.items() if key != "is"}
    request: r.Request = build(_REQUESTS[document["is"]], fields)
    return request


def _read_entries(path: Path, after: int) -> tuple[Entry, ...]:
    journal = Journal.read(path)
    if journal is None:
        return ()
    try:
        return tuple(journal.entries(after))
    finally:
        journal.close()


def listen(path: Path) -> socket.socket:
    """A listening socket of mode 0600; a socket file left by a killed daemon is replaced."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    finally:
        os.umask(before)
    server.listen(64)
    return server
