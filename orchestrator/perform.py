"""Effects: what `decide` asks for, done on one host, told to the inbox as facts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypedDict

from orchestrator import git, wire
from orchestrator.briefing import brief_of
from orchestrator.copying import copied_files
from orchestrator.core import facts as f
from orchestrator.core.decide import (
    Effect,
    JudgeStage,
    KeepStacks,
    StartWorker,
    StopWorker,
    ended,
    next_stage,
    stage_of,
)
from orchestrator.core.facts import Fact
from orchestrator.core.leases import visible_devices
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.stages import judged_numbers, parse_requirement, unmet
from orchestrator.errors import OrchestratorError, Refused
from orchestrator.inbox import Happened, Message, NotPerformed
from orchestrator.site import Home, Site

STOP_GRACE_S = 30.0
"""Between TERM and KILL: time for a worker to write a checkpoint."""

SHELL_GRACE_S = 1.0

LONG_DEADLINE_S = 12 * 3600.0
"""For calls that last as long as a set-up; the probe finds a dead host long before."""

STACKS_DEADLINE_S = 90.0
"""Devices and debuggers are asked too, and each may hang."""

_NOT_FOR_WORKERS = ("GIT_", "TMUX", "TERM", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES", "ORCHESTRATOR_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What performing needs beside the action. `caller_env` is that of whoever typed `up`."""

    plan: Plan
    home: Home
    caller_env: Mapping[str, str]
    inbox: SimpleQueue[Message]


def perform(bench: Bench, site: Site, effects: Sequence[Effect]) -> None:
    """Do a host's effects of one kind, together; blocks until every one has been told to the inbox.

    Raises:
        HostUnreachable: some were not done, or their answer was lost. All may be done again.
    """
    starts = [e for e in effects if isinstance(e, StartWorker)]
    stops = [e for e in effects if isinstance(e, StopWorker)]
    if starts:
        _start(bench, site, starts)
    if stops:
        _stop(bench, site, stops)
    for effect in effects:
        if isinstance(effect, JudgeStage):
            bench.inbox.put(Happened(facts=(_judged(site, effect),), key=effect.key))
        elif isinstance(effect, KeepStacks):
            bench.inbox.put(Happened(facts=(_stall(site, effect),), key=effect.key))


# --- start ----------------------------------------------------------------------------------------


def _start(bench: Bench, site: Site, effects: Sequence[StartWorker]) -> None:
    commits = _base_commits(bench, effects)
    entries = {e.launch.id: (e, entry) for e in effects if (entry := _entry(bench, site, e, commits))}
    if not entries:
        return
    _send_commits(bench, site, [entry.worktree for _, entry in entries.values()])

    def told(item: wire.Started | wire.NotStarted) -> None:
        effect, _ = entries[f.LaunchId(item.launch)]
        bench.inbox.put(Happened(facts=_launch_facts(item), key=effect.key))

    request = wire.Start(
        place=site.place,
        tmux_socket=bench.plan.tmux_socket,
        entries=tuple(entry for _, entry in entries.values()),
    )
    site.call(request, deadline_s=LONG_DEADLINE_S, on_item=told)


def _base_commits(bench: Bench, effects: Sequence[StartWorker]) -> dict[str, str | None]:
    return git.find_commits(bench.home.git, {f"refs/heads/{e.workstream.base}" for e in effects})


def _send_commits(bench: Bench, site: Site, worktrees: Sequence[wire.Worktree]) -> None:
    here = git.branches(bench.home.git, [w.branch for w in worktrees]) if not site.is_local else {}
    site.send([w.start for w in worktrees], here)


def _launch_facts(item: wire.Started | wire.NotStarted) -> tuple[Fact, ...]:
    if isinstance(item, wire.NotStarted):
        message = item.message if item.log is None else f"{item.message}; see {item.log}"
        refused = f.LaunchRefused(
            workstream=item.workstream,
            launch=f.LaunchId(item.launch),
            cause=item.cause,
            message=message,
            log=item.log,
        )
        return (refused,)
    launched = f.Launched(
        workstream=item.workstream,
        launch=f.LaunchId(item.launch),
        worktree=item.worktree,
        tip=item.tip,
        made_branch=item.made_branch,
        port=item.port,
    )
    return (launched, *_resumption_fact(item))


def _resumption_fact(item: wire.Started) -> Iterator[f.CheckpointChosen]:
    found = item.resumption
    if found is not None:
        yield f.CheckpointChosen(
            workstream=item.workstream,
            launch=f.LaunchId(item.launch),
            checkpoint=found.checkpoint,
            sha256=found.sha256,
            size_bytes=found.size_bytes,
            rejected=found.rejected,
        )


def _entry(
    bench: Bench, site: Site, effect: StartWorker, commits: Mapping[str, str | None]
) -> wire.StartEntry | None:
    """What the agent is to start; None when that was refused here already."""
    try:
        return _checked_entry(bench, site, effect, commits)
    except OrchestratorError as error:
        refusal = f.LaunchRefused(
            workstream=effect.workstream.name, launch=effect.launch.id, cause="copy", message=error.message
        )
        bench.inbox.put(Happened(facts=(refusal,), key=effect.key))
        return None


def _checked_entry(
    bench: Bench, site: Site, effect: StartWorker, commits: Mapping[str, str | None]
) -> wire.StartEntry:
    workstream, launch = effect.workstream, effect.launch
    start = commits[f"refs/heads/{workstream.base}"]
    if start is None:
        raise Refused(f"there is no branch {workstream.base} with a commit to start {workstream.name} from.")
    env = worker_environment(bench.caller_env if site.is_local else {}, workstream, launch.gpus)
    return wire.StartEntry(
        worktree=_worktree(bench, site, workstream, start, env), launch=_launch(bench, effect, env)
    )


def _worktree(
    bench: Bench, site: Site, workstream: Workstream, start: str, env: dict[str, str]
) -> wire.Worktree:
    return wire.Worktree(
        workstream=workstream.name,
        path=site.worktree_path(workstream),
        branch=workstream.branch,
        start=start,
        results=workstream.results,
        skeleton=workstream.skeleton,
        copy=copied_files(bench.home.root, workstream.copy),
        setup=workstream.setup,
        env=env,
    )


def _launch(bench: Bench, effect: StartWorker, env: dict[str, str]) -> wire.Launch:
    workstream, launch = effect.workstream, effect.launch
    index = _stage_index(workstream, launch.stage)
    stage = stage_of(workstream, index)
    return wire.Launch(
        launch=launch.id,
        session=bench.plan.session(workstream.name),
        wave=workstream.wave,
        stage=launch.stage,
        attempt=launch.attempt,
        command=stage.command(launch.attempt) if stage else None,
        env={**env, "ORCHESTRATOR_STAGE": launch.stage, "ORCHESTRATOR_ATTEMPT": str(launch.attempt)},
        ports=workstream.ports,
        beat_s=workstream.heartbeat.every_s,
        stop_grace_s=STOP_GRACE_S,
        timeout_s=stage.timeout_s if stage else None,
        brief=brief_of(bench.plan, workstream, bench.home.root),
        resumes=stage is not None and (launch.attempt > 1 or index > 0),
        verify=workstream.restart.verify,
    )


def _stage_index(workstream: Workstream, name: str) -> int:
    return next(
        (i for i, stage in enumerate(workstream.stages) if stage.name == name), len(workstream.stages)
    )


def worker_environment(
    caller: Mapping[str, str], workstream: Workstream, gpus: tuple[int, ...]
) -> dict[str, str]:
    """The caller's environment without what belongs to its own terminal and git, then the plan's."""
    inherited = {k: v for k, v in caller.items() if not k.startswith(_NOT_FOR_WORKERS)}
    return {
        **inherited,
        **workstream.env,
        **visible_devices(gpus),
        "ORCHESTRATOR_WORKSTREAM": workstream.name,
        "ORCHESTRATOR_WAVE": str(workstream.wave),
    }


# --- stop -----------------------------------------------------------------------------------------


def _stop(bench: Bench, site: Site, effects: Sequence[StopWorker]) -> None:
    by_launch = {effect.launch.id: effect for effect in effects}

    def told(item: wire.Stopped) -> None:
        effect = by_launch[f.LaunchId(item.launch)]
        bench.inbox.put(_end(effect, item))

    for grace_s, launches in _by_grace(effects).items():
        request = wire.Stop(place=site.place, launches=tuple(launches), grace_s=grace_s)
        site.call(request, deadline_s=LONG_DEADLINE_S, on_item=told)


def _by_grace(effects: Sequence[StopWorker]) -> dict[float, list[str]]:
    """Shells first: an interactive shell ignores TERM, so waiting long for one is in vain."""
    groups: dict[float, list[str]] = {SHELL_GRACE_S: [], STOP_GRACE_S: []}
    for effect in effects:
        groups[STOP_GRACE_S if effect.workstream.stages else SHELL_GRACE_S].append(effect.launch.id)
    return {grace_s: launches for grace_s, launches in groups.items() if launches}


def _end(effect: StopWorker, item: wire.Stopped) -> Message:
    if item.exit is None:
        return NotPerformed(key=effect.key, reason=f"{effect.workstream.name} does not end")
    end = ended(effect.workstream.name, effect.launch.id, item.exit)
    return Happened(facts=(end,), key=effect.key)


# --- look -----------------------------------------------------------------------------------------


def dump_stacks(site: Site, workstream: str, launch: str) -> wire.Stacks:
    """Have the host write down where a running launch stands; blocks for some seconds.

    Raises:
        Refused: it does not run.
        HostUnreachable: nothing was written down, or the answer was lost.
    """
    request = wire.DumpStacks(place=site.place, workstream=workstream, launch=launch)
    found: wire.Stacks = site.call(request, deadline_s=STACKS_DEADLINE_S)
    return found


# --- judge ----------------------------------------------------------------------------------------


def _judged(site: Site, effect: JudgeStage) -> f.StagePassed | f.StageHeld:
    """Nothing of it depends on when, or how often, it is asked: the outcome of a run is read once."""
    workstream = effect.workstream
    stage = workstream.stages[effect.stage]
    outcome = _outcome(site, workstream, effect)
    rules = [parse_requirement(text) for text in stage.require]
    known = {**outcome.metrics.values, **dict.fromkeys(outcome.metrics.not_finite, math.nan)}
    history = outcome.metrics.history
    evidence = _Evidence(
        workstream=workstream.name,
        launch=effect.launch.id,
        metrics=outcome.metrics.values,
        rules=stage.require,
        inputs=judged_numbers(rules, known, history, effect.elapsed_s),
        source=outcome.source,
        checkpoint=outcome.checkpoint,
        checkpoint_sha256=outcome.checkpoint_sha256,
        checkpoint_bytes=outcome.checkpoint_bytes,
    )
    failed = unmet(rules, known, history, effect.elapsed_s)
    if failed:
        return f.StageHeld(unmet=failed, **evidence)
    return f.StagePassed(next_stage=next_stage(workstream, effect.stage), **evidence)


class _Evidence(TypedDict):
    """What either decision keeps."""

    workstream: str
    launch: f.LaunchId
    metrics: dict[str, float]
    rules: tuple[str, ...]
    inputs: dict[str, float]
    source: str
    checkpoint: str | None
    checkpoint_sha256: str | None
    checkpoint_bytes: int | None


def _outcome(site: Site, workstream: Workstream, effect: JudgeStage) -> wire.Outcome:
    """What the run wrote as metrics, else its last progress; and the checkpoint it left."""
    worktree = site.worktree_path(workstream)
    last_of_several = effect.stage == len(workstream.stages) - 1 > 0
    request = wire.ReadOutcome(
        place=site.place,
        launch=effect.launch.id,
        worktree=worktree,
        results=f"{worktree}/{workstream.results}",
        file="final_metrics.json" if last_of_several else "validation_metrics.json",
    )
    outcome: wire.Outcome = site.call(request, deadline_s=LONG_DEADLINE_S)
    return outcome


# --- stalls ---------------------------------------------------------------------------------------


def _stall(site: Site, effect: KeepStacks) -> f.StallSeen:
    """A worker that has just ended has no stacks any more: that is no reason to ask again."""
    try:
        stacks = dump_stacks(site, effect.workstream.name, effect.launch.id)
        path, detail = stacks.path, "; ".join(stacks.lines)
    except Refused as error:
        path, detail = None, error.message
    return f.StallSeen(
        workstream=effect.workstream.name,
        launch=effect.launch.id,
        seq=effect.seq,
        silent_s=effect.silent_s,
        step=effect.step,
        stacks=path,
        detail=detail,
    )
