"""How soon an end is known, how soon a killed worker runs again, and what a stop leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from faults import victims
from faults.figures import Answer, Options, all_of, none_of, within
from faults.scene import FOREVER, Scene, scene
from tests.support.eventually import eventually

EXIT_KNOWN_WITHIN_S = 3.0
AGAIN_WITHIN_S = 15.0
# Left its session; ignores the hang-up; has no parent; ignores the TERM; hides its environment.
_CHILDREN = (
    "setsid sleep 3601 &",
    "nohup sleep 3602 >/dev/null 2>&1 &",
    '(setsid sh -c "sleep 3603 & sleep 3604" &) ;',
    'sh -c "trap : TERM HUP INT; while :; do sleep 1; done" &',
    "env -i sleep 3605 &",
)
# Nothing tells whose it is but that nobody else adopted it.
_LOST_CHILD = "(env -i setsid sleep 3606 &) ;"


def measure(options: Options) -> Iterator[Answer]:
    times = 2 if options.few else 20
    yield from _ends(options, times)
    yield from _again(options, 1 if options.few else 3)
    yield from _orphans(options, 2 if options.few else 8, _CHILDREN)
    if not options.few:
        yield from _orphans(options, 2, (*_CHILDREN, _LOST_CHILD))


def _ends(options: Options, times: int) -> Iterator[Answer]:
    """The host's clock is ours here: what it wrote as the end can be compared with the journal."""
    with scene(1, namespaces=options.namespaces, poll_s=options.poll_s) as stage:
        names = [f"w{number}" for number in range(times)]
        stage.plan(*(stage.line(name, "g0", stage.command(5 + number)) for number, name in enumerate(names)))
        stage.project.ok("up", within_s=300)
        stage.until_all("done", names)
        events = stage.project.events("LaunchEnded")
        late = [datetime.fromisoformat(event["at"]).timestamp() - event["ended"] for event in events]
        yield within(f"an end is known, the latest of {times}", max(late), EXIT_KNOWN_WITHIN_S)


def _again(options: Options, times: int) -> Iterator[Answer]:
    """The restart policy is the plan's default. Each time other workers, so that no pause has grown."""
    with scene(1, namespaces=options.namespaces, poll_s=options.poll_s) as stage:
        names = [f"w{number}" for number in range(times)]
        stage.plan(*(stage.line(name, "g0", stage.command(FOREVER)) for name in names))
        stage.project.ok("up")
        longest = 0.0
        for name in names:
            eventually(lambda name=name: stage.runs(name, "start"), 60, "it runs")  # type: ignore[misc]
            killed = time.monotonic()
            assert victims.kill(stage.workers(name)) == 1
            eventually(lambda name=name: len(stage.runs(name, "start")) == 2, 120, "it runs again")  # type: ignore[misc]
            longest = max(longest, time.monotonic() - killed)
        yield within(f"a killed worker runs again, the longest of {times}", longest, AGAIN_WITHIN_S)
        yield none_of("a killed worker: two at a time", stage.doubles())


def _orphans(options: Options, times: int, children: Sequence[str]) -> Iterator[Answer]:
    """Workers whose children do not want to be found are stopped."""
    with scene(1, namespaces=options.namespaces, poll_s=options.poll_s) as stage:
        names = [f"w{number}" for number in range(times)]
        command = f"sh {_script(stage, children)}"
        stage.plan(*(stage.line(name, "g0", command) for name in names))
        stage.project.ok("up", within_s=300)
        family = _settled_family(stage, times, len(children))
        asked = time.monotonic()
        stage.project.ok("stop", *names, within_s=300)
        took = time.monotonic() - asked
        left = [one for one in victims.processes() if one.pid in family]
        yield none_of(
            f"processes left after a stop, {len(children)} kinds of children", len(left), len(family)
        )
        asked_first = sum(bool(stage.runs(name, "asked")) for name in names)
        yield all_of("a worker was asked to end, and had its time", times - asked_first, times)
        yield within(f"stop of {times} with {len(children)} kinds of children", took, 60.0)


def _script(stage: Scene, children: Sequence[str]) -> str:
    path = stage.marks / "with_children.sh"
    path.write_text("\n".join([*children, f"exec {stage.command(FOREVER)}\n"]))
    return str(path)


def _settled_family(stage: Scene, times: int, children: int) -> set[int]:
    """Everything that descends from supervisors or is tagged by them, once all of it is there."""
    sleepers = ("3601", "3602", "3603", "3604", "3605", "3606")[:children]

    def found() -> set[int]:
        listed = victims.processes()
        family = {one.pid for one in stage.supervisors()} | {one.pid for one in stage.left_over()}
        while more := {one.pid for one in listed if one.parent in family} - family:
            family |= more
        lost = {one.pid for one in listed if one.argv == ("sleep", "3606") and _is_here(stage, one)}
        family |= lost
        there = [one.argv[-1] for one in listed if one.pid in family]
        return family if all(there.count(number) == times for number in sleepers) else set()

    return eventually(found, 120, "every child is there")


def _is_here(stage: Scene, one: victims.Process) -> bool:
    """It kept nothing but its folder."""
    with suppress(OSError):
        return Path(f"/proc/{one.pid}/cwd").resolve().is_relative_to(stage.folder)
    return False
