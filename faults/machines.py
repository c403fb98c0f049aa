"""A host that loses its power, and comes up again with another boot id."""

from __future__ import annotations

import time
from collections.abc import Iterator

from faults.figures import Answer, NotRun, Options, all_of, none_of, within
from faults.outages import RECONCILED_WITHIN_S
from faults.scene import FOREVER, Scene, scene
from tests.support.eventually import eventually

_RESUMED_WITHIN_S = 60.0
_TIMES = 3
_WORKERS = 3


def measure(options: Options) -> Iterator[Answer]:
    if not options.namespaces:
        yield NotRun(what="reboots of a host", why="needs root, and namespaces for processes and mounts")
        return
    times = 1 if options.few else _TIMES
    with scene(1, namespaces=True, poll_s=options.poll_s) as stage:
        (one,) = stage.hosts
        names = [f"w{number}" for number in range(_WORKERS)]
        stage.plan(*(stage.line(name, one.name, stage.command(FOREVER)) for name in names))
        stage.project.ok("up")
        stage.until_all("running", names)
        for number in range(1, times + 1):
            yield from _reboot(stage, names, number)
        stage.project.ok("down", within_s=120)
        yield none_of("reboots: processes left after the stop", len(stage.left_over()))


def _reboot(stage: Scene, names: list[str], number: int) -> Iterator[Answer]:
    (one,) = stage.hosts
    one.crash()
    stage.until_reachable(one.name, is_so=False)
    one.boot_again()
    back = time.monotonic()
    stage.until_reachable(one.name, is_so=True)
    eventually(
        lambda: stage.count("LaunchEnded") == number * _WORKERS, 60, "the ends are known", every_s=0.05
    )
    yield within(
        f"reboot {number}: host back, and its lost runs are known",
        time.monotonic() - back,
        RECONCILED_WITHIN_S,
    )
    expected = [number + 1] * _WORKERS
    eventually(
        lambda: [len(stage.runs(name, "start")) for name in names] == expected,
        300,
        "all run again",
        every_s=0.05,
    )
    yield within(f"reboot {number}: all run again", time.monotonic() - back, _RESUMED_WITHIN_S)
    causes = [event["cause"] for event in stage.project.events("LaunchEnded")[-_WORKERS:]]
    yield all_of(
        f"reboot {number} is named as the cause", sum("reboot" not in cause for cause in causes), _WORKERS
    )
    yield none_of(f"reboot {number}: duplicate starts", stage.doubles())
    stage.until_all("running", names)
