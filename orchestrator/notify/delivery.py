"""Hands one message to one service, within a deadline, whatever the service does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.core.notices import one_line
from orchestrator.core.wording import Message
from orchestrator.errors import UsageError
from orchestrator.notify.services import Service, urls_of, without_secrets

DEADLINE_S = 30.0


def deliver(
    service: Service,
    message: Message,
    *,
    env: Mapping[str, str],
    folder: Path,
    deadline_s: float = DEADLINE_S,
) -> str:
    """Why it was not sent, without secrets; empty when it was. Blocks for at most `deadline_s`."""
    try:
        urls = urls_of(service.spec, env, folder)
    except UsageError as error:
        return error.message
    return one_line(without_secrets(_ask_child(urls, message, deadline_s), urls))


def _ask_child(urls: Sequence[str], message: Message, deadline_s: float) -> str:
    document = {"urls": list(urls), "title": message.title, "body": message.body, "level": message.level}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.notify.child"],
            input=json.dumps(document).encode(),
            capture_output=True,
            timeout=deadline_s,
            check=False,
            cwd="/",
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {deadline_s:.0f} s"
    except OSError as error:
        return f"cannot be started: {error.strerror}"
    with suppress(ValueError, KeyError):
        answer = json.loads(done.stdout)
        return "" if answer["sent"] else answer["said"] or "the service refused it"
    return done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"ended with {done.returncode}"
