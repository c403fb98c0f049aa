"""Running gates: workstreams side by side, a few on each host, every verdict told as it is known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue

from orchestrator import git
from orchestrator.agent.files import locked
from orchestrator.checks import require_check
from orchestrator.copying import copied_files
from orchestrator.core.facts import GateFinished
from orchestrator.core.plan import Gate, HostName, WaveNumber, Workstream
from orchestrator.desk import Desk
from orchestrator.errors import Refused
from orchestrator.gates.jobs import Job, wave_job, workstream_job
from orchestrator.gates.verdicts import GateVerdict, checked, keep, kept_green, verdict_of
from orchestrator.site import Site
from orchestrator.wire import Checkout, GateCommand, GateRan, RunGates

AT_ONCE_ON_A_HOST = 2
"""Workstreams whose gates run side by side: test suites are heavy, and workers train beside them."""

RUN_DEADLINE_S = 12 * 3600.0
"""For a call that may wait for another run in the same checkout; each command has its own time limit."""

_TAIL_LINES = 12

Tell = Callable[[GateVerdict], None]


def run_workstream_gates(
    desk: Desk,
    workstream: Workstream,
    tip: str,
    *,
    only: Collection[str] | None = None,
    use_cache: bool = True,
) -> tuple[GateVerdict, ...]:
    """Run a workstream's gates on its committed tip; see `run_gates`."""
    return run_gates(desk, {workstream.name: tip}, only=only, use_cache=use_cache)


def run_gates(
    desk: Desk, tips: Mapping[str, str], *, only: Collection[str] | None = None, use_cache: bool = True
) -> tuple[GateVerdict, ...]:
    """Run the gates of several workstreams on their committed tips, each on its host.

    `only` names gates. With `use_cache` a green of the same tree and definition is not run again.
    Every verdict is recorded and said as it is known; blocks until the last one.

    Raises:
        HostUnreachable: a host does not answer; the others' gates were run.
        Refused: a gate is a check this version does not have; nothing was run.
    """
    base = git.resolve(desk.home.git, f"refs/heads/{desk.plan.base}")
    trees = git.find_trees(desk.home.git, tips.values())
    jobs = []
    for name, tip in tips.items():
        workstream = desk.plan.workstream(name)
        gates = [gate for gate in workstream.gates if only is None or gate.name in only]
        tree = trees[tip]
        if tree is None:
            raise Refused(f"{name}: there is no commit {tip} in {desk.home.root}.")
        jobs.append(workstream_job(workstream, commit=tip, tree=tree, base=base, gates=gates))
    return _run(desk, jobs, use_cache)


def run_wave_gates(
    desk: Desk,
    number: WaveNumber,
    candidate: str,
    *,
    base: str,
    only: Collection[str] | None = None,
    use_cache: bool = True,
) -> tuple[GateVerdict, ...]:
    """Run a wave's gates on its candidate, on this machine; `base` is what it was built on."""
    tree = git.tree_of(desk.home.git, candidate)
    job = wave_job(desk.plan, number, commit=candidate, tree=tree, base=base)
    if only is not None:
        job = replace(job, gates=tuple(gate for gate in job.gates if gate.name in only))
    if any(gate.run for gate in job.gates):
        for note in job.notes:
            desk.say(f"wave {number}: {note}")
    return _run(desk, [job], use_cache)


def _run(desk: Desk, jobs: Sequence[Job], use_cache: bool) -> tuple[GateVerdict, ...]:
    for job in jobs:
        for gate in job.gates:
            if gate.run is None:
                require_check(gate)
    found = []
    for verdict in _as_known(desk, jobs, use_cache):
        desk.record(_fact(verdict))
        desk.say(verdict.words())
        found.append(verdict)
    order = [(job.subject, gate.name) for job in jobs for gate in job.gates]
    return tuple(sorted(found, key=lambda verdict: order.index((verdict.subject, verdict.gate))))


def _as_known(desk: Desk, jobs: Sequence[Job], use_cache: bool) -> Iterator[GateVerdict]:
    told: SimpleQueue[GateVerdict | None] = SimpleQueue()
    pools = {job.host: ThreadPoolExecutor(AT_ONCE_ON_A_HOST, f"gates-{job.host}") for job in jobs}
    try:
        running = [_submit(pools, desk, job, use_cache, told) for job in jobs]
        left = len(running)
        while left:
            verdict = told.get()
            if verdict is None:
                left -= 1
            else:
                yield verdict
        for future in running:
            future.result()
    finally:
        for pool in pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _submit(
    pools: Mapping[HostName, ThreadPoolExecutor],
    desk: Desk,
    job: Job,
    use_cache: bool,
    told: SimpleQueue[GateVerdict | None],
) -> Future[None]:
    future = pools[job.host].submit(_run_job, desk, job, use_cache, told.put)
    future.add_done_callback(lambda _: told.put(None))
    return future


def _run_job(desk: Desk, job: Job, use_cache: bool, tell: Tell) -> None:
    left = _tell_known(desk, job, job.gates, use_cache, tell)
    checks = [gate for gate in left if gate.run is None]
    for gate in checks:
        tell(checked(desk.home, job, gate))
    commands = [gate for gate in left if gate.run is not None]
    if not commands:
        return
    with locked(desk.home.state.gates / "running" / f"{job.host}-{job.name}.lock"):
        # Whoever held the lock may have just found out.
        commands = _tell_known(desk, job, commands, use_cache, tell)
        if commands:
            _run_commands(desk, job, commands, tell)


def _tell_known(desk: Desk, job: Job, gates: Sequence[Gate], use_cache: bool, tell: Tell) -> list[Gate]:
    """Tell the greens that are known; the answer is what is left to run."""
    if not use_cache:
        return list(gates)
    left = []
    for gate in gates:
        known = kept_green(desk.home, job, gate)
        if known is None:
            left.append(gate)
        else:
            tell(known)
    return left


def _run_commands(desk: Desk, job: Job, gates: Sequence[Gate], tell: Tell) -> None:
    site = desk.site(job.host)
    _bring_commit(site, job)
    waiting = {gate.name: gate for gate in gates}
    failed_setup: list[GateRan] = []

    def ran(item: GateRan) -> None:
        gate = waiting.pop(item.gate, None)
        if gate is None:
            failed_setup.append(item)
            return
        verdict = _verdict(job, gate, item)
        keep(desk.home, job, gate, verdict)
        tell(verdict)

    site.call(_request(desk, site, job, gates), deadline_s=RUN_DEADLINE_S, on_item=ran)
    for gate in waiting.values():
        tell(_not_run(job, gate, failed_setup))


def _bring_commit(site: Site, job: Job) -> None:
    """A tip that stands only here, its host has not seen yet."""
    if site.is_local or job.workstream is None:
        return
    ref = site.remote_ref(job.workstream.branch)
    if git.refs(site.home.git, ref).get(ref) != job.commit:
        site.send([job.commit], {})


def _request(desk: Desk, site: Site, job: Job, gates: Sequence[Gate]) -> RunGates:
    checkout = Checkout(
        name=job.name,
        commit=job.commit,
        setup=job.setup,
        copy=copied_files(desk.home.root, job.copy),
        env=dict(job.env),
    )
    commands = tuple(
        GateCommand(gate=gate.name, command=gate.run or "", timeout_s=gate.timeout_s) for gate in gates
    )
    return RunGates(place=site.place, checkout=checkout, gates=commands)


def _verdict(job: Job, gate: Gate, ran: GateRan) -> GateVerdict:
    message = "" if ran.ok else _red(_why(gate, ran), ran.tail)
    return verdict_of(job, gate, ok=ran.ok, seconds=ran.seconds, log=ran.log, message=message)


def _not_run(job: Job, gate: Gate, failed_setup: Sequence[GateRan]) -> GateVerdict:
    if not failed_setup:
        return verdict_of(job, gate, ok=False, message="it was not run, and the host does not say why")
    setup = failed_setup[0]
    message = _red(f"not run: the set-up failed ({_end(setup)})", setup.tail)
    return verdict_of(job, gate, ok=False, seconds=setup.seconds, log=setup.log, message=message)


def _why(gate: Gate, ran: GateRan) -> str:
    if ran.timed_out:
        return f"not done after {gate.timeout_s:g} s"
    if ran.exit_code == 0 and ran.changed:
        return f"it changed tracked files: {', '.join(ran.changed)}"
    return _end(ran)


def _end(ran: GateRan) -> str:
    return "no exit status: it was killed" if ran.exit_code is None else f"exit status {ran.exit_code}"


def _red(why: str, tail: str) -> str:
    lines = tail.rstrip().split("\n")[-_TAIL_LINES:]
    return "\n".join([why, *(line for line in lines if line.strip())])


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
    )
