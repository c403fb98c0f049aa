"""Where the processes of a launch stand: from the kernel, the devices, and Python where it can be asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.agent import contract
from orchestrator.agent.files import load_json
from orchestrator.agent.host import program_output
from orchestrator.agent.launches import launch_folder
from orchestrator.agent.logs import log_folder
from orchestrator.agent.refusals import require_safe_name
from orchestrator.errors import Refused
from orchestrator.supervise import is_running, processes
from orchestrator.supervise.fence import is_anothers
from orchestrator.wire import DumpStacks, Stacks

TEXT_LIMIT = 256 * 1024
FILE_LIMIT_BYTES = 2 * 1024 * 1024
"""Beyond that the file begins anew, the earlier one is kept beside it."""

PROCESSES_LIMIT = 64
THREADS_LIMIT = 64
SUMMARY_LINES = 6
_ANSWER_WAIT_S = 2.0
_PY_SPY_LIMIT = 4
_PY_SPY_TIMEOUT_S = 10.0
_GPU_QUERY = ("nvidia-smi", "--query-compute-apps=pid,used_memory,gpu_uuid", "--format=csv,noheader")


def dump(request: DumpStacks) -> Stacks:
    """Write down where a running launch stands; it goes on undisturbed.

    Raises:
        Refused: it does not run.
    """
    folder = launch_folder(request.place, request.launch)
    workstream = require_safe_name(request.workstream, "workstream name")
    if not is_running(str(folder)):
        raise Refused(f"{request.launch} does not run")
    members = sorted(_members(folder, request.launch))
    stacks = _python_stacks(folder, request, {pid for pid, _ in members})
    parts = [
        f"== {request.launch}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}, processes: {len(members)} ==",
        *_told(_supervisor(folder)),
        *_told([pid for pid, _ in members[:PROCESSES_LIMIT]]),
        *_devices({pid for pid, _ in members}),
        *stacks,
        *_py_spied([pid for pid, _ in members]),
    ]
    text = contract.plain_text("\n".join(parts))[:TEXT_LIMIT] + "\n"
    path = log_folder(request.place, workstream) / f"stall-{request.launch}.txt"
    _keep(path, text)
    return Stacks(path=str(path), text=text, lines=_summary(members, stacks))


def _members(folder: Path, launch: str) -> set[processes.Identity]:
    """The worker's processes, also those that gave their tag away: they descend from the session's leader."""
    leader = load_json(folder / "supervisor.json").get("leader")
    known = [(leader[0], leader[1])] if isinstance(leader, list) and len(leader) == 2 else []
    return processes.belonging(launch, known=known) - set(known)


def _supervisor(folder: Path) -> list[int]:
    pid = load_json(folder / "supervisor.json").get("pid")
    return [pid] if isinstance(pid, int) else []


def _summary(members: list[processes.Identity], stacks: list[str]) -> tuple[str, ...]:
    """The innermost frames of the thread that was asked, else where the first processes wait."""
    frames = [line.strip() for line in "\n".join(stacks).split("\n") if line.lstrip().startswith("File ")]
    if frames:
        return tuple(frames[:SUMMARY_LINES])
    return tuple(_line(pid) for pid, _ in members[:SUMMARY_LINES])


def _told(pids: list[int]) -> Iterator[str]:
    for pid in pids:
        yield _line(pid)
        tasks = _listed(f"/proc/{pid}/task")[:THREADS_LIMIT]
        for task in tasks if len(tasks) > 1 else ():
            yield "    thread " + _line(int(task), f"/proc/{pid}/task/{task}")
        kernel = _text(f"/proc/{pid}/stack").strip()
        if kernel:
            yield from (f"    kernel {line}" for line in kernel.split("\n")[:20])


def _line(pid: int, folder: str = "") -> str:
    """State, what it waits for in the kernel, and its command line or its thread's name."""
    folder = folder or f"/proc/{pid}"
    name = _text(f"{folder}/comm").strip()
    if "/task/" not in folder:
        name = contract.short_line(_text(f"{folder}/cmdline").replace("\0", " ")) or f"[{name}]"
    waits = _text(f"{folder}/wchan").strip()
    where = f" in {waits}" if waits not in ("", "0") else ""
    return f"{pid} {processes.process_state(pid) or 'gone'}{where}: {name}"


def _devices(pids: set[int]) -> Iterator[str]:
    for line in (program_output(*_GPU_QUERY) or "").splitlines():
        pid, _, rest = line.partition(",")
        if pid.strip().isdigit() and int(pid) in pids:
            yield f"gpu: {pid.strip()} holds {rest.strip()}"


def _python_stacks(folder: Path, request: DumpStacks, pids: set[int]) -> list[str]:
    """What the process that reports its progress says when asked by SIGUSR1.

    Only one that holds the memory it announced for the answer is asked: others would die of that signal.
    """
    spec = load_json(folder / "spec.json")
    try:
        said = contract.load_object(f"{spec.get('results')}/progress.json", contract.PROGRESS_LIMIT_BYTES)
    except (OSError, contract.Unreadable):
        return []
    pid, descriptor = said.get("pid"), said.get("stacks")
    if is_anothers(said, request.launch, 0) or pid not in pids or not isinstance(descriptor, int):
        return []
    answer = f"/proc/{pid}/fd/{descriptor}"
    try:
        if "orchestrator-stacks" not in os.readlink(answer):  # noqa: PTH115 (no path of a file)
            return []
        before = os.stat(answer).st_size  # noqa: PTH116
        os.kill(pid, signal.SIGUSR1)
        return [f"python {pid}:", _answer(answer, before)]
    except OSError as error:
        return [f"python {pid}: cannot be asked: {error.strerror}"]


def _answer(path: str, before: int) -> str:
    """What is added to it; a process that is stopped or in the kernel answers later or never."""
    give_up_at = time.monotonic() + _ANSWER_WAIT_S
    size, last = before, -1
    while time.monotonic() < give_up_at and (size == before or size != last):
        time.sleep(0.05)
        last, size = size, os.stat(path).st_size  # noqa: PTH116
    if size == before:
        return "does not answer: it is stopped, or in the kernel"
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, TEXT_LIMIT // 2, before).decode("utf-8", "replace").rstrip()
    finally:
        os.close(descriptor)


def _py_spied(pids: list[int]) -> Iterator[str]:
    program = shutil.which("py-spy")
    pythons = [pid for pid in pids if "python" in _text(f"/proc/{pid}/cmdline").split("\0")[0]]
    for pid in pythons[:_PY_SPY_LIMIT] if program else ():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            argv = [str(program), "dump", "--nonblocking", "--pid", str(pid)]
            done = subprocess.run(argv, capture_output=True, timeout=_PY_SPY_TIMEOUT_S, check=True)
            yield f"py-spy {pid}:\n{done.stdout.decode('utf-8', 'replace').rstrip()}"


def _keep(path: Path, text: str) -> None:
    """A full disk takes nothing away from the answer."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > FILE_LIMIT_BYTES:
            path.replace(path.with_suffix(".old.txt"))
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder), key=int)  # noqa: PTH208
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(16 * 1024).decode("utf-8", "replace")
    except OSError:
        return ""
