"""A host that freezes in the middle of a transfer of git, while others have work of theirs to bring in."""

from __future__ import annotations

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
            stage.line(
                "big", first.name, f"git config core.compression 0; {_COMMITS}; touch {stage.marks}/made"
            ),
            stage.line("other", second.name, f"{waits}; echo x > x.txt; git add x.txt; git commit -q -m x"),
        )
        stage.project.ok("up")
        eventually((stage.marks / "made").exists, 120, "it is committed")
        eventually(lambda: _fetching(stage) and _receiving(stage), 120, "its bytes come", every_s=0.02)
        first.freeze()
        begun = time.monotonic()
        time.sleep(1.0)
        yield all_of("frozen in a transfer: git was at it", int(not _receiving(stage)), 1)
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
    url = f"ssh://{stage.hosts[0].name}/"
    return [one for one in _gits(stage, "fetch") if any(word.startswith(url) for word in one.argv)]


def _receiving(stage: Scene) -> list[victims.Process]:
    """What writes down the objects that come, here."""
    return [*_gits(stage, "index-pack"), *_gits(stage, "unpack-objects")]


def _gits(stage: Scene, command: str) -> list[victims.Process]:
    """Those of the daemon; a child's environment is its own too."""
    return [
        one
        for one in victims.processes()
        if one.name == "git" and command in one.argv and one.has("HOME", str(stage.project.home))
    ]


def _tip(stage: Scene, name: str) -> str:
    """As its host has it."""
    host = next(one for one in stage.hosts if one.name == stage.statuses()[name]["host"])
    return stage.project.git("rev-parse", f"w/{name}", cwd=host.root / "p")
