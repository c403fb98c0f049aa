"""A dead man's switch: a URL is fetched for as long as the daemon's loop really turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

import structlog

from orchestrator import __version__
from orchestrator.core.notices import one_line
from orchestrator.core.plan import NotifyPolicy
from orchestrator.errors import UsageError
from orchestrator.notify.services import urls_of, without_secrets

TIMEOUT_S = 10.0
LAST_TIMEOUT_S = 3.0
HUNG_AFTER_S = 30.0
"""A loop turns every second; one that has not for so long does not count as alive."""

log = structlog.get_logger(__name__)


class Ping:
    """`turned_s_ago` says how long the loop's last turn is over."""

    def __init__(
        self,
        policy: NotifyPolicy,
        folder: Path,
        env: Callable[[], Mapping[str, str]],
        turned_s_ago: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._folder = folder
        self._env = env
        self._turned_s_ago = turned_s_ago
        self._stop = threading.Event()
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name="ping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, *, failed: bool) -> None:
        """Blocks for at most a few seconds, to say that the daemon `failed`."""
        self._stop.set()
        if failed:
            last = threading.Thread(target=self._fetch, args=("/fail", LAST_TIMEOUT_S), daemon=True)
            last.start()
            last.join(timeout=LAST_TIMEOUT_S + 1)

    def _run(self) -> None:
        self._fetch("/start")
        while not self._stop.is_set():
            if self._turned_s_ago() < HUNG_AFTER_S:
                self._fetch("")
            elif not self.trouble:
                self._note("the loop does not turn: no ping")
            self._stop.wait(self._policy.ping_every_s)

    def _fetch(self, signal: str, timeout_s: float = TIMEOUT_S) -> None:
        urls: tuple[str, ...] = ()
        try:
            urls = urls_of(self._policy.ping or "", self._env(), self._folder)
            for url in urls:
                request = Request(_with(url, signal), headers={"User-Agent": f"orchestrator/{__version__}"})
                with urlopen(request, timeout=timeout_s) as answer:
                    answer.read(1)
            self._note("")
        except UsageError as error:
            self._note(error.message)
        except HTTPError as error:
            self._note(f"answered {error.code}")
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            self._note(one_line(without_secrets(str(reason), urls)))

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.warning("not pinged", reason=trouble)
        self.trouble = trouble


def _with(url: str, signal: str) -> str:
    """The URL for `/start` or `/fail`, with its query behind that. Raises ValueError: not of HTTP."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("the ping is no http or https URL")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + signal if signal else parts.path))
