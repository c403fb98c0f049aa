"""`kill -9` of each of the five, before and after everything that the daemon writes down of a run."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from faults.dying import TARGETS
from faults.figures import Answer, Options, all_of, none_of, plain
from faults.scene import Scene, scene
from tests.support.eventually import eventually
from tests.support.project import Project

_END_WITHIN_S = 240.0
_TRANSITIONS = 13
"""In a life without a fault; the tests' sample spares counting them."""


@dataclass(slots=True)
class _Counts:
    rounds: int = 0
    unfinished: list[str] = field(default_factory=list)
    twice: int = 0
    """Runs of one attempt of one stage beyond its first."""
    unasked: int = 0
    """Stages that ran again though their end was written down."""
    left: int = 0
    doubles: int = 0


def measure(options: Options) -> Iterator[Answer]:
    transitions = _TRANSITIONS if options.few else _counted()
    chosen = _chosen(options, transitions)
    counts: list[_Counts] = []
    with ThreadPoolExecutor(len(TARGETS)) as pool:
        rounds = [[one for one in chosen if one[0] == target] for target in TARGETS]
        counts += pool.map(_rounds, rounds)
    for target, one in zip(TARGETS, counts, strict=True):
        yield all_of(f"{target} killed, and the workstream is done", len(one.unfinished), one.rounds)
        if one.unfinished:
            print(f"unfinished: {one.unfinished}", file=sys.stderr)
    yield none_of("starts of an attempt beyond its first", sum(one.twice for one in counts))
    yield none_of("two live workers of one workstream", sum(one.doubles for one in counts))
    yield none_of("stages run again after their end was known", sum(one.unasked for one in counts))
    yield none_of("processes left after the end", sum(one.left for one in counts))
    yield plain("state transitions in a run of two stages with one retry", transitions)


def _chosen(options: Options, transitions: int) -> list[tuple[str, int, str]]:
    every = [(t, n, w) for t in TARGETS for n in range(1, transitions + 1) for w in ("before", "after")]
    return [options.random("kills").choice(every)] if options.few else every


def _counted() -> int:
    """By a life without a fault."""
    with scene(poll_s=0.2) as stage:
        return _round(stage, "dry", "daemon", 0, "after", _Counts())


def _rounds(rounds: list[tuple[str, int, str]]) -> _Counts:
    """All of one target, in a scene of their own."""
    counts = _Counts()
    if rounds:
        with scene(poll_s=0.2) as stage:
            for target, number, when in rounds:
                _round(stage, f"{target}-{number}-{when}", target, number, when, counts)
            counts.doubles = stage.doubles()
    return counts


def _round(stage: Scene, name: str, target: str, number: int, when: str, counts: _Counts) -> int:
    """One workstream's life with one fault in it; how many entries it took."""
    command = f"{stage.command(2, 0.1)}; [ $ORCHESTRATOR_STAGE$ORCHESTRATOR_ATTEMPT != one1 ]"
    stages = ", ".join(f'{{name: {one}, run: "{command}"}}' for one in ("one", "two"))
    restart = "restart: {limit: 9, backoff: 1s}"
    stage.project.workstreams(f"{name}: {{branch: w/{name}, stages: [{stages}], {restart}}}")
    with _dying(stage, target, number, when) as record:
        stage.project.run("up")
        _finish(stage, name, counts)
        _count(stage, name, counts)
        entries = max((int(line.split()[0]) for line in record.read_text().splitlines()), default=0)
    counts.rounds += 1
    return entries


def _finish(stage: Scene, name: str, counts: _Counts) -> None:
    """Until it is done; a daemon that was killed is started again, as a user does."""

    def done() -> bool:
        status = stage.project.ok("status", "--json").json
        if not status["daemon"]["running"]:
            stage.project.run("up")
        return bool(status["workstreams"][0]["state"] == "done")

    try:
        eventually(done, _END_WITHIN_S, every_s=0.1)
    except AssertionError:
        counts.unfinished.append(f"{name}: {stage.project.status(name)}")


def _count(stage: Scene, name: str, counts: _Counts) -> None:
    starts = [(run.stage, run.attempt) for run in stage.runs(name, "start")]
    counts.twice += len(starts) - len(set(starts))
    passed: set[str] = set()
    of_it = [e for e in stage.project.events() if e.get("workstream") == name or e.get("name") == name]
    for event in of_it:
        if event["kind"] == "LaunchChosen" and event.get("stage") in passed:
            counts.unasked += 1
        if event["kind"] == "StagePassed":
            passed.add("one" if not passed else "two")
    counts.left += len([one for one in stage.left_over() if one.has("ORCHESTRATOR_WORKSTREAM", name)])


@contextmanager
def _dying(stage: Scene, target: str, number: int, when: str) -> Iterator[Path]:
    project = stage.project
    record = stage.folder / "written"
    record.write_text("")
    places = [stage.folder, project.home, project.tmux_folder]
    given = [project.root / "waves.yaml", record, target, number, when, *places]
    with (stage.folder / "dying.log").open("ab") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "faults.dying", *map(str, given)],
            cwd="/",
            env=project.env,
            stdout=log,
            stderr=log,
        )
    # Once it has ended it must not linger as our zombie: commands wait until its process is gone.
    threading.Thread(target=daemon.wait, daemon=True).start()
    try:
        with suppress(AssertionError):  # then it was killed, and a user's own command starts another one
            eventually(lambda: daemon.poll() is not None or _runs(project), 60)
        yield record
    finally:
        daemon.kill()
        daemon.wait()
        if project.daemon_pid() is not None:
            project.kill_daemon()


def _runs(project: Project) -> bool:
    return bool(project.ok("status", "--json").json["daemon"]["running"])
