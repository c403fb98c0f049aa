"""`python faults/hostile.py KIND FOLDER`: a worker that leaves what no worker should where results go.

Its files are hostile until FOLDER/over exists; then it ends with 0.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

FILES = ("progress.json", "heartbeat.json", "exit.json", "validation_metrics.json", "final_metrics.json")
_HUGE_BYTES = 20_000_000


def _text(content: str | bytes) -> Callable[[Path], object]:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda path: path.write_bytes(data)


def _huge(path: Path) -> None:
    path.write_text(json.dumps({"v": 1, "seq": 1, "message": "x" * _HUGE_BYTES}))


def _no_rights(path: Path) -> None:
    path.write_text("{}")
    path.chmod(0)


_WRONG = {"v": "1", "seq": "many", "step": [], "total": {}, "metrics": [1], "message": 7, "eta_s": "soon"}
_CONTROL = {
    "v": 1,
    "seq": 1,
    "step": 1,
    "unit": "\x1b[2J\x07",
    "message": "a\r\nb\x1b]0;title\x07\u202e\u0000",
}
_LIES = {"v": 1, "attempt": 1, "exit_code": 0, "signal": None, "cause": "exited", "ended": 0, "launch": "x"}

KINDS: dict[str, Callable[[Path], object]] = {
    "empty": _text(""),
    "torn": _text('{"v": 1, "seq": 12, "st'),
    "huge": _huge,
    "fifo": lambda path: os.mkfifo(path),
    "link-out": lambda path: path.symlink_to("/etc/passwd"),
    "link-loop": lambda path: path.symlink_to(path.name),
    "link-device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "a-list": _text("[1, 2, 3]"),
    "wrong-types": _text(json.dumps(_WRONG)),
    "not-numbers": _text(
        '{"v": 1, "seq": NaN, "step": Infinity, "metrics": {"steps": NaN, "loss": -Infinity}}'
    ),
    "numbers-too-big": _text(
        '{"v": 1, "seq": 1' + "0" * 5000 + ', "step": 1e999, "metrics": {"steps": 1e400}}'
    ),
    "deep": _text("[" * 60_000),
    "no-text": _text(b"\xff\xfe\x00{\x80\x81}"),
    "control": _text(json.dumps(_CONTROL)),
    "lies": _text(json.dumps({**_LIES, "seq": -(10**30), "step": -1, "grace_s": 1e300})),
    "no-rights": _no_rights,
}


def _put(kind: str, results: Path) -> None:
    for name in FILES:
        made = results / f".{name}.made"
        KINDS[kind](made)
        path = results / name
        if path.is_dir() and not path.is_symlink():
            continue
        if made.is_dir() and not made.is_symlink() and path.exists():
            path.unlink()
        made.rename(path)


def main(kind: str, folder: str) -> None:
    results = Path(os.environ["ORCHESTRATOR_RESULTS"])
    _put(kind, results)
    while not Path(folder, "over").exists():
        time.sleep(0.1)
    _put(kind, results)


if __name__ == "__main__":
    main(*sys.argv[1:])
