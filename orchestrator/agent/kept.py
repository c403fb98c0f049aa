"""Commands kept alive here for somebody elsewhere: they outlive the link, the agent and its daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

from orchestrator import supervise
from orchestrator.agent.environment import command_environment, supervisor_argv
from orchestrator.agent.files import load_json, locked, write_json
from orchestrator.agent.launches import exit_of, has_begun
from orchestrator.agent.logs import read_part
from orchestrator.agent.refusals import require_safe_name
from orchestrator.errors import CommandFailed, Refused
from orchestrator.wire import Finished, ForgetKept, KeptPart, KeptRun, Place, ReadKept, RunKept, StopKept

STOP_GRACE_S = 30.0
_START_DEADLINE_S = 10.0


def run_kept(request: RunKept) -> KeptRun:
    """Raises:
    Refused: the name is taken by another command, or the folder is none.
    """
    folder = _folder(request.place, request.name)
    with locked(folder.with_name(f"{request.name}.lock")):
        if has_begun(folder) and not (folder / "told").exists():
            known = load_json(folder / "spec.json")
            if known.get("argv") != list(request.argv) or known.get("cwd") != str(_working_folder(request)):
                raise Refused(
                    f"{request.name} is another command there: {' '.join(map(str, known.get('argv', ())))}.",
                    "give this one another --name",
                )
            return KeptRun(begun=False)
        _begin(request, folder)
    return KeptRun(begun=True)


def _folder(place: Place, name: str) -> Path:
    return Path(place.state, "keepalive", require_safe_name(name, "name of a command"))


def _working_folder(request: RunKept) -> Path:
    return Path(Path.home(), os.path.expanduser(request.folder or ""))  # noqa: PTH111 (`~nobody` stays)


def _begin(request: RunKept, folder: Path) -> None:
    working = _working_folder(request)
    if not working.is_dir():
        raise Refused(f"there is no folder {working}.")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "results").mkdir(parents=True, mode=0o700)
    write_json(folder / "spec.json", _spec(request, folder, working))
    program = subprocess.Popen(
        supervisor_argv(folder / "spec.json"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    threading.Thread(target=program.wait, daemon=True).start()
    give_up_at = time.monotonic() + _START_DEADLINE_S
    while not has_begun(folder):
        if time.monotonic() > give_up_at:
            raise CommandFailed(f"the supervisor of {request.name} did not start.")
        time.sleep(0.02)


def _spec(request: RunKept, folder: Path, working: Path) -> dict[str, object]:
    return {
        "v": 1,
        "launch": f"keepalive-{request.name}-{time.time_ns()}",
        "workstream": request.name,
        "argv": list(request.argv),
        "cwd": str(working),
        "env": command_environment(),
        "results": str(folder / "results"),
        "state": str(folder),
        "log": str(folder / "keepalive.log"),
        "beat_s": request.beat_s,
        "stop_grace_s": STOP_GRACE_S,
        "terminal": False,
    }


def read_kept(request: ReadKept) -> KeptPart:
    """Raises:
    Refused: there is no such command.
    """
    folder = _folder(request.place, request.name)
    if not folder.is_dir():
        raise Refused(f"there is no command {request.name} here any more.")
    ended = exit_of(supervise.settle(str(folder)))  # before the log is read: nothing follows then
    part = read_part(folder / "keepalive.log", None, request.offset)
    return KeptPart(text=part.text, offset=part.offset, exit=ended)


def stop_kept(request: StopKept) -> Finished:
    folder = _folder(request.place, request.name)
    if folder.is_dir():
        supervise.stop(str(folder), request.grace_s)
    return Finished()


def forget_kept(request: ForgetKept) -> Finished:
    folder = _folder(request.place, request.name)
    with locked(folder.with_name(f"{request.name}.lock")):
        if folder.is_dir() and supervise.settle(str(folder)) is not None:
            (folder / "told").touch()
    return Finished()
