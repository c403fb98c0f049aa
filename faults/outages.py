"""A host that says nothing for a while: frozen sshd, killed sshd, dead link; and that comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from faults.figures import Answer, Options, none_of, within
from faults.host import Host
from faults.scene import FOREVER, Scene, scene
from tests.support.eventually import eventually

KNOWN_WITHIN_S = 20.0
RECONCILED_WITHIN_S = 5.0
_SILENT_S = 15.0


@dataclass(frozen=True, slots=True)
class _Fault:
    what: str
    begin: Callable[[Host], object]
    end: Callable[[Host], object]


_FAULTS = (
    _Fault("sshd frozen", Host.freeze, Host.thaw),
    _Fault("sshd killed", Host.kill_sshd, Host.revive),
    _Fault("link down", lambda one: one.link.cut(), lambda one: one.link.heal()),
)


def measure(options: Options) -> Iterator[Answer]:
    faults = [options.random("outages").choice(_FAULTS)] if options.few else _FAULTS
    for fault in faults:
        with scene(1, namespaces=options.namespaces, poll_s=options.poll_s) as stage:
            yield from _outage(stage, fault, 0.0 if options.few else _SILENT_S)


def _outage(stage: Scene, fault: _Fault, silent_s: float) -> Iterator[Answer]:
    """One worker goes on throughout, one ends while nobody can see it."""
    (one,) = stage.hosts
    stage.plan(
        stage.line("steady", one.name, stage.command(FOREVER)),
        stage.line(
            "ends", one.name, f"while [ ! -e {stage.marks}/now ]; do sleep 0.1; done; {stage.command(2)}"
        ),
    )
    stage.project.ok("up")
    stage.until_all("running", ["steady", "ends"])
    fault.begin(one)
    begun = time.monotonic()
    (stage.marks / "now").touch()
    stage.until_reachable(one.name, is_so=False)
    yield within(f"{fault.what}: the host is known to be silent", time.monotonic() - begun, KNOWN_WITHIN_S)
    wrong = [name for name, said in stage.statuses().items() if said["state"] != "running"]
    yield none_of(f"{fault.what}: workers of it called anything but running", len(wrong), 2)
    eventually(lambda: stage.runs("ends", "end"), 60, "it ends unseen")
    time.sleep(silent_s)
    fault.end(one)
    back = time.monotonic()
    stage.until_reachable(one.name, is_so=True)
    stage.until_all("done", ["ends"])
    yield within(
        f"{fault.what}: host back, and what happened is known", time.monotonic() - back, RECONCILED_WITHIN_S
    )
    restarts = stage.count("Launched") - 2
    yield none_of(f"{fault.what}: restarts", restarts + int(stage.statuses()["steady"]["state"] != "running"))
    yield none_of(f"{fault.what}: lost results", 1 - stage.count("StagePassed"), 1)
    yield none_of(f"{fault.what}: duplicate starts", stage.doubles())
