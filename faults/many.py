"""Two hundred workers with nothing wrong: whatever is said to be wrong is a false alarm."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from faults.figures import Answer, Options, none_of, plain, within
from faults.scene import FOREVER, Scene, scene

WORKERS, HOSTS = 200, 4
_SOAK_S, _LONG_SOAK_S = 60.0, 1800.0
_LOOK_EVERY_S = 2.0


def measure(options: Options) -> Iterator[Answer]:
    soak_s = _LONG_SOAK_S if options.long else _SOAK_S
    with scene(HOSTS, namespaces=options.namespaces) as stage:
        names = [f"w{number}" for number in range(WORKERS)]
        stage.plan(
            *(stage.line(name, f"g{n % HOSTS}", stage.command(FOREVER, 5.0)) for n, name in enumerate(names)),
            defaults="heartbeat: {every: 5s, stale: 1m}",
        )
        begun = time.monotonic()
        stage.project.ok("up", within_s=900)
        stage.until_all("running", names)
        yield plain(f"{WORKERS} workers on {HOSTS} hosts: all run after", time.monotonic() - begun, "s")
        yield from _soaked(stage, soak_s)
        stage.let_end()
        ended = time.monotonic()
        stage.until_all("done", names)
        yield plain(f"{WORKERS} workers end at once: all are done after", time.monotonic() - ended, "s")
        yield none_of(f"{WORKERS} workers: lost results", WORKERS - stage.count("StagePassed"), WORKERS)
        yield none_of(
            f"{WORKERS} workers: duplicate starts", stage.doubles() + stage.count("Launched") - WORKERS
        )
        stage.project.ok("down", within_s=300)
        yield none_of(f"{WORKERS} workers: processes left after the stop", len(stage.left_over()))


def _soaked(stage: Scene, soak_s: float) -> Iterator[Answer]:
    lost_before = stage.count("HostLost")
    states: Counter[str] = Counter()
    oldest, give_up_at = 0.0, time.monotonic() + soak_s
    while time.monotonic() < give_up_at:
        statuses = stage.statuses().values()
        states.update(one["state"] for one in statuses)
        oldest = max([oldest, *(one["heartbeat_age_s"] or 0.0 for one in statuses)])
        time.sleep(_LOOK_EVERY_S)
    said = f"soak of {WORKERS} workers for {soak_s / 60:g} min"
    yield none_of(
        f"{said}: a worker called anything but running", states.total() - states["running"], states.total()
    )
    yield none_of(f"{said}: restarts", stage.count("RetryChosen"))
    yield none_of(f"{said}: hosts called lost", stage.count("HostLost") - lost_before)
    yield within(f"{said}: oldest beat that was shown", oldest, 60.0)
