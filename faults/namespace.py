"""Network namespaces that stand for machines; those of a run that was killed are removed by the next."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "fault"
_SUBNETS = 1 << 14
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """`address` is the machine's; `device` is our end of the cable to it."""

    name: str
    address: str
    device: str


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


def can_make_namespaces() -> bool:
    """Root, and a kernel and tools that do."""
    if os.geteuid() != 0:
        return False
    try:
        with namespace():
            return True
    except (OSError, subprocess.SubprocessError):
        return False


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A machine with one cable, to us."""
    _remove_abandoned()
    number = next(_numbers)
    ours, theirs = _addresses(number)
    made = Namespace(
        name=f"{_PREFIX}-{os.getpid()}-{number}", address=theirs, device=f"ft{os.getpid()}n{number}"
    )
    try:
        ip("netns", "add", made.name)
        ip("link", "add", made.device, "type", "veth", "peer", "name", "eth0", "netns", made.name)
        ip("addr", "add", f"{ours}/30", "dev", made.device)
        ip("link", "set", made.device, "up")
        for command in (["addr", "add", f"{theirs}/30", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            ip("-n", made.name, *command)
        ip("-n", made.name, "link", "set", "lo", "up")
        yield made
    finally:
        _remove(made.name)


def _addresses(number: int) -> tuple[str, str]:
    """Ours and theirs, of a subnet of four that no other run uses by any likelihood."""
    first = ((os.getpid() * 64 + number) % _SUBNETS) * 4
    return tuple(f"10.213.{(first + one) >> 8}.{(first + one) & 255}" for one in (1, 2))  # type: ignore[return-value]


def _remove(name: str) -> None:
    # The cable goes with the namespace; that stays while a process is in it.
    with suppress(subprocess.SubprocessError):
        ip("-n", name, "link", "del", "eth0")
    with suppress(subprocess.SubprocessError):
        ip("netns", "del", name)


def _remove_abandoned() -> None:
    folder = Path("/run/netns")
    for path in folder.glob(f"{_PREFIX}-*") if folder.is_dir() else ():
        pid = path.name.split("-")[1]
        if not Path("/proc", pid).exists():
            _remove(path.name)
