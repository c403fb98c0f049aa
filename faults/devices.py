"""A GPU that a stranger's process holds, told by a program that stands for the driver's."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

from faults.figures import Answer, NotRun, Options, none_of, plain, within
from faults.scene import scene
from tests.support.driver import Driver
from tests.support.eventually import eventually

_LOOKED_AT_S = 5.0
_FREED_WITHIN_S = 15.0


def measure(options: Options) -> Iterator[Answer]:
    with scene(poll_s=options.poll_s) as stage, subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            driver = Driver(stage.folder / "driver", 81920)
            stage.project.env["PATH"] = driver.path
            driver.hold(0, stranger.pid, 70000)
            stage.project.workstreams(
                f"a: {{branch: w/a, gpu: 1, run: '{stage.command(3)}'}}", head="hosts: {local: {gpus: 1}}"
            )
            stage.project.ok("up")
            time.sleep(_LOOKED_AT_S)
            if "gpus" not in stage.project.ok("status", "--json").json["hosts"][0]:
                yield NotRun(what="a stranger on the GPU", why="this orchestrator asks no driver")
                return
            yield none_of("a stranger holds the GPU: workers started on it", len(stage.runs("a", "start")))
            named = str(stranger.pid) in stage.statuses()["a"]["reason"]
            yield plain("a stranger holds the GPU: what is waited for names it (1)", float(named))
            driver.let_go()
            freed = time.monotonic()
            eventually(lambda: stage.runs("a", "start"), 120, "it starts")
            yield within("the stranger is gone: the worker starts", time.monotonic() - freed, _FREED_WITHIN_S)
        finally:
            stranger.kill()
