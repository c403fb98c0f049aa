"""A client of OpenAI-compatible chat APIs, on the standard library.

It follows no redirect, sends the key over TLS or to this machine only, and reads a bounded answer.
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from workers.cli import UsageError
from workers.language.backends import Completion, Label, ModelUnavailable, Stop
from workers.language.prompts import Message

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_RESPONSE_BYTES = 1 << 20
LONGEST_WAIT_S = 60.0
RETRIED = frozenset({408, 409, 425, 429})  # and 500 and above
_MOST_TOKENS = 10**8
_STOPS = {"length": Stop.LENGTH, "content_filter": Stop.REFUSED}


class _Retry(Exception):
    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(slots=True, kw_only=True)
class ChatAPI:
    base_url: str  # up to and with /v1
    model: str
    key: str | None = field(repr=False)
    max_tokens: int = 600
    timeout_s: float = 60.0
    attempts: int = 5
    sleep: Callable[[float], None] = time.sleep
    calls: int = 0  # requests sent

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname or url.query:
            raise UsageError(f"--url {self.base_url}: expected https://HOST/v1")
        if url.scheme == "http" and url.hostname not in LOOPBACK:
            raise UsageError(
                f"--url {self.base_url}: use https; plain http would show the key to the network"
            )

    @property
    def identity(self) -> str:
        return f"{self.base_url} {self.model} max_tokens={self.max_tokens} temperature=0"

    @property
    def label(self) -> Label:
        return Label.SCRIPTED if urlsplit(self.base_url).hostname in LOOPBACK else Label.LIVE

    @property
    def row(self) -> str:
        is_gpt4 = self.model.lower().startswith("gpt-4")
        return "GPT-4" if is_gpt4 and self.label is Label.LIVE else self.model

    def complete(self, messages: Sequence[Message]) -> Completion:
        body = {
            "model": self.model,
            "messages": [{"role": one.role, "content": one.content} for one in messages],
            "temperature": 0,
            "max_tokens": self.max_tokens,
            "response_format": {"type": "json_object"},
        }
        reason = ""
        for attempt in range(self.attempts):
            try:
                return _completion(self._post(json.dumps(body).encode()))
            except _Retry as retry:
                reason = str(retry)
                if attempt + 1 < self.attempts:
                    wait_s = 2.0**attempt if retry.wait_s is None else retry.wait_s
                    self.sleep(min(LONGEST_WAIT_S, wait_s))
        raise ModelUnavailable(f"{self.base_url}: {reason}, after {self.attempts} attempts")

    def _post(self, body: bytes) -> bytes:
        self.calls += 1
        connection = self._connection()
        try:
            headers = {"Content-Type": "application/json"}
            if self.key:
                headers["Authorization"] = f"Bearer {self.key}"
            connection.request(
                "POST", f"{urlsplit(self.base_url).path.rstrip('/')}/chat/completions", body, headers
            )
            response = connection.getresponse()
            content = _whole(response, time.monotonic() + self.timeout_s)
        except (OSError, http.client.HTTPException) as error:
            raise _Retry(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        self._require_ok(response, content)
        return content

    def _connection(self) -> http.client.HTTPConnection:
        url = urlsplit(self.base_url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        return kind(str(url.hostname), url.port, timeout=self.timeout_s)

    def _require_ok(self, response: http.client.HTTPResponse, content: bytes) -> None:
        if len(content) > MAX_RESPONSE_BYTES:
            raise ModelUnavailable(f"{self.base_url}: an answer of more than {MAX_RESPONSE_BYTES} bytes")
        if response.status == 200:
            return
        said = f"status {response.status}"
        if response.status in RETRIED or response.status >= 500:
            raise _Retry(said, _retry_after(response.getheader("Retry-After")))
        advice = "; set the key" if response.status in (401, 403) else ""
        raise ModelUnavailable(f"{self.base_url}: {said} for model {self.model}{advice}")


def _whole(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The socket's timeout starts anew with every byte, so a trickle needs a bound of its own."""
    content = b""
    while len(content) <= MAX_RESPONSE_BYTES and (part := response.read1(1 << 16)):
        content += part
        if time.monotonic() > deadline:
            raise TimeoutError("the answer does not end")
    return content


def _retry_after(text: str | None) -> float | None:
    """Seconds; a date or nonsense leaves the wait to us."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _completion(content: bytes) -> Completion:
    try:
        found: Mapping[str, Any] = json.loads(content)
        choice = found["choices"][0]
        message, usage = choice["message"], found.get("usage") or {}
        text, refusal = message.get("content") or "", message.get("refusal")
        stop = Stop.REFUSED if refusal else _STOPS.get(choice.get("finish_reason"), Stop.END)
        return Completion(
            text=str(text or refusal or ""),
            stop=stop,
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=_count(usage.get("completion_tokens")),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _Retry("an answer that is no chat completion") from None


def _count(found: object) -> int:
    """Tokens as the server counts them; what is no sane number counts as none."""
    plain = isinstance(found, int) and not isinstance(found, bool)
    return found if plain and 0 <= found <= _MOST_TOKENS else 0  # type: ignore[operator,return-value]
