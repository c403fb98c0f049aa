"""What there is room for, below the table of `status`: drains, and who holds which device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.cli.printing import one_line
from orchestrator.core.devices import in_mib

Document = dict[str, Any]


def capacity_lines(document: Document) -> list[str]:
    everywhere = document.get("drained", False)
    drained = ["nothing new starts anywhere; end that with: orchestrator up"] if everywhere else []
    return [*drained, *(line for host in document["hosts"] for line in _of_host(host, everywhere=everywhere))]


def _of_host(host: Document, *, everywhere: bool) -> Iterator[str]:
    name = host["name"]
    if host.get("drained") and not everywhere:
        yield f"nothing new starts on {name}; end that with: orchestrator drain --off {name}"
    if host.get("gpu_note"):
        yield f"host {name}: {one_line(host['gpu_note'])}"
    for gpu in host.get("gpus", ()):
        yield f"GPU {gpu['index']} of {name}: {'; '.join(_of_gpu(gpu))}"


def _of_gpu(gpu: Document) -> Iterator[str]:
    if gpu["memory_total_mb"] is not None:
        yield f"{in_mib(gpu['memory_free_mb'])} of {in_mib(gpu['memory_total_mb'])} free"
    yield f"held by {', '.join(gpu['held_by'])}" if gpu["held_by"] else "held by nobody here"
    for process in gpu["processes"]:
        if process["workstream"] is None:
            user = f", user {one_line(process['user'])}" if process["user"] else ""
            memory = "" if process["memory_mb"] is None else f" with {in_mib(process['memory_mb'])}"
            yield f"pid {process['pid']} ({one_line(process['name'])}{user}){memory}"
