"""A worker's side of the contract: `report` says how far it got. Standard library only.

The number that matters is `seq`: as long as it grows, the worker advances. Nothing here may slow
down or end the program it is called from: by hand, on a full disk, with any value.
"""

# pathlib would double the time it takes to import this.
# ruff: noqa: PTH105, PTH108, PTH123

from __future__ import annotations

import contextlib
import json
import os
import time
from _thread import RLock

TYPE_CHECKING = False  # importing typing would triple the import time
if TYPE_CHECKING:
    from collections.abc import Mapping

# Readers stop at 64 KiB; these bounds keep the file below that.
READ_LIMIT_BYTES = 64 * 1024
_MESSAGE_LIMIT = 2000
_NAME_LIMIT = 64
_LAUNCH_LIMIT = 500
_METRICS_LIMIT = 400
# Reports the rate is taken over: few enough to follow a change of speed.
_RATE_WINDOW = 20

# Re-entrant: a SIGTERM handler that saves and reports may interrupt a report.
_lock = RLock()
_imported_at = time.monotonic()
_last_seq = 0
_seen: list[tuple[float, float]] = []
# Where the stacks of all threads go at a SIGUSR1, as a descriptor that only exists in memory.
_stacks: int | None = None
_may_register = True


def report(
    *,
    step: int,
    total: int | None = None,
    unit: str = "step",
    message: str = "",
    metrics: Mapping[str, float] | None = None,
    checkpoint: str | None = None,
    eta_s: float | None = None,
    grace_s: float | None = None,
) -> None:
    """Write `progress.json` and `PROGRESS.txt` into `$ORCHESTRATOR_RESULTS`; without it, do nothing.

    A metric that is not finite keeps its name and becomes null. `eta_s` is estimated where it is not
    given. `grace_s` announces a silence of that length, say before a long evaluation.
    """
    directory = os.environ.get("ORCHESTRATOR_RESULTS")
    if directory:
        with _lock, contextlib.suppress(OSError):  # read-only, full or gone: training goes on
            at, end = _number(step), _number(total)
            progress: dict[str, object] = {
                "v": 1,
                "seq": _next_seq(directory),
                **_writer(),
                "step": at,
                "total": end,
                "unit": _text(unit, _NAME_LIMIT),
                "message": _text(message, _MESSAGE_LIMIT),
                "metrics": _finite(metrics),
                "checkpoint": None if checkpoint is None else _text(checkpoint, _MESSAGE_LIMIT),
                "eta_s": _number(eta_s) if eta_s is not None else _estimate(at, end),
                "grace_s": _number(grace_s),
            }
            _replace(directory, "progress.json", json.dumps(progress, allow_nan=False) + "\n")
            _replace(directory, "PROGRESS.txt", _in_words(progress))


def _writer() -> dict[str, object]:
    """Which launch and process this is, and whether that answers a SIGUSR1 with its stacks."""
    attempt = os.environ.get("ORCHESTRATOR_ATTEMPT", "")
    launch = os.environ.get("ORCHESTRATOR_LAUNCH")
    return {
        "attempt": int(attempt) if attempt.isdecimal() else None,
        "launch": _text(launch, _LAUNCH_LIMIT) if launch else None,
        "pid": os.getpid(),
        "stacks": _stacks_at_a_signal() if launch else None,
    }


def _stacks_at_a_signal() -> int | None:
    """Have SIGUSR1 write every thread's stack, unless the program uses that signal itself."""
    global _stacks, _may_register
    with contextlib.suppress(ImportError, AttributeError, OSError, RuntimeError, ValueError):
        import faulthandler  # only for who runs under a supervisor
        import signal

        # Python does not know of faulthandler's own: what it knows of took the place of ours.
        is_free = signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
        if is_free and _may_register:
            _may_register = False
            descriptor = os.memfd_create("orchestrator-stacks")
            faulthandler.register(signal.SIGUSR1, file=descriptor, all_threads=True)
            _stacks = descriptor
        return _stacks if is_free else None
    return None


def _renew_lock() -> None:
    """A lock that a fork caught in another thread's hand would never be released."""
    global _lock
    _lock = RLock()


os.register_at_fork(after_in_child=_renew_lock)


def _number(value: object) -> float | int | None:
    """Return a plain finite number for any scalar (also of numpy and torch), else None."""
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return int(number) if number.is_integer() and not isinstance(value, float) else number


def _text(value: object, limit: int) -> str:
    """Text that every reader can encode: lone surrogates are replaced."""
    return str(value)[:limit].encode("utf-8", "replace").decode()


def _finite(metrics: Mapping[str, float] | None) -> dict[str, float | None]:
    named = list((metrics or {}).items())[:_METRICS_LIMIT]
    return {_text(name, _NAME_LIMIT): _number(value) for name, value in named}


def _estimate(step: float | None, total: float | None) -> float | None:
    """Seconds to `total` at the rate of the last reports; None until two differ."""
    if step is None:
        return None
    now = time.monotonic()
    if _seen and step < _seen[-1][1]:
        _seen.clear()  # another phase began
    _seen.append((now, step))
    del _seen[:-_RATE_WINDOW]
    first_at, first_step = _seen[0]
    if total is None or step <= first_step:
        return None
    return round(max(0.0, total - step) * (now - first_at) / (step - first_step), 1)


def _next_seq(directory: str) -> int:
    global _last_seq
    _last_seq = max(_last_seq, _seq_in_file(directory)) + 1
    return _last_seq


def _seq_in_file(directory: str) -> int:
    try:
        descriptor = os.open(f"{directory}/progress.json", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        found = json.loads(os.read(descriptor, READ_LIMIT_BYTES))
    except (OSError, ValueError, RecursionError):
        return 0
    finally:
        os.close(descriptor)
    seq = found.get("seq") if isinstance(found, dict) else None
    return seq if type(seq) is int and 0 <= seq < 2**53 else 0


def _replace(directory: str, name: str, text: str) -> None:
    # The number makes a report from a signal handler use another file than the one it interrupted.
    temporary = f"{directory}/.{name}.{os.getpid()}.{_last_seq}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, f"{directory}/{name}")
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _in_words(progress: dict[str, object]) -> str:
    step, total, metrics = progress["step"], progress["total"], progress["metrics"]
    where = f"{progress['unit']} {step}"
    if isinstance(step, int | float) and isinstance(total, int | float) and total > 0:
        where += f"/{total} ({100 * step / total:.0f} %)"
    shown = metrics.items() if isinstance(metrics, dict) else ()
    lines = [
        ("workstream", _workstream()),
        ("progress", where),
        ("message", progress["message"]),
        ("metrics", ", ".join(f"{k} {'not finite' if v is None else format(v, '.6g')}" for k, v in shown)),
        ("checkpoint", progress["checkpoint"]),
        ("elapsed", _duration(time.monotonic() - _imported_at)),
        ("ETA", _duration(progress["eta_s"])),
        ("updated", time.strftime("%Y-%m-%d %H:%M:%S %z")),
    ]
    return "".join(f"{name:<11} {_one_line(str(value))}\n" for name, value in lines if value)


def _workstream() -> str:
    parts = (("", "WORKSTREAM"), ("wave ", "WAVE"), ("stage ", "STAGE"), ("attempt ", "ATTEMPT"))
    found = [(label, os.environ.get(f"ORCHESTRATOR_{name}")) for label, name in parts]
    return ", ".join(f"{label}{value}" for label, value in found if value)


def _duration(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
