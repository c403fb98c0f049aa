"""Says at intervals that the worker lives: for the agent in JSON, for people in dated lines."""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
import time

from .fence import is_anothers
from .records import held_results, leads_out, overwrite, read_json, replace_file, replace_json, use_reserve
from .written import is_from_before

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .spec import Spec

RUNNING, STOPPING, ENDED = "running", "stopping", "ended"

_TEXT_LIMIT_BYTES = 128 * 1024
_TEXT_KEPT_LINES = 500
_MESSAGE_LIMIT = 200


class Heartbeat:
    """The state directory has the authoritative beat, `results` a copy; neither failing stops anything."""

    def __init__(self, spec: Spec, progress_folder: str | None) -> None:
        self.state = RUNNING
        self.pid: int | None = None
        self.output_bytes = 0
        self.log_error: str | None = None
        self.memory_kills: dict[str, int] = {}
        self._spec = spec
        self.progress_folder = progress_folder
        self._seq = 0
        self._started = time.time()

    def beat(self) -> float:
        """Beat, and return the monotonic moment of the next."""
        now = time.monotonic()
        self._seq += 1
        content = {
            "v": 1,
            "seq": self._seq,
            "launch": self._spec.launch,
            "attempt": self._spec.attempt,
            "pid": self.pid,
            "started": self._started,
            "state": self.state,
            "stage": self._spec.stage,
            "output_seq": self.output_bytes,
        }
        if self.log_error:
            content["log_error"] = self.log_error
        with held_results(self._spec.results, self._spec.cwd) as results:
            if results is None and leads_out(self._spec.results, self._spec.cwd):
                content["results_error"] = "results lead out of the working directory"
            _write(self._spec.state, {**content, "memory_kills": self.memory_kills})
            if results:
                with contextlib.suppress(OSError):
                    replace_json(f"{results}/heartbeat.json", content)
                _append_line(f"{results}/HEARTBEAT.txt", self._line())
        return now + self._spec.beat_s

    def _line(self) -> str:
        said = describe_progress(self.progress_folder) if self.progress_folder else ""
        parts = (time.strftime("%Y-%m-%d %H:%M:%S %z"), self._spec.title, f"pid {self.pid}", self.state, said)
        return " · ".join(part for part in parts if part)


def _write(folder: str, content: Mapping[str, object]) -> None:
    path, text = f"{folder}/heartbeat.json", json.dumps(content).encode() + b"\n"
    with contextlib.suppress(OSError):
        try:
            replace_file(path, text)
        except OSError:  # a full disk is no reason to seem dead
            if os.path.exists(path):  # noqa: PTH110
                overwrite(path, text)
            else:
                use_reserve(path, text)


def describe_progress(folder: str) -> str:
    """Return what the worker says of itself on one printable line; its file may hold anything."""
    found = read_json(f"{folder}/progress.json")
    step, total, unit = found.get("step"), found.get("total"), found.get("unit")
    message = found.get("message")
    where = ""
    if isinstance(step, int | float):
        where = f"{unit if isinstance(unit, str) else 'step'} {step}"
        where += f"/{total}" if isinstance(total, int | float) else ""
    said = " ".join(part for part in (where, message) if isinstance(part, str) and part)
    return "".join(c if c.isprintable() else " " for c in said[:_MESSAGE_LIMIT])


def last_step(folder: str | None, state: str, launch: str, attempt: int) -> float | None:
    """How far this launch's worker said it got."""
    path = f"{folder}/progress.json"
    found = read_json(path) if folder and not is_from_before(state, path) else {}
    step = found.get("step")
    if not isinstance(step, int | float) or isinstance(step, bool) or not math.isfinite(step):
        return None
    return None if is_anothers(found, launch, attempt) else float(step)


def _append_line(path: str, line: str) -> None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError:
        return
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            os.write(descriptor, line.encode(errors="replace") + b"\n")
            if status.st_size > _TEXT_LIMIT_BYTES:
                _shorten(path, descriptor, status.st_size)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _shorten(path: str, descriptor: int, size: int) -> None:
    last = os.pread(descriptor, _TEXT_LIMIT_BYTES, max(0, size - _TEXT_LIMIT_BYTES // 2))
    replace_file(path, b"".join(last.splitlines(keepends=True)[1:][-_TEXT_KEPT_LINES:]))
