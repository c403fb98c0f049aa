"""What to run, as the agent wrote it down in a 0600 file (the environment may hold secrets)."""

# ruff: noqa: PTH123

from __future__ import annotations

import json
import os

from .command import shell_argv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Systemd waits 90 s, docker 10 s; a checkpoint on a local disk takes a few.
STOP_GRACE_S = 10.0
BEAT_S = 30.0
LOG_LIMIT_BYTES = 50 * 1024 * 1024
LOG_KEEP = 4

PTY, LOGGED, PIPED = "pty", "logged", "piped"


class SpecError(Exception):
    """The specification cannot be read: a bug of whoever wrote it."""


class Spec:
    """One launch.

    `streams` is PTY (own terminal, relayed), LOGGED (no input, output to the log alone) or PIPED (our
    stdin, output to the log and on to our stdout and stderr, losing nothing).
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.launch = str(fields["launch"])
        self.workstream = str(fields.get("workstream") or "")
        self.stage = str(fields.get("stage") or "")
        self.attempt = int(fields.get("attempt") or 1)
        self.cwd = str(fields["cwd"])
        self.env = {str(name): str(value) for name, value in (fields.get("env") or {}).items()}
        path = self.env.get("PATH", os.environ.get("PATH"))
        self.argv: list[str] = fields.get("argv") or shell_argv(str(fields["command"]), self.cwd, path)
        self.results: str | None = fields.get("results")
        self.state = str(fields["state"])
        self.log = str(fields["log"])
        self.log_limit_bytes = int(fields.get("log_limit_bytes") or LOG_LIMIT_BYTES)
        self.log_keep = int(fields.get("log_keep") or LOG_KEEP)
        self.beat_s = max(0.05, float(fields.get("beat_s") or BEAT_S))
        grace = fields.get("stop_grace_s")
        self.stop_grace_s = STOP_GRACE_S if grace is None else max(0.0, float(grace))
        timeout = fields.get("timeout_s")
        self.timeout_s = None if timeout is None else float(timeout)
        self.streams = str(fields.get("streams") or (PTY if fields.get("terminal") else LOGGED))
        self.title = str(fields.get("title") or "") or self._name()

    def _name(self) -> str:
        stage = f"stage {self.stage}" if self.stage else ""
        return " · ".join(part for part in (self.workstream, f"attempt {self.attempt}", stage) if part)


def load_spec(path: str) -> Spec:
    """Read the specification.

    Raises:
        SpecError: the file is unreadable, no JSON, or lacks a key.
    """
    try:
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
        if fields["v"] != 1:
            raise ValueError(f"version {fields['v']} is not known")
        return Spec(fields)
    except KeyError as missing:
        raise SpecError(f"{path}: {missing} is missing") from missing
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SpecError(f"{path}: {error}") from error
