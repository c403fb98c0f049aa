"""Random days of a daemon, its hosts and its people, against a model that knows what really runs where.

The model is the world: processes live and die in it whether or not anybody looks. What is decided is held
against it after every step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.core import facts as f
from orchestrator.core.decide import (
    Effect,
    JudgeStage,
    KeepStacks,
    StartWorker,
    StopWorker,
    decide,
    next_stage,
)
from orchestrator.core.decide import ended as end_fact
from orchestrator.core.devices import Disk
from orchestrator.core.line import line
from orchestrator.core.observation import Exit, HostSeen, LaunchSeen, Observation, Progress
from orchestrator.core.plan import Heartbeat, HostName, Needs, RestartPolicy, Stage, WorkstreamName
from orchestrator.core.restarts import INTERRUPTIONS_A_DAY
from orchestrator.core.state import (
    Done,
    Failed,
    Held,
    Idle,
    ImpossibleFact,
    State,
    Stopped,
    Wanted,
    replayed,
)
from tests.core.plans import gpu_host, plan, workstream

LIMIT = 2
POLICY: dict[str, Any] = {
    "restart": RestartPolicy(limit=LIMIT, backoff_s=10.0),
    "heartbeat": Heartbeat(every_s=5.0, stale_s=60.0),
}
STAGES = (Stage(name="one", run="x"), Stage(name="two", run="y"))
PLAN = plan(
    workstream("a", **POLICY),
    workstream("b", stages=STAGES, host=HostName("gpu"), gpu=1, **POLICY),
    workstream("c", host=HostName("gpu"), gpu=1, needs=Needs(workstreams=(WorkstreamName("a"),)), **POLICY),
    workstream("s", stages=(), **POLICY),
    hosts=(gpu_host(gpus=(0,)),),
)
NAMES = st.sampled_from(["a", "b", "c", "s"])
HOSTS = st.sampled_from(["local", "gpu"])
CAUSES = st.sampled_from(
    ["exited", "signal", "timeout", "hangup", "supervisor-lost", "memory", "gpu-memory", "gpu-fault", "disk"]
)


@dataclass
class Process:
    """A launch as it really is. `traces`: its host still has its folder."""

    workstream: str
    host: str
    exit: Exit | None = None
    traces: bool = True
    beat: int = 0
    seq: int = 0
    step: float = 0.0
    sound: bool = True
    verdict: bool | None = None


class Days(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.journal: list[f.Fact] = []
        self.state = State()
        self.observation = Observation()
        self.pending: list[Effect] = []
        self.processes: dict[str, Process] = {}
        self.reachable = {"local": True, "gpu": True}
        self.full = {"local": False, "gpu": False}
        self.counted = dict.fromkeys("abcs", 0)
        self.uncounted = dict.fromkeys("abcs", 0)
        self.write([f.JournalBegun(token="t")])

    # --- the daemon, as the loop runs it ---

    def write(self, facts: list[f.Fact]) -> None:
        """Facts that no longer fit are dropped, as the loop drops them."""
        entered = dict(self.observation.phase_since)
        for fact in facts:
            try:
                after = self.state.after(fact)
            except ImpossibleFact:
                continue
            for name in after.workstreams:
                if after.of(name).phase is not self.state.of(name).phase:
                    entered[name] = self.now
            self.state = after
            self.journal.append(fact)
            self.held_against_the_world(fact)
        self.observation = replace(self.observation, phase_since=entered)

    def turn(self) -> None:
        """Decide until nothing follows, and hand out what is due."""
        for _ in range(60):
            decision = decide(PLAN, self.state, self.observation, self.now)
            if not decision.facts:
                break
            before = self.state
            self.write(list(decision.facts))
            assert self.state is not before, f"{decision.facts} could not be written"
        else:
            raise AssertionError("decisions never end")
        keys = frozenset(effect.key for effect in decision.effects)
        assert not keys & self.observation.in_flight
        self.pending += decision.effects
        self.in_flight(self.observation.in_flight | keys)

    def in_flight(self, keys: frozenset[str]) -> None:
        self.observation = replace(self.observation, in_flight=keys)

    def held_against_the_world(self, fact: f.Fact) -> None:
        match fact:
            case f.LaunchChosen():
                others = [p for p in self.processes.values() if p.workstream == fact.workstream]
                assert all(p.exit is not None or not p.traces for p in others), "two at once"
            case f.LaunchEnded():
                process = self.processes.get(fact.launch)
                assert process is None or process.exit or not process.traces, "believed to be dead"
            case f.StopChosen():
                assert self.reachable[self.processes[fact.launch].host], "judged while unreachable"
                assert fact.silent_s > 60.0 or fact.cause == "diverged"
            case f.RetryChosen():
                self.counts(fact)
            case f.StartAsked() | f.RestartAsked() | f.HoldAccepted() | f.StagePassed():
                self.counted[fact.workstream] = self.uncounted[fact.workstream] = 0

    def counts(self, fact: f.RetryChosen) -> None:
        name = fact.workstream
        self.counted[name] = (0 if fact.refilled else self.counted[name]) + fact.counted
        self.uncounted[name] += not fact.counted
        assert self.counted[name] <= LIMIT
        assert self.uncounted[name] <= INTERRUPTIONS_A_DAY
        assert 0 <= fact.delay_s <= 900

    # --- what people and the world do ---

    @initialize(names=st.sets(NAMES))
    def up(self, names: set[str]) -> None:
        for host in self.reachable:
            self.look(host)
        self.write([f.StartAsked(workstream=name, by="me") for name in sorted(names)])
        self.turn()

    @rule(name=NAMES, kind=st.sampled_from([f.StartAsked, f.StopAsked, f.RestartAsked, f.DoneAsked]))
    def asked(self, name: str, kind: type[f.StartAsked]) -> None:
        self.write([kind(workstream=name, by="me")])
        self.turn()

    @rule(name=NAMES)
    def resumed(self, name: str) -> None:
        record = self.state.of(name)
        if isinstance(record.phase, Held):
            following = (
                record.stage if record.phase.repeats else next_stage(PLAN.workstream(name), record.stage)
            )
            self.write([f.HoldAccepted(workstream=name, by="me", next_stage=following)])
            self.turn()

    @rule(seconds=st.sampled_from([0.5, 5.0, 30.0, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.turn()

    @rule(host=HOSTS)
    def cut(self, host: str) -> None:
        self.reachable[host] = False

    @rule(host=HOSTS)
    def mended(self, host: str) -> None:
        self.reachable[host] = True

    @rule(host=HOSTS, full=st.booleans())
    def disk(self, host: str, full: bool) -> None:
        self.full[host] = full

    @rule(host=HOSTS)
    def rebooted(self, host: str) -> None:
        for process in self.live(host):
            process.exit = exit_of("rebooted", None, process.step)

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 3), cause=CAUSES, code=st.sampled_from([None, 1, 1, 2, 75]))
    def fails(self, which: int, cause: str, code: int | None) -> None:
        process = self.one(which)
        code = 1 if cause == "exited" and code is None else code
        process.exit = exit_of(cause, code, process.step)

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 3))
    def ends_well(self, which: int) -> None:
        process = self.one(which)
        process.exit = exit_of("exited", 0, process.step)

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 3))
    def folder_removed(self, which: int) -> None:
        """With all that ran in it: a launch that leaves no trace."""
        self.one(which).traces = False

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 3), sound=st.booleans())
    def advances(self, which: int, sound: bool) -> None:
        """Report after report, each of them seen."""
        process = self.one(which)
        for _ in range(4):
            process.seq, process.step, process.sound = process.seq + 1, process.step + 1, sound
            self.now += 1.0
            self.look(process.host)
        self.turn()

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 3))
    def stands_still(self, which: int) -> None:
        """It reports once, and then no more, while somebody looks."""
        process = self.one(which)
        process.seq, process.step, process.sound = process.seq + 1, process.step + 1, True
        self.watch(process.host, 14)

    @rule(host=HOSTS, rounds=st.integers(1, 15))
    def looked_at(self, host: str, rounds: int) -> None:
        self.watch(host, rounds)

    def watch(self, host: str, rounds: int) -> None:
        for _ in range(rounds):
            self.now += 10.0
            self.look(host)
            self.turn()

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), answer=st.sampled_from(["told", "lost", "refused"]))
    def performed(self, data: st.DataObject, answer: str) -> None:
        effect = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        self.perform(effect, answer)
        self.turn()

    @rule(answer=st.sampled_from(["told", "told", "lost"]))
    def all_performed(self, answer: str) -> None:
        """And everything is seen: time as it mostly passes."""
        batch, self.pending = self.pending, []
        for effect in batch:
            self.perform(effect, answer)
        self.now += 20.0
        for host in self.reachable:
            self.look(host)
        self.turn()

    @rule()
    def daemon_killed(self) -> None:
        """Whatever was under way may still be done by the agent, or not."""
        self.state = replayed(self.journal)
        self.observation = Observation(phase_since=dict.fromkeys(self.state.workstreams, self.now))
        for effect in self.pending:
            if self.reachable[effect.launch.host] and isinstance(effect, StartWorker):
                self.start(effect)
        self.pending = []
        self.turn()

    # --- the world's own working ---

    def live(self, host: str | None = None) -> list[Process]:
        return [p for p in self.processes.values() if p.exit is None and p.traces and host in (None, p.host)]

    def one(self, which: int) -> Process:
        live = self.live()
        return live[which % len(live)]

    def look(self, host: str) -> None:
        free = 0 if self.full[host] else 2**40
        disk = Disk(folder="/w", free_bytes=free, total_bytes=2**41)
        seen = HostSeen(reachable=True, disk=disk)
        if not self.reachable[host]:
            seen = HostSeen(reachable=False, reason="cut")
        hosts = {**self.observation.hosts, host: seen}
        self.observation = replace(self.observation, hosts=hosts)
        if self.reachable[host]:
            watched = [
                r.launch.id for r in self.state.workstreams.values() if r.launch and r.launch.host == host
            ]
            launches = tuple(self.seen(launch) for launch in watched)
            self.observation = self.observation.with_pulses(launches, self.now, self.now)

    def seen(self, launch: str) -> LaunchSeen:
        process = self.processes.get(launch)
        if process is None or not process.traces:
            return LaunchSeen(launch=launch, alive=False, unknown=True)
        process.beat += process.exit is None
        lost = () if process.sound else ("loss",)
        progress = Progress(seq=process.seq, step=process.step, not_finite=lost) if process.seq else None
        return LaunchSeen(
            launch=launch,
            alive=process.exit is None,
            exit=process.exit,
            beat_seq=process.beat,
            progress=progress,
            reported=progress is not None,
        )

    def start(self, effect: StartWorker) -> None:
        """A launch begins once, however often it is asked for."""
        name = effect.workstream.name
        if effect.launch.id not in self.processes:
            assert not any(p.workstream == name for p in self.live()), "two at once"
            self.processes[effect.launch.id] = Process(name, effect.launch.host)

    def perform(self, effect: Effect, answer: str) -> None:
        facts: list[f.Fact] = []
        if self.reachable[effect.launch.host]:
            facts = self.told(effect, answer)
        if answer != "lost":
            self.write(facts)
        self.in_flight(self.observation.in_flight - {effect.key})

    def told(self, effect: Effect, answer: str) -> list[f.Fact]:
        name, launch = effect.workstream.name, effect.launch.id
        match effect:
            case StartWorker() if answer == "refused" and launch not in self.processes:
                return [f.LaunchRefused(workstream=name, launch=launch, cause="setup", message="no")]
            case StartWorker():
                self.start(effect)
                return [f.Launched(workstream=name, launch=launch, worktree="/w", tip="c", made_branch=False)]
            case StopWorker():
                process = self.processes.get(launch)
                if process is None or not process.traces:
                    return []
                process.exit = process.exit or exit_of("stopped", None, process.step)
                return [end_fact(name, launch, process.exit)]
            case JudgeStage():
                process = self.processes[launch]
                process.verdict = answer != "refused" if process.verdict is None else process.verdict
                following = next_stage(effect.workstream, effect.stage)
                if process.verdict:
                    return [f.StagePassed(workstream=name, launch=launch, next_stage=following)]
                return [f.StageHeld(workstream=name, launch=launch, unmet=("loss",))]
            case KeepStacks():
                return [f.StallSeen(workstream=name, launch=launch, seq=effect.seq, silent_s=effect.silent_s)]

    # --- what holds at every moment ---

    @invariant()
    def one_live_launch_each(self) -> None:
        names = [process.workstream for process in self.live()]
        assert len(names) == len(set(names))

    @invariant()
    def what_is_written_is_what_is_known(self) -> None:
        assert replayed(self.journal) == self.state

    def teardown(self) -> None:
        """Everything is mended and every worker ends well: the daemon comes to rest."""
        self.reachable, self.full = dict.fromkeys(self.reachable, True), dict.fromkeys(self.full, False)
        for _ in range(80):
            self.now += 1000.0
            for host in self.reachable:
                self.look(host)
            self.turn()
            batch, self.pending = self.pending, []
            for effect in batch:
                self.perform(effect, "told")
            self.turn()
            for process in self.live():
                process.exit = exit_of("exited", 0, process.step)
        for w in PLAN.workstreams.values():
            phase = self.state.of(w.name).phase
            waits = line(PLAN, self.state, self.observation, self.now).waits.get(w.name)
            resting = isinstance(phase, Idle | Done | Failed | Held | Stopped)
            assert resting or (isinstance(phase, Wanted) and waits), f"{w.name} is still {phase}"


def exit_of(cause: str, code: int | None, step: float) -> Exit:
    code = None if cause == "signal" else code
    signal = "SIGKILL" if code is None else None
    return Exit(exit_code=code, signal=signal, cause=cause, ended=0.0, elapsed_s=30.0, step=step or None)


Days.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
test_days = Days.TestCase
