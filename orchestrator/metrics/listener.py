"""`GET /metrics` over TCP, where the plan asks for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from orchestrator.core.plan import MetricsPolicy
from orchestrator.errors import OrchestratorError
from orchestrator.metrics.exposition import CONTENT_TYPE

PATIENCE_S = 10.0
"""A client that says nothing for so long is hung up on."""


class Listener:
    """Raises OSError where its port cannot be had."""

    def __init__(self, policy: MetricsPolicy, text: Callable[[], bytes]) -> None:
        self._server = _server(policy, text)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _server(policy: MetricsPolicy, text: Callable[[], bytes]) -> ThreadingHTTPServer:
    class Answering(BaseHTTPRequestHandler):
        timeout = PATIENCE_S

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "only /metrics is here")
                return
            try:
                body = text()
            except OrchestratorError as error:
                self.send_error(503, error.message)
                return
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape every few seconds is no news."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in policy.host else socket.AF_INET
        daemon_threads = True
        block_on_close = False

    return Server((policy.host, policy.port), Answering)
