"""Running gates: workstreams side by side, a few on each host, every verdict told as it is known."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue

from orchestrator import git
from orchestrator.checks import require_check, runs_commands
from orchestrator.core.facts import GateFinished
from orchestrator.core.plan import Host, WaveNumber, Workstream
from orchestrator.desk import Desk
from orchestrator.errors import Refused
from orchestrator.gates.job_run import Asked, JobRun, Retried, Told
from orchestrator.gates.jobs import AT_ONCE_ON_A_HOST, Job, wave_job, workstream_job
from orchestrator.gates.session import GateSession
from orchestrator.gates.siblings import members_of, siblings_of
from orchestrator.gates.toolchains import Toolchains
from orchestrator.gates.verdicts import GateVerdict

_MOST_THREADS = 16
_KEPT_CHARACTERS = 4000


def run_workstream_gates(
    desk: Desk,
    workstream: Workstream,
    tip: str,
    *,
    only: Collection[str] | None = None,
    use_cache: bool = True,
    session: GateSession | None = None,
) -> tuple[GateVerdict, ...]:
    """Run a workstream's gates on its committed tip; see `run_gates`."""
    return run_gates(desk, {workstream.name: tip}, only=only, use_cache=use_cache, session=session)


def run_gates(
    desk: Desk,
    tips: Mapping[str, str],
    *,
    only: Collection[str] | None = None,
    use_cache: bool = True,
    session: GateSession | None = None,
) -> tuple[GateVerdict, ...]:
    """Run the gates of several workstreams on their committed tips, each on its host.

    `only` names gates; those for the wave are left to the wave. With `use_cache` a green that depends
    on the same is not run again, and one that runs elsewhere is waited for. Reds are known only within
    a `session`. Every verdict is recorded and said as it is known; blocks until the last one.

    Raises:
        HostUnreachable: a host does not answer; the others' gates were run. One that is lost during a
            run is a verdict, of infrastructure.
        Refused: a gate is a check this version does not have; nothing was run.
    """
    base = git.resolve(desk.home.git, f"refs/heads/{desk.plan.base}")
    trees = git.find_trees(desk.home.git, tips.values())
    siblings = siblings_of(desk.home, desk.plan, map(desk.plan.workstream, tips))
    jobs = []
    for name, tip in tips.items():
        tree = trees[tip]
        if tree is None:
            raise Refused(f"{name}: there is no commit {tip} in {desk.home.root}.")
        job = workstream_job(
            desk.plan.workstream(name),
            commit=tip,
            tree=tree,
            base=base,
            siblings=siblings,
            approvals=desk.state.of(name).approvals,
            together=tips.values(),
        )
        wanted = (gate for gate in job.gates if only is None or gate.name in only)
        jobs.append(replace(job, gates=tuple(wanted)))
    return _run(desk, jobs, use_cache, session)


def run_wave_gates(
    desk: Desk,
    number: WaveNumber,
    candidate: str,
    *,
    base: str,
    tree: str | None = None,
    only: Collection[str] | None = None,
    use_cache: bool = True,
    session: GateSession | None = None,
) -> tuple[GateVerdict, ...]:
    """Run a wave's gates on its candidate, on this machine; `base` is what it was built on, `tree` its own
    where that is known.

    Several candidates may be tried at once, from several threads. See `run_gates`.
    """
    tree = tree or git.tree_of(desk.home.git, candidate)
    members = members_of(desk.home, desk.plan, number, candidate)
    job = wave_job(desk.plan, number, commit=candidate, tree=tree, base=base, siblings=members)
    if only is not None:
        job = replace(job, gates=tuple(gate for gate in job.gates if gate.name in only))
    if any(runs_commands(gate) for gate in job.gates):
        for note in job.notes:
            desk.say(f"wave {number}: {note}")
    return _run(desk, [job], use_cache, session)


def _run(
    desk: Desk, jobs: Sequence[Job], use_cache: bool, session: GateSession | None
) -> tuple[GateVerdict, ...]:
    for job in jobs:
        for gate in job.gates:
            if gate.run is None:
                require_check(gate)
    found = []
    for item in _as_known(desk, jobs, use_cache, session):
        match item:
            case GateVerdict():
                desk.record(_fact(item))
                desk.say(item.words())
                found.append(item)
            case Retried():
                desk.record(item.fact)
                item.written.set()
                desk.say(item.words)
            case str():
                desk.say(item)
    order = [(job.subject, gate.name) for job in jobs for gate in job.gates]
    return tuple(sorted(found, key=lambda verdict: order.index((verdict.subject, verdict.gate))))


def _as_known(
    desk: Desk, jobs: Sequence[Job], use_cache: bool, session: GateSession | None
) -> Iterator[GateVerdict | Retried | str]:
    told: SimpleQueue[Told | None] = SimpleQueue()
    over = threading.Event()
    asked = Asked(
        desk=desk,
        use_cache=use_cache,
        session=session,
        toolchains=Toolchains(desk),
        over=over,
        tell=told.put,
    )
    pools = {job.host: _pool(desk.plan.hosts[job.host], jobs) for job in jobs}
    try:
        running = [_submit(pools[job.host], JobRun(asked, job), told) for job in jobs]
        left = len(running)
        while left:
            item = told.get()
            if item is None:
                left -= 1
            else:
                yield item
        for future in running:
            future.result()
    finally:
        over.set()
        for pool in pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _pool(host: Host, jobs: Sequence[Job]) -> ThreadPoolExecutor:
    """Threads for what may run at once; what waits for a GPU takes nobody's place."""
    with_gpus = any(gate.gpu for job in jobs for gate in job.gates if job.host == host.name)
    more = len(host.gpus) * host.share if with_gpus else 0
    return ThreadPoolExecutor(min(AT_ONCE_ON_A_HOST + more, _MOST_THREADS), f"gates-{host.name}")


def _submit(pool: ThreadPoolExecutor, run: JobRun, told: SimpleQueue[Told | None]) -> Future[None]:
    future = pool.submit(run.run)
    future.add_done_callback(lambda _: told.put(None))
    return future


def _fact(verdict: GateVerdict) -> GateFinished:
    return GateFinished(
        wave=verdict.wave,
        workstream=verdict.workstream,
        gate=verdict.gate,
        commit=verdict.commit,
        tree=verdict.tree,
        ok=verdict.ok,
        seconds=verdict.seconds,
        cached=verdict.cached,
        log=verdict.log or "",
        outcome=verdict.outcome.value,
        severity=verdict.severity,
        attempts=verdict.attempts,
        message=verdict.message[:_KEPT_CHARACTERS],
    )
