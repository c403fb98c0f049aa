"""Commands without a terminal, set-ups and gates, under a supervisor that outlives this agent."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import supervise
from orchestrator.agent.contract import plain_text
from orchestrator.agent.environment import command_environment, supervisor_argv
from orchestrator.agent.files import tail, text_hash, write_json
from orchestrator.supervise.records import ExitRecord

TAIL_LINES = 40
LOG_LIMIT_BYTES = 16 * 1024 * 1024
"""Of each of the two files that are kept of a log: its end, and what came before that."""
_TAIL_BYTES = 16 * 1024
_STOP_GRACE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`state` is the run's own directory: it is emptied first, the log replaced."""

    name: str
    text: str
    folder: Path
    state: Path
    log: Path
    timeout_s: float
    workstream: str = ""
    env: dict[str, str] = field(default_factory=dict)


def run(command: Command) -> ExitRecord | None:
    """Run to the end; None when the supervisor itself could not start.

    A run of the same name that an earlier agent left behind is ended first.
    """
    end_leftover(command.state)
    shutil.rmtree(command.state, ignore_errors=True)
    command.state.mkdir(parents=True, mode=0o700)
    command.log.parent.mkdir(parents=True, exist_ok=True)
    for log in (command.log, command.log.with_name(f"{command.log.name}.1")):
        log.unlink(missing_ok=True)
    spec = command.state / "spec.json"
    write_json(spec, _spec(command))
    program = subprocess.Popen(
        supervisor_argv(spec),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    program.wait()
    return supervise.settle(str(command.state))


def end_leftover(state: Path) -> None:
    if state.is_dir():
        supervise.stop(str(state), _STOP_GRACE_S)
        supervise.settle(str(state))


def last_lines(log: Path, lines: int = TAIL_LINES) -> str:
    text = plain_text(tail(log, _TAIL_BYTES).decode("utf-8", "replace").replace("\r\n", "\n"))
    return "\n".join(text.rstrip().split("\n")[-lines:])


def _spec(command: Command) -> dict[str, object]:
    return {
        "v": 1,
        # Marks its processes in their environment, where a space would separate two launches.
        "launch": f"{command.name}-{text_hash(str(command.state))[:16]}",
        "workstream": command.workstream,
        "stage": command.name,
        "attempt": 1,
        "command": command.text,
        "cwd": str(command.folder),
        "env": command_environment(command.env),
        "results": None,
        "state": str(command.state),
        "log": str(command.log),
        "log_limit_bytes": LOG_LIMIT_BYTES,
        "log_keep": 1,
        "beat_s": 5.0,
        "stop_grace_s": _STOP_GRACE_S,
        "timeout_s": command.timeout_s,
        "terminal": False,
    }


def ending(record: ExitRecord) -> str:
    """How a run ended, in words."""
    if record.cause == "timeout":
        return f"was ended after {record.elapsed_s:.0f} s"
    if record.signal is not None:
        return f"was killed by {record.signal}"
    if record.exit_code is None:
        return f"ended without a status ({record.cause})"
    return f"exited with status {record.exit_code}"
