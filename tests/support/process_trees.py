"""Process trees of every nasty kind, grown from a description; each process bears a mark in its name."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

TREE = Path(__file__)

HABITS = ("plain", "setsid", "orphan", "deaf", "stopped", "bare", "shell")
"""Leaves the session; loses its parent; ignores TERM and HUP; is stopped; has cleared its environment;
is a program of a shell."""


def plant(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """A random tree; `size` counts its processes, the root not among them."""
    habits = sorted(set(chance.choices(HABITS, k=chance.randint(1, 4))))
    children = [plant(chance, depth + 1) for _ in range(chance.randint(1, 3) if depth < 2 else 0)]
    size = sum(1 + child["size"] for child in children)
    return {"habits": habits, "children": children, "size": size}


def marked(mark: str) -> set[int]:
    """The living processes that bear the mark."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            line = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
            if (
                mark.encode() in line
                and b"tree-node" in line
                and b") Z " not in (folder / "stat").read_bytes()
            ):
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def _grow(mark: str, shape: dict[str, Any]) -> None:
    for child in shape["children"]:
        _sprout(mark, child)


def _sprout(mark: str, shape: dict[str, Any]) -> None:
    """Start a process with these habits; what it becomes goes on here by itself."""
    habits = shape["habits"]
    pid = os.fork()
    if pid:
        if "orphan" in habits:
            os.waitpid(pid, 0)
        return
    if "setsid" in habits:
        os.setsid()
    if "orphan" in habits and os.fork():
        os._exit(0)
    env = {} if "bare" in habits else dict(os.environ)
    argv = [sys.executable, "-S", "-E", __file__, mark, json.dumps(shape), "tree-node"]
    if "shell" in habits:
        argv = ["/bin/sh", "-c", 'exec "$@"; :', "sh", *argv]
    os.execve(argv[0], argv, env)


def _live(shape: dict[str, Any]) -> None:
    if "deaf" in shape["habits"]:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    if "stopped" in shape["habits"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        time.sleep(60)


def main(mark: str, text: str, *node: str) -> None:
    shape = json.loads(text)
    _grow(mark, shape)
    if node:
        _live(shape)
    sys.stdout.write("planted\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
