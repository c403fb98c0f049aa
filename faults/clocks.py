"""Clocks that jump by a day and back, on a host and here, under workers and daemon.

What is shifted is what their processes read as the time of day; files keep the kernel's stamps, so one
worker sets back the stamps of its own results, as a clock that is set back in between would.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from faults.figures import Answer, NotRun, Options, all_of, none_of
from faults.scene import FOREVER, Scene, scene

_DAY_S = 86_400
_SOURCE = Path(__file__).with_name("clock.c")
_LOOKED_AT_S = 2.5


def measure(options: Options) -> Iterator[Answer]:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        yield NotRun(what="clocks that jump", why="needs a C compiler, for what is preloaded")
        return
    with tempfile.TemporaryDirectory(prefix="faults-clock-") as name:
        folder = Path(name)
        shim = folder / "clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(shim), str(_SOURCE)], check=True)
        there, here = folder / "there", folder / "here"
        env = {"LD_PRELOAD": str(shim), "FAULTS_CLOCK": str(there)}
        with scene(1, namespaces=options.namespaces, poll_s=options.poll_s, env=env) as stage:
            stage.project.env.update(LD_PRELOAD=str(shim), FAULTS_CLOCK=str(here))
            yield from _jumps(stage, there, here, options)


def _jumps(stage: Scene, there: Path, here: Path, options: Options) -> Iterator[Answer]:
    names = _begin(stage)
    random = options.random("clocks")
    jumps = [(clock, days) for days in (1, -1, 0) for clock in (there, here)]
    random.shuffle(jumps)
    steady, alarms = ["steady-g0", "steady-local"], 0
    for clock, days in jumps:
        clock.write_text(str(days * _DAY_S))
        time.sleep(_LOOKED_AT_S)
        statuses = stage.statuses()
        alarms += sum(statuses[name]["state"] != "running" for name in steady)
    shown = stage.project.events("LaunchEnded")
    stage.let_end()
    missing = stage.missing("done", names, within_s=60)
    print("\n".join(missing), file=sys.stderr)
    chained = len([name for name in names if name not in steady])
    yield none_of(f"clocks: false alarms after {len(jumps)} jumps of a day", alarms)
    yield none_of("clocks: restarts", stage.count("RetryChosen"))
    yield all_of("clocks: every run came to its end with its result", len(missing), chained + len(steady))
    yield none_of("clocks: two live workers of one workstream", stage.doubles())
    yield none_of("clocks: runs that took less than no time", sum(event["elapsed_s"] < 0 for event in shown))
    yield from _set_back(stage)


def _begin(stage: Scene) -> list[str]:
    lines, names = [], []
    for where in ("g0", "local"):
        lines.append(stage.line(f"steady-{where}", where, stage.command(FOREVER)))
        command = stage.command(8)
        stages = ", ".join(f"{{name: n{n}, run: '{command}', require: [steps > 0]}}" for n in range(6))
        lines.append(f"chain-{where}: {{branch: w/chain-{where}, host: {where}, stages: [{stages}]}}")
        names += [f"steady-{where}", f"chain-{where}"]
    back = f"{stage.command(2)}; touch -d yesterday $ORCHESTRATOR_RESULTS/validation_metrics.json"
    lines.append(
        f"back: {{branch: w/back, host: g0, stages: [{{name: run, run: '{back}', require: [steps >= 0]}}]}}"
    )
    stage.plan(*lines, defaults="heartbeat: {every: 2s, stale: 30s}")
    stage.project.ok("up", within_s=300)
    return names


def _set_back(stage: Scene) -> Iterator[Answer]:
    refused = stage.missing("done", ["back"], within_s=30)
    yield none_of("clocks: results refused because the host's clock was set back meanwhile", len(refused), 1)
