"""Ports leased to workstreams: kept over restarts, never leased twice, free when leased."""

from __future__ import annotations

import errno
import socket
import zlib
from pathlib import Path

from orchestrator.agent.files import load_json, locked, write_json
from orchestrator.agent.refusals import CannotStart

FIRST, LAST = 20000, 29999


def lease_ports(state: Path, workstream: str, count: int) -> int | None:
    """The first of `count` consecutive ports; None when none are wanted.

    The workstream's worker must not be running: a port in use would then be taken for a stranger's.
    """
    if count <= 0:
        return None
    with locked(state / "ports.lock"):
        leases: dict[str, list[int]] = load_json(state / "ports.json")
        first, length = leases.get(workstream, (0, 0))
        if length < count or not _are_free(range(first, first + count)):
            leases.pop(workstream, None)
            first = _free_range(leases, count, state)
            leases[workstream] = [first, count]
            write_json(state / "ports.json", leases)
    return first


def is_leased(state: Path, workstream: str) -> bool:
    return workstream in load_json(state / "ports.json")


def free_ports(state: Path, workstream: str) -> bool:
    """Give a lease back; False when there was none."""
    with locked(state / "ports.lock"):
        leases = load_json(state / "ports.json")
        if workstream not in leases:
            return False
        del leases[workstream]
        write_json(state / "ports.json", leases)
        return True


def _free_range(leases: dict[str, list[int]], count: int, state: Path) -> int:
    taken = {port for first, length in leases.values() for port in range(first, first + length)}
    size = LAST - FIRST + 1
    # Projects start apart: they do not know each other's leases, only ports in use.
    offset = zlib.crc32(str(state).encode("utf-8", "surrogateescape")) % size
    for step in range(size):
        first = FIRST + (offset + step) % size
        ports = range(first, first + count)
        if ports[-1] <= LAST and not taken.intersection(ports) and _are_free(ports):
            return first
    raise CannotStart("taken", f"no {count} consecutive ports are free between {FIRST} and {LAST}")


def _are_free(ports: range) -> bool:
    return all(map(_is_free, ports))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Without it, connections of the worker that just ended hold its port for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
