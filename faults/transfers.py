"""A host that freezes in the middle of a transfer of git, while others have work of theirs to bring in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from faults import victims
from faults.figures import Answer, Options, all_of, none_of, plain, within
from faults.scene import Scene, scene
from tests.support.eventually import eventually

_LEFT_WITHIN_S = 60.0
_MEGABYTES = 400
_COMMITS = f"head -c {_MEGABYTES}000000 /dev/urandom > big.bin && git add big.bin && git commit -q -m big"


def measure(options: Options) -> Iterator[Answer]:
    with scene(2, namespaces=options.namespaces, poll_s=options.poll_s) as stage:
        first, second = stage.hosts
        waits = f"while [ ! -e {stage.marks}/now ]; do sleep 0.1; done"
        stage.plan(
            stage.line("big", first.name, f"git config core.compression 0; {_COMMITS}"),
            stage.line("other", second.name, f"{waits}; echo x > x.txt; git add x.txt; git commit -q -m x"),
        )
        stage.project.ok("up")
        eventually(lambda: _fetching(stage), 120, "git fetches from it", every_s=0.02)
        first.freeze()
        begun = time.monotonic()
        under_way = bool(_fetching(stage))
        yield all_of("frozen in a transfer: git was at it", not under_way, 1)
        (stage.marks / "now").touch()
        yield from _meanwhile(stage, begun)
        first.thaw()
        back = time.monotonic()
        eventually(lambda: stage.statuses()["big"]["tip"] == _tip(stage, "big"), 120, "it is here")
        yield plain(f"host back: its {_MEGABYTES} MB are here after", time.monotonic() - back, "s")
        yield none_of("frozen in a transfer: restarts", stage.count("Launched") - 2)


def _meanwhile(stage: Scene, begun: float) -> Iterator[Answer]:
    """The other host's work comes in, every command answers, and git is ended."""
    slowest, left_after, other_after = 0.0, 0.0, 0.0
    while time.monotonic() - begun < _LEFT_WITHIN_S and not (left_after and other_after):
        asked = time.monotonic()
        other = stage.statuses()["other"]
        slowest = max(slowest, time.monotonic() - asked)
        if not other_after and other["state"] == "done" and other["tip"] == _tip(stage, "other"):
            other_after = time.monotonic() - begun
        if not left_after and not _fetching(stage):
            left_after = time.monotonic() - begun
        time.sleep(0.2)
    missing = _LEFT_WITHIN_S * 2
    yield within("frozen in a transfer: git is ended", left_after or missing, _LEFT_WITHIN_S)
    yield within("meanwhile: another host's commit is made and here", other_after or missing, 20.0)
    yield within("meanwhile: slowest answer of status, with its own start", slowest, 5.0)


def _fetching(stage: Scene) -> list[victims.Process]:
    """Git's own process here; its children have other words."""
    url = f"ssh://{stage.hosts[0].name}/"
    return [
        one
        for one in victims.processes()
        if one.pid != os.getpid()
        and one.name == "git"
        and "fetch" in one.argv
        and any(word.startswith(url) for word in one.argv)
        and any(str(stage.folder) in value for value in one.environment)
    ]


def _tip(stage: Scene, name: str) -> str:
    """As its host has it."""
    host = next(one for one in stage.hosts if one.name == stage.statuses()[name]["host"])
    return stage.project.git("rev-parse", f"w/{name}", cwd=host.root / "p")
