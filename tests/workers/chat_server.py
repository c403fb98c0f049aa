"""A server on this machine that speaks the chat API from a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


@dataclass
class Response:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    trickles: bool = False  # byte by byte, without an end


def says(text: str | None, *, finish: str = "stop", refusal: str | None = None) -> Response:
    message = {"role": "assistant", "content": text, "refusal": refusal}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    body = {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
    return Response(json.dumps(body).encode())


@dataclass
class ChatServer:
    url: str
    requests: list[dict[str, Any]]  # path, key, body


@contextmanager
def chat_server(answer: Callable[[int], Response | None]) -> Iterator[ChatServer]:
    """`answer` is given the number of the request, from 0; None closes the connection."""
    seen: list[dict[str, Any]] = []
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append({"path": self.path, "key": self.headers.get("Authorization"), "body": body})
            response = answer(len(seen) - 1)
            if response is None:
                self.close_connection = True
                return
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body) + response.trickles * (1 << 20)))
            self.end_headers()
            self.wfile.write(response.body)
            while response.trickles and not over.wait(0.01):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield ChatServer(f"http://127.0.0.1:{server.server_port}/v1", seen)
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
