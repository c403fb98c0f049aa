"""A launch on disk: its directory under the state, the supervisor's specification, its end."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from orchestrator import supervise
from orchestrator.agent.environment import command_environment
from orchestrator.agent.files import load_json, write_json
from orchestrator.agent.logs import worker_log
from orchestrator.agent.refusals import require_safe_name
from orchestrator.codec import build, plain_fields
from orchestrator.supervise.records import ExitRecord
from orchestrator.wire import Exit, Finished, Launch, Place, Resumption, StartEntry, Stop, Stopped

LOG_LIMIT_BYTES = 50 * 1024 * 1024
LOG_KEEP = 4
_STOPS_AT_ONCE = 64  # each only waits


def launch_folder(place: Place, launch: str) -> Path:
    return Path(place.state, "launches", require_safe_name(launch, "launch id"))


def has_begun(folder: Path) -> bool:
    """Its supervisor runs or ran: it must never be started again."""
    return (
        (folder / "supervisor.json").exists()
        or (folder / "exit.json").exists()
        or (folder.is_dir() and supervise.is_running(str(folder)))
    )


def workstream_of(folder: Path) -> str | None:
    """Whose launch this is; None when it is none of ours."""
    workstream = load_json(folder / "spec.json").get("workstream")
    return workstream if isinstance(workstream, str) else None


def port_of(folder: Path) -> int | None:
    port = load_json(folder / "spec.json").get("port")
    return port if isinstance(port, int) else None


def results_folder(entry: StartEntry) -> Path:
    return Path(entry.worktree.path, entry.worktree.results)


def resumption_of(folder: Path) -> Resumption | None:
    found = load_json(folder / "spec.json").get("resumption")
    return build(Resumption, found) if found is not None else None


def write_spec(
    place: Place, entry: StartEntry, port: int | None, resumption: Resumption | None = None
) -> Path:
    """What the supervisor is to run; 0600, for it holds the worker's environment."""
    launch, worktree = entry.launch, entry.worktree
    folder = launch_folder(place, launch.launch)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    results = results_folder(entry)
    spec: dict[str, Any] = {
        "v": 1,
        "launch": launch.launch,
        "workstream": worktree.workstream,
        "wave": launch.wave,
        "stage": launch.stage,
        "attempt": launch.attempt,
        "cwd": worktree.path,
        "env": command_environment(
            contract_variables(entry, folder, port), worktree.env, launch.env, _goes_on_from(resumption)
        ),
        "results": str(results),
        "state": str(folder),
        "log": str(worker_log(place, worktree.workstream)),
        "log_limit_bytes": LOG_LIMIT_BYTES,
        "log_keep": LOG_KEEP,
        "beat_s": launch.beat_s,
        "stop_grace_s": launch.stop_grace_s,
        "timeout_s": launch.timeout_s,
        "terminal": True,
        "title": f"{worktree.workstream} · stage {launch.stage} · attempt {launch.attempt}",
        "port": port,
        "resumption": plain_fields(resumption) if resumption else None,
        **_program(launch),
    }
    if launch.brief is not None:
        brief_file(folder).write_text(launch.brief, encoding="utf-8")
    write_json(folder / "spec.json", spec)
    return folder / "spec.json"


def brief_file(folder: Path) -> Path:
    return folder / "brief.md"


def contract_variables(entry: StartEntry, folder: Path, port: int | None) -> dict[str, str]:
    launch = entry.launch
    variables = {
        "ORCHESTRATOR_WORKSTREAM": entry.worktree.workstream,
        "ORCHESTRATOR_WAVE": str(launch.wave),
        "ORCHESTRATOR_STAGE": launch.stage,
        "ORCHESTRATOR_ATTEMPT": str(launch.attempt),
        "ORCHESTRATOR_RESULTS": str(results_folder(entry)),
    }
    if launch.brief is not None:
        variables["ORCHESTRATOR_BRIEF"] = str(brief_file(folder))
    return variables if port is None else {**variables, "ORCHESTRATOR_PORT": str(port)}


def _goes_on_from(resumption: Resumption | None) -> dict[str, str]:
    found = resumption.checkpoint if resumption else None
    return {"ORCHESTRATOR_CHECKPOINT": found} if found else {}


def _program(launch: Launch) -> dict[str, object]:
    if launch.command is not None:
        return {"command": launch.command}
    return {"command": "", "argv": [_shell(), "-i"]}


def _shell() -> str:
    found = os.environ.get("SHELL")
    if not found:
        with contextlib.suppress(KeyError):
            found = pwd.getpwuid(os.getuid()).pw_shell
    return found if found and os.access(found, os.X_OK) else "/bin/sh"


def stop(request: Stop, emit: Callable[[object], None]) -> Finished:
    folders = {launch: launch_folder(request.place, launch) for launch in request.launches}
    with ThreadPoolExecutor(_STOPS_AT_ONCE) as pool:
        ended = {pool.submit(_stop, folder, request.grace_s): launch for launch, folder in folders.items()}
        for future in as_completed(ended):
            emit(Stopped(launch=ended[future], exit=future.result()))
    return Finished()


def _stop(folder: Path, grace_s: float) -> Exit | None:
    return exit_of(supervise.stop(str(folder), grace_s))


def exit_of(record: ExitRecord | None) -> Exit | None:
    if record is None:
        return None
    return Exit(
        exit_code=record.exit_code,
        signal=record.signal,
        cause=record.cause,
        ended=float(record.ended),
        elapsed_s=float(record.elapsed_s),
        step=None if record.step is None else float(record.step),
        detail=record.detail,
    )
