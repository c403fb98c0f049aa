"""tmux sessions: exact targets, one invocation for many, no option that is not our own session's.

A session of ours carries `@orchestrator` (its launch), and the worker's pane `@orchestrator_pane`:
people may add windows and panes of their own to it, and those are never ended.
"""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtmux
from libtmux.common import tmux_cmd

from orchestrator.errors import CommandFailed

DEADLINE_S = 20.0
# tmux sends a command line to its server in one message of 16 KiB ("command too long" beyond).
ARGUMENTS_LIMIT_BYTES = 15_000
TYPED_LIMIT_BYTES = 4_000
_ENDING_SERVER_TRIES = 10
_FIELDS = "#{pane_id}|#{pane_dead}|#{@orchestrator}|#{@orchestrator_pane}|#{session_name}"
_NO_SERVER = ("no server running", "No such file or directory", "Connection refused")


@dataclass(frozen=True, slots=True)
class Pane:
    """`launch` is the session's launch, `own` the launch whose worker runs or ran in this very pane."""

    id: str
    dead: bool
    launch: str
    own: str
    session: str


@dataclass(frozen=True, slots=True)
class Opening:
    """A session to open for a launch, in the way that leaves people attached and their panes alive.

    Without `instead_of` and `beside` a new session; with `instead_of` in the ended pane of that id;
    with `beside` as a new window, the earlier pane being gone.
    """

    session: str
    launch: str
    folder: Path
    argv: tuple[str, ...]
    instead_of: str | None = None
    beside: bool = False

    def command(self) -> list[str]:
        target = self.instead_of or f"={self.session}:"
        return [
            *self._run(),
            *(";", "set-option", "-p", "-t", target, "remain-on-exit", "on"),
            *(";", "set-option", "-p", "-t", target, "@orchestrator_pane", self.launch),
            *(";", "set-option", "-t", f"={self.session}:", "@orchestrator", self.launch),
        ]

    def _run(self) -> list[str]:
        # tmux expands formats in -c, and takes a last `;` for the end of the command.
        folder = _argument(str(self.folder).replace("#", "##"))
        program = ["-c", folder, "--", *map(_argument, self.argv)]
        if self.instead_of is not None:
            return ["respawn-pane", "-k", "-t", self.instead_of, *program]
        if self.beside:
            return ["new-window", "-t", f"={self.session}:", *program]
        return ["new-session", "-d", "-s", self.session, "-x", "200", "-y", "50", *program]


class _Bounded(tmux_cmd):
    """libtmux's command with a deadline, UTF-8, and free of the session it was typed in."""

    def __init__(self, *args: Any, tmux_bin: str | None = None, stdin: str | None = None) -> None:
        self.cmd = [tmux_bin or "tmux", "-u", *map(str, args)]
        try:
            done = subprocess.run(
                self.cmd,
                input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                timeout=DEADLINE_S,
                cwd="/",
                check=False,
            )
        except FileNotFoundError as error:
            raise CommandFailed("tmux is not installed", "install tmux 3.0 or later") from error
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"tmux did not answer within {DEADLINE_S:g} s") from error
        self.returncode = done.returncode
        self.stdout = done.stdout.decode("utf-8", "backslashreplace").rstrip("\n").split("\n")
        self.stderr = list(filter(None, done.stderr.decode("utf-8", "backslashreplace").split("\n")))


class Tmux(libtmux.Server):
    """One tmux server; `None` is the user's default one."""

    def __init__(self, socket: str | None) -> None:
        super().__init__(socket_name=socket or "default")

    def cmd(self, cmd: str, *args: Any, target: str | int | None = None) -> tmux_cmd:
        return self._run(cmd, *(() if target is None else ("-t", target)), *args)

    def panes_listed(self) -> tuple[Pane, ...]:
        """Every pane of every session; none where no server runs."""
        answer = self.cmd("list-panes", "-a", "-F", _FIELDS)
        if answer.returncode != 0:
            if any(text in line for line in answer.stderr for text in _NO_SERVER):
                return ()
            raise _failure("list-panes", answer)
        return tuple(_pane(line) for line in answer.stdout if line)

    def start_path(self, pane: Pane) -> str:
        """The folder it was opened in; empty where the pane is gone."""
        answer = self.cmd("display-message", "-p", "#{pane_start_path}", target=pane.id)
        return answer.stdout[0] if answer.returncode == 0 and answer.stdout else ""

    def open(self, openings: Sequence[Opening]) -> dict[str, str]:
        """Open sessions; the answer is the reason for each launch whose session did not open.

        A batch stops at its first error, and does not say where. What is missing is tried again: what
        fails as the first of a batch is named. A session that opened meanwhile, by an earlier agent's
        last command, is no failure.
        """
        failed: dict[str, str] = {}
        remaining = list(openings)
        while remaining:
            tried, message = self._open_until_error(remaining)
            here = {pane.own for pane in self.panes_listed()}
            missing = [opening for opening in tried if opening.launch not in here]
            if not message:
                unheard = "tmux reported success, but the session is not there"
                failed |= {opening.launch: unheard for opening in missing}
            elif tried[0] in missing:
                failed[tried[0].launch] = message
            remaining = [o for o in remaining if o.launch not in here and o.launch not in failed]
        return failed

    def _open_until_error(self, openings: Sequence[Opening]) -> tuple[list[Opening], str]:
        tried: list[Opening] = []
        for batch in _batches(openings):
            tried += batch
            message = self._open_batch(batch)
            if message:
                return tried, message
        return tried, ""

    def _open_batch(self, batch: Sequence[Opening]) -> str:
        line: list[str] = []
        for opening in batch:
            line += [*([";"] if line else []), *opening.command()]
        answer = self._run(*line)
        return "; ".join(answer.stderr) or (
            f"tmux ended with {answer.returncode}" if answer.returncode else ""
        )

    def capture(self, panes: Sequence[Pane], lines: int) -> dict[str, str]:
        """The last `lines` lines of panes by session, without trailing empty ones."""
        boundary = f"boundary {uuid.uuid4().hex}"
        captured: dict[str, str] = {}
        for start in range(0, len(panes), 50):
            chunk = panes[start : start + 50]
            line: list[str] = []
            for pane in chunk:
                line += [*([";"] if line else []), "capture-pane", "-p", "-J", "-t", pane.id]
                line += ["-S", str(-lines), ";", "display-message", "-p", boundary]
            texts = "\n".join(self._run(*line).stdout).split(boundary)
            for pane, text in zip(chunk, texts, strict=False):
                captured[pane.session] = _last_lines(text, lines)
        return captured

    def type(self, pane: str, text: str, *, enter: bool) -> None:
        """Raises: CommandFailed: the pane is gone."""
        if len(text.encode("utf-8", "surrogateescape")) <= TYPED_LIMIT_BYTES and "\n" not in text:
            if text:
                self._require("send-keys", "-t", pane, "-l", "--", _argument(text))
        else:
            buffer = f"orchestrator-{uuid.uuid4().hex}"
            self._require("load-buffer", "-b", buffer, "-", stdin=text)
            self._require("paste-buffer", "-d", "-p", "-b", buffer, "-t", pane)
        if enter:
            self._require("send-keys", "-t", pane, "Enter")

    def close(self, session: str) -> None:
        self.cmd("kill-session", target=f"={session}")

    def _require(self, *args: str, stdin: str | None = None) -> None:
        answer = self._run(*args, stdin=stdin)
        if answer.returncode != 0:
            raise _failure(args[0], answer)

    def _run(self, *args: object, stdin: str | None = None) -> tmux_cmd:
        for _ in range(_ENDING_SERVER_TRIES):
            answer = _Bounded(f"-L{self.socket_name}", *args, tmux_bin=self.tmux_bin, stdin=stdin)
            if not any("server exited unexpectedly" in line for line in answer.stderr):
                break
            time.sleep(0.1)  # a server that is just ending; soon a client starts a fresh one
        return answer


def _pane(line: str) -> Pane:
    pane, dead, launch, own, session = line.split("|", 4)
    return Pane(pane, dead == "1", launch, own, session)


def _batches(openings: Sequence[Opening]) -> Iterator[list[Opening]]:
    batch: list[Opening] = []
    size = 0
    for opening in openings:
        cost = sum(len(part.encode("utf-8", "surrogateescape")) + 1 for part in opening.command()) + 2
        if batch and size + cost > ARGUMENTS_LIMIT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(opening)
        size += cost
    yield batch


def _argument(text: str) -> str:
    return f"{text[:-1]}\\;" if text.endswith(";") else text


def _last_lines(text: str, lines: int) -> str:
    return "\n".join(text.strip("\n").rstrip().split("\n")[-lines:])


def _failure(command: str, answer: tmux_cmd) -> CommandFailed:
    return CommandFailed(f"tmux {command} failed: {'; '.join(answer.stderr) or answer.returncode}")
