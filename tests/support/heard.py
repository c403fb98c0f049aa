"""A web server that hears what it is told, and answers as it is asked to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Heard:
    """`posts` are the messages taken, `gets` the paths fetched; `status` is what it answers.

    While `open` is not set, nobody gets an answer.
    """

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.gets: list[str] = []
        self.status = 200
        self.open = threading.Event()
        self.open.set()
        heard = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                heard.posts.append({**document, "path": self.path})
                self._answer()

            def do_GET(self) -> None:
                heard.gets.append(self.path)
                self._answer()

            def _answer(self) -> None:
                heard.open.wait(30)
                self.send_response(heard.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def titles(self) -> list[str]:
        return [post["title"] for post in self.posts]

    def url(self, scheme: str = "json", path: str = "") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/{path}"

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def hearing() -> Iterator[Heard]:
    heard = Heard()
    try:
        yield heard
    finally:
        heard.close()
