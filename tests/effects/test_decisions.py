"""A stage is decided once and on the run's own numbers, wherever the daemon is killed on the way."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import pytest

from orchestrator.agent.serve import handlers
from orchestrator.core import facts as f
from orchestrator.core.decide import decide
from orchestrator.core.observation import HostSeen, Observation
from orchestrator.core.plan import LOCAL, Host, Plan, Stage
from orchestrator.core.state import Done, Ended
from orchestrator.inbox import Happened, Message
from orchestrator.journal import Journal
from orchestrator.perform import Bench, perform
from orchestrator.site import Site
from tests.core.plans import plan, workstream
from tests.support.agent_scene import Scene, scene_in

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
HERE = Observation(hosts={"local": HostSeen(reachable=True)})
LAUNCH = f.LaunchId("a-1-t")
KILLED, FINISHED = 9, 0
RULES = ("loss < 0.1", "improving(total_loss)", "elapsed_s < 60")
METRICS = {"loss": 0.05, "peak_gpu_memory_mb": 900.0, "history": {"total_loss": [3, 2, 1]}}
RUN = (
    "echo weights > results/c_1.pt; "
    'echo \'{"seq": 1, "step": 1, "checkpoint": "c_1.pt"}\' > results/progress.json; '
    f"echo '{json.dumps(METRICS)}' > results/validation_metrics.json"
)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with scene_in(tmp_path, monkeypatch) as made:
        yield made


class AgentHere:
    """The agent's own answers, without a process between: so that one kill ends both at once."""

    def call(self, request: object, **_: object) -> object:
        return handlers()[type(request)](request, lambda item: None)


@dataclass(frozen=True)
class Day:
    """A journal in which the worker `a` has just ended well, and its real launch."""

    scene: Scene
    journal: Path
    plan: Plan

    @property
    def metrics(self) -> Path:
        return self.scene.worktree("a") / "results" / "validation_metrics.json"

    def go_on(self) -> None:
        """What a daemon does from its start until nothing is left to do."""
        journal = Journal.open(self.journal)
        site = Site(
            host=Host(name=LOCAL),
            link=cast("Any", AgentHere()),
            place=self.scene.place,
            home=cast("Any", None),
            plan_source="",
        )
        while True:
            decision = decide(self.plan, journal.state(), HERE, 0.0)
            if not decision.facts and not decision.effects:
                return journal.close()
            journal.append(decision.facts or self.performed(site, decision.effects), NOW)

    def performed(self, site: Site, effects: tuple[Any, ...]) -> tuple[f.Fact, ...]:
        inbox: SimpleQueue[Message] = SimpleQueue()
        perform(Bench(plan=self.plan, home=cast("Any", None), caller_env={}, inbox=inbox), site, effects)
        happened = inbox.get_nowait()
        assert isinstance(happened, Happened)
        return happened.facts

    def decisions(self) -> list[f.Fact]:
        journal = Journal.read(self.journal)
        assert journal is not None
        made = [entry.fact for entry in journal.entries()]
        journal.close()
        return [fact for fact in made if isinstance(fact, f.StagePassed | f.StageHeld)]


@pytest.fixture
def day(scene: Scene, tmp_path: Path) -> Day:
    entry = scene.entry("a", command=RUN, launch=str(LAUNCH))
    scene.started(entry)
    end = scene.ended(entry).exit
    assert end is not None and end.exit_code == 0
    journal = Journal.open(tmp_path / "state.db")
    facts: list[f.Fact] = [
        f.JournalBegun(token="t"),
        f.StartAsked(workstream="a", by="me"),
        f.LaunchChosen(workstream="a", launch=LAUNCH, host="local", stage="run", attempt=1),
        f.Launched(workstream="a", launch=LAUNCH, worktree="/w", tip="c", made_branch=True),
        f.LaunchEnded(
            workstream="a",
            launch=LAUNCH,
            exit_code=0,
            signal=None,
            cause="exited",
            ended=0.0,
            elapsed_s=5.0,
        ),
    ]
    journal.append(facts, NOW)
    assert isinstance(journal.state().of("a").phase, Ended)
    journal.close()
    return Day(
        scene,
        tmp_path / "state.db",
        plan(workstream("a", stages=(Stage(name="run", run="x", require=RULES),))),
    )


def killed_at(number: int, work: Callable[[], None]) -> int:
    """Run `work` in a process that dies before its `number`-th write becomes lasting; its exit status."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = count(1)

    def fatal(call: Callable[..., Any]) -> Callable[..., Any]:
        def dying(*arguments: Any, **named: Any) -> Any:
            if next(left) == number:
                os._exit(KILLED)
            return call(*arguments, **named)

        return dying

    try:
        os.replace, os.fsync = fatal(os.replace), fatal(os.fsync)
        Journal.append = fatal(Journal.append)  # type: ignore[method-assign]
        work()
        os._exit(FINISHED)
    finally:
        os._exit(1)


def _put(own: Path, back: Path) -> None:
    own.replace(back)


def tampered(day: Day) -> Callable[[], None]:
    """Somebody else writes other numbers; the returned call puts the run's own file back."""
    own = day.metrics.with_name("own")
    day.metrics.rename(own)
    day.metrics.write_text(json.dumps({**METRICS, "loss": 0.01, "history": {"total_loss": [9, 8, 7]}}))
    return lambda: _put(own, day.metrics)


def test_a_daemon_killed_anywhere_decides_once_and_on_the_runs_own_numbers(day: Day) -> None:
    begin = day.journal.read_bytes()
    outcome = Path(day.scene.place.state, "launches", LAUNCH, "outcome.json")
    made: list[f.Fact] = []
    for number in count(1):
        for path in (outcome, *(day.journal.with_name(f"state.db{end}") for end in ("-wal", "-shm"))):
            path.unlink(missing_ok=True)
        day.journal.write_bytes(begin)
        status = killed_at(number, day.go_on)
        put_back = tampered(day)
        day.go_on()
        day.go_on()
        put_back()
        (decision,) = day.decisions()
        assert isinstance(decision, f.StagePassed | f.StageHeld)
        assert decision.metrics.get("loss") in (0.05, None)
        made.append(decision)
        if status == FINISHED:
            break
        assert status == KILLED
    # Killed before its numbers were kept, they are gone; from then on nothing can change the answer.
    kinds = [type(decision) for decision in made]
    assert kinds == sorted(kinds, key=lambda kind: kind is f.StagePassed)
    assert kinds.count(f.StageHeld) >= 1 and kinds.count(f.StagePassed) >= 3


def test_a_decision_keeps_its_evidence(day: Day) -> None:
    day.go_on()
    (decision,) = day.decisions()
    checkpoint = day.scene.worktree("a") / "results" / "c_1.pt"
    assert decision == f.StagePassed(
        workstream="a",
        launch=LAUNCH,
        next_stage=None,
        metrics={"loss": 0.05, "peak_gpu_memory_mb": 900.0},
        rules=RULES,
        inputs={
            "loss": 0.05,
            "total_loss (middle third)": 2.0,
            "total_loss (last third)": 1.0,
            "elapsed_s": 5.0,
        },
        source="validation_metrics.json",
        checkpoint=str(checkpoint),
        checkpoint_sha256=hashlib.sha256(b"weights\n").hexdigest(),
        checkpoint_bytes=8,
    )
    journal = Journal.read(day.journal)
    assert journal is not None
    record = journal.state().of("a")
    assert isinstance(record.phase, Done)
    assert record.measured == {"peak_gpu_memory_mb": 900.0, "checkpoint_bytes": 8.0}
