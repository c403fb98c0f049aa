"""Effects: what `decide` asks for, done on one host, told to the inbox as facts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from orchestrator import git, wire
from orchestrator.briefing import brief_of
from orchestrator.copying import copied_files
from orchestrator.core import facts as f
from orchestrator.core.decide import Effect, JudgeStage, StartWorker, StopWorker, ended, next_stage, stage_of
from orchestrator.core.leases import visible_devices
from orchestrator.core.observation import LaunchSeen
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.stages import parse_requirement, unmet
from orchestrator.errors import OrchestratorError, Refused
from orchestrator.inbox import Happened, Message, NotPerformed
from orchestrator.site import Home, Site

STOP_GRACE_S = 30.0
"""Between TERM and KILL: time for a worker to write a checkpoint."""

SHELL_GRACE_S = 1.0

LONG_DEADLINE_S = 12 * 3600.0
"""For calls that last as long as a set-up; the probe finds a dead host long before."""

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
            bench.inbox.put(Happened(facts=(_judged(bench, site, effect),), key=effect.key))


# --- start ----------------------------------------------------------------------------------------


def _start(bench: Bench, site: Site, effects: Sequence[StartWorker]) -> None:
    commits = _base_commits(bench, effects)
    entries = {e.launch.id: (e, entry) for e in effects if (entry := _entry(bench, site, e, commits))}
    if not entries:
        return
    _send_commits(bench, site, [entry.worktree for _, entry in entries.values()])

    def told(item: wire.Started | wire.NotStarted) -> None:
        effect, _ = entries[f.LaunchId(item.launch)]
        bench.inbox.put(Happened(facts=(_launch_fact(item),), key=effect.key))

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


def _launch_fact(item: wire.Started | wire.NotStarted) -> f.Launched | f.LaunchRefused:
    launch = f.LaunchId(item.launch)
    if isinstance(item, wire.Started):
        return f.Launched(
            workstream=item.workstream,
            launch=launch,
            worktree=item.worktree,
            tip=item.tip,
            made_branch=item.made_branch,
            port=item.port,
        )
    return f.LaunchRefused(
        workstream=item.workstream,
        launch=launch,
        cause=item.cause,
        message=item.message if item.log is None else f"{item.message}; see {item.log}",
        log=item.log,
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
    stage = stage_of(workstream, _stage_index(workstream, launch.stage))
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


# --- judge ----------------------------------------------------------------------------------------


def _judged(bench: Bench, site: Site, effect: JudgeStage) -> f.StagePassed | f.StageHeld:
    workstream = effect.workstream
    stage = workstream.stages[effect.stage]
    metrics = _metrics(site, workstream, effect)
    failed = unmet(
        [parse_requirement(text) for text in stage.require],
        {**metrics.values, **dict.fromkeys(metrics.not_finite, math.nan)},
        metrics.history,
        effect.elapsed_s,
    )
    if failed:
        return f.StageHeld(
            workstream=workstream.name, launch=effect.launch.id, unmet=failed, metrics=metrics.values
        )
    return f.StagePassed(
        workstream=workstream.name,
        launch=effect.launch.id,
        next_stage=next_stage(workstream, effect.stage),
        metrics=metrics.values,
    )


def _metrics(site: Site, workstream: Workstream, effect: JudgeStage) -> wire.Metrics:
    """What the run wrote as metrics, else its last progress."""
    results = f"{site.worktree_path(workstream)}/{workstream.results}"
    last_of_several = effect.stage == len(workstream.stages) - 1 > 0
    file = "final_metrics.json" if last_of_several else "validation_metrics.json"
    found: wire.Metrics = site.call(
        wire.ReadMetrics(place=site.place, results=results, file=file, launch=effect.launch.id)
    )
    if found.found:
        return found
    progress = _seen(site, effect.launch.id, results).progress
    return wire.Metrics(found=progress is not None, values=progress.metrics if progress else {})


def _seen(site: Site, launch: str, results: str) -> LaunchSeen:
    watched = (wire.Watched(launch=launch, results=results),)
    seen: wire.Seen = site.call(wire.Probe(place=site.place, launches=watched))
    return seen.launches[0]
