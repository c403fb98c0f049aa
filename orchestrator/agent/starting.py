"""A Start: from wanted workstreams to running sessions, skipping whatever is done already.

Looked up once for all entries: worktrees, branches, starts, sessions. Worktrees are registered one
after another while earlier ones are checked out in parallel; sessions open in batches. A workstream's
lock is held throughout, and inherited by every git that works for it: an agent that is killed here
leaves nothing its successor could trip over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from orchestrator import supervise
from orchestrator.agent import checkpoints, ignored, supervised, worktrees
from orchestrator.agent.environment import supervisor_argv
from orchestrator.agent.files import (
    copy_files,
    load_json,
    locked,
    make_folder,
    make_skeleton,
    open_lock,
    text_hash,
    try_lock,
    write_json,
)
from orchestrator.agent.launches import (
    has_begun,
    launch_folder,
    port_of,
    resumption_of,
    workstream_of,
    write_spec,
)
from orchestrator.agent.logs import log_folder
from orchestrator.agent.ports import lease_ports
from orchestrator.agent.refusals import CannotStart, as_refusal, require_safe_name
from orchestrator.agent.sessions import Opening, Pane, Tmux
from orchestrator.agent.survivors import end_survivors
from orchestrator.errors import OrchestratorError
from orchestrator.wire import Finished, NotStarted, Place, Resumption, Start, Started, StartEntry

Emit = Callable[[object], None]
T = TypeVar("T")

CHECKOUTS_AT_ONCE = (os.cpu_count() or 2) + 2
SETUPS_AT_ONCE = 8
SETUP_TIMEOUT_S = 3600.0
_SETUP_LINES = 20


@dataclass(slots=True)
class _Job:
    """One entry on its way. `lock` is its workstream's, released when it has been answered."""

    entry: StartEntry
    lock: int | None
    pane: Pane | None = None
    session_exists: bool = False
    step: worktrees.Step | None = None
    port: int | None = None
    resumption: Resumption | None = None

    @property
    def name(self) -> str:
        return self.entry.worktree.workstream

    @property
    def path(self) -> Path:
        return Path(self.entry.worktree.path)

    @property
    def launch(self) -> str:
        return self.entry.launch.launch

    def pass_fds(self) -> tuple[int, ...]:
        return () if self.lock is None else (self.lock,)

    def release(self) -> None:
        lock, self.lock = self.lock, None
        if lock is not None:
            os.close(lock)


@dataclass(slots=True)
class _Run:
    place: Place
    tmux: Tmux
    emit: Emit

    def started(self, job: _Job) -> None:
        step = job.step
        self._answer(
            job,
            Started(
                workstream=job.name,
                launch=job.launch,
                worktree=str(job.path),
                tip=step.tip if step else "",
                made_branch=step.new_branch if step else False,
                port=job.port,
                resumption=job.resumption,
            ),
        )

    def refused(self, job: _Job, why: CannotStart) -> None:
        answer = NotStarted(
            workstream=job.name, launch=job.launch, cause=why.cause, message=why.message, log=why.log
        )
        self._answer(job, answer)

    def _answer(self, job: _Job, answer: object) -> None:
        job.release()
        self.emit(answer)

    def each(self, jobs: Iterable[_Job], act: Callable[[_Job], bool], cause: str) -> list[_Job]:
        """The jobs for which `act` says go on; one that fails is refused, the others go on."""
        return [job for job in jobs if self.attempt(job, lambda job=job: act(job), cause)]  # type: ignore[misc]

    def for_all(self, jobs: Iterable[_Job], act: Callable[[], T], cause: str) -> T | None:
        """What `act` returns; None when it failed, and then all jobs are refused."""
        try:
            return act()
        except (OrchestratorError, OSError) as error:
            for job in jobs:
                self.refused(job, as_refusal(error, cause))
        return None

    def attempt(self, job: _Job, act: Callable[[], bool], cause: str) -> bool:
        try:
            return act()
        except CannotStart as why:
            self.refused(job, why)
        except (OrchestratorError, OSError) as error:
            self.refused(job, as_refusal(error, cause))
        return False


def start(request: Start, emit: Emit) -> Finished:
    """Entries whose workstream another request works on come last: they wait for it."""
    for entry in request.entries:
        require_safe_name(entry.worktree.workstream, "workstream name")
        require_safe_name(entry.launch.launch, "launch id")
    entries = {entry.worktree.workstream: entry for entry in request.entries}
    free, busy = _take_locks(request.place, [entries[name] for name in sorted(entries)])
    try:
        _start_all(request, free, emit)
        for entry in busy:
            with locked(worktrees.workstream_lock(request.place, entry.worktree.workstream)) as lock:
                _start_all(request, [_Job(entry, os.dup(lock))], emit)
    finally:
        for job in free:
            job.release()
    return Finished()


def _take_locks(place: Place, entries: Sequence[StartEntry]) -> tuple[list[_Job], list[StartEntry]]:
    free, busy = [], []
    for entry in entries:
        lock = open_lock(worktrees.workstream_lock(place, entry.worktree.workstream))
        if try_lock(lock):
            free.append(_Job(entry, lock))
        else:
            os.close(lock)
            busy.append(entry)
    return free, busy


def _start_all(request: Start, jobs: list[_Job], emit: Emit) -> None:
    if not jobs:
        return
    run = _Run(request.place, Tmux(request.tmux_socket), emit)
    looked = run.for_all(jobs, lambda: worktrees.look(run.place, [job.entry.worktree for job in jobs]), "git")
    if looked is None:
        return
    panes = run.for_all(jobs, lambda: _by_session(run.tmux.panes_listed()), "tmux")
    if panes is None:
        return
    jobs = run.each(jobs, lambda job: _needs_launch(run, job, panes, looked), "tmux")
    if jobs:
        end_survivors(run.place, {job.name for job in jobs})
    jobs = run.each(jobs, lambda job: _plan(run, job, looked), "git")
    jobs = _make_branches(run, jobs)
    results = [job.entry.worktree.results for job in jobs]
    if run.for_all(jobs, lambda: worktrees.exclude(run.place, results), "git") is not None:
        _prepare_and_open(run, jobs)


def _by_session(panes: Iterable[Pane]) -> dict[str, list[Pane]]:
    sessions: dict[str, list[Pane]] = {}
    for pane in panes:
        sessions.setdefault(pane.session, []).append(pane)
    return sessions


def _needs_launch(run: _Run, job: _Job, sessions: dict[str, list[Pane]], looked: worktrees.Looked) -> bool:
    panes = sessions.get(job.entry.launch.session, [])
    folder = launch_folder(run.place, job.launch)
    own = next((pane for pane in panes if pane.own), None)
    opened = own is not None and own.own == job.launch and not own.dead
    if has_begun(folder) or (opened and (folder / "spec.json").exists()):
        job.port, job.resumption = port_of(folder), resumption_of(folder)
        listed = looked.listed.get(worktrees.resolved(str(job.path)))
        tip = looked.branches.get(job.entry.worktree.branch) or (listed.head if listed else None)
        job.step = worktrees.Step(job.entry.worktree, tip or "", add=False)
        run.started(job)
        return False
    if panes:
        _require_ended(run, job, panes)
    job.pane, job.session_exists = own, bool(panes)
    return True


def _require_ended(run: _Run, job: _Job, panes: Sequence[Pane]) -> None:
    """The session is ours, and what ran in it has ended."""
    session = job.entry.launch.session
    for launch in {pane.launch for pane in panes}:
        folder = Path(run.place.state, "launches", launch)
        if workstream_of(folder) == job.name:
            if launch != job.launch and supervise.is_running(folder):
                raise _still_runs(run, session, launch, "which another daemon began")
        elif (folder / "spec.json").exists() or not _began_here(run, job, panes):
            raise CannotStart("taken", f"a tmux session {session} exists that is not of this workstream")
        elif any(pane.own and not pane.dead for pane in panes):
            raise _still_runs(run, session, launch, "whose folder was removed")


def _began_here(run: _Run, job: _Job, panes: Sequence[Pane]) -> bool:
    """Whether each marked pane was opened in this worktree: all that tells of a launch without a folder."""
    marked = [pane for pane in panes if pane.own]
    here = worktrees.resolved(str(job.path))
    return bool(marked) and all(
        pane.own.startswith(f"{job.name}-") and worktrees.resolved(run.tmux.start_path(pane)) == here
        for pane in marked
    )


def _still_runs(run: _Run, session: str, launch: str, about: str) -> CannotStart:
    socket = run.tmux.socket_name
    end = f"tmux {'' if socket == 'default' else f'-L {socket} '}kill-session -t '={session}'"
    return CannotStart(
        "taken",
        f"the session {session} still runs the launch {launch}, {about}; "
        f"let it end, or end it on its host: {end}",
    )


def _plan(run: _Run, job: _Job, looked: worktrees.Looked) -> bool:
    job.step = worktrees.step_for(run.place, job.entry.worktree, looked)
    return True


def _make_branches(run: _Run, jobs: list[_Job]) -> list[_Job]:
    steps = [job.step for job in jobs if job.step and job.step.new_branch]
    locks = tuple(lock for job in jobs for lock in job.pass_fds())
    refused = worktrees.make_branches(run.place, steps, locks)
    for job in jobs:
        if job.name in refused:
            run.refused(job, CannotStart("git", refused[job.name]))
    return [job for job in jobs if job.name not in refused]


def _prepare_and_open(run: _Run, jobs: Sequence[_Job]) -> None:
    """Sessions with nothing to do first open together once all are checked out: their workers' own start
    would otherwise compete with the checkouts."""
    quick: list[_Job] = []
    slow: dict[Future[bool], _Job] = {}
    with ThreadPoolExecutor(SETUPS_AT_ONCE) as pool:
        for job in _checked_out(run, jobs):
            if _setup_is_due(job) or checkpoints.may_resume(job.entry):
                slow[pool.submit(run.attempt, job, lambda job=job: _make_ready(run, job), "setup")] = job  # type: ignore[misc]
            else:
                quick.append(job)
        _open(run, quick)
        for future in as_completed(slow):
            if future.result():
                _open(run, [slow[future]])


def _make_ready(run: _Run, job: _Job) -> bool:
    if _setup_is_due(job):
        _set_up(run, job)
    job.resumption = checkpoints.resumption(run.place, job.entry)
    return True


def _checked_out(run: _Run, jobs: Sequence[_Job]) -> list[_Job]:
    futures: dict[Future[bool], _Job] = {}
    with ThreadPoolExecutor(CHECKOUTS_AT_ONCE) as pool, locked(worktrees.add_lock(run.place)) as lock:
        for job in jobs:
            if run.attempt(job, lambda job=job: _add(run, job, lock), "git"):  # type: ignore[misc]
                futures[pool.submit(run.attempt, job, lambda job=job: _fill(job), "git")] = job  # type: ignore[misc]
    return [job for future, job in futures.items() if future.result()]


def _add(run: _Run, job: _Job, lock: int) -> bool:
    assert job.step is not None
    if job.step.add:
        worktrees.add(run.place, job.step, (*job.pass_fds(), lock))
    return True


def _fill(job: _Job) -> bool:
    wanted = job.entry.worktree
    worktrees.fill(job.path, job.pass_fds())
    make_folder(job.path, wanted.results)
    make_skeleton(job.path, wanted.skeleton)
    copy_files(job.path, wanted.copy)
    return True


def _setup_is_due(job: _Job) -> bool:
    setup = job.entry.worktree.setup
    return setup is not None and load_json(worktrees.setup_marker(job.path)).get("setup") != text_hash(setup)


def _set_up(run: _Run, job: _Job) -> None:
    wanted = job.entry.worktree
    assert wanted.setup is not None
    log = log_folder(run.place, job.name) / "setup.log"
    command = supervised.Command(
        name="setup",
        text=wanted.setup,
        folder=job.path,
        state=Path(run.place.state, "setups", job.name),
        log=log,
        timeout_s=SETUP_TIMEOUT_S,
        workstream=job.name,
        env=wanted.env,
    )
    before = ignored.present(job.path)
    record = supervised.run(command)
    if record is None or record.exit_code != 0:
        how = "could not run" if record is None else supervised.ending(record)
        raise CannotStart(
            "setup", f"setup {how}\n{supervised.last_lines(log, _SETUP_LINES)}".rstrip(), str(log)
        )
    made = sorted(ignored.present(job.path) - before)
    marker = worktrees.setup_marker(job.path)
    write_json(marker, {"v": 1, "setup": text_hash(wanted.setup), "made": made})


def _open(run: _Run, jobs: Sequence[_Job]) -> None:
    openings = {}
    for job in run.each(jobs, lambda job: _write_spec(run, job), "disk"):
        openings[job.launch] = (job, _opening(run, job))
    if not openings:
        return
    try:
        failed = run.tmux.open([opening for _, opening in openings.values()])
    except OrchestratorError as error:
        failed = dict.fromkeys(openings, error.message)
    for launch, (job, _) in openings.items():
        if launch in failed:
            run.refused(job, CannotStart("tmux", failed[launch]))
        else:
            run.started(job)


def _write_spec(run: _Run, job: _Job) -> bool:
    job.port = lease_ports(Path(run.place.state), job.name, job.entry.launch.ports)
    write_spec(run.place, job.entry, job.port, job.resumption)
    return True


def _opening(run: _Run, job: _Job) -> Opening:
    spec = launch_folder(run.place, job.launch) / "spec.json"
    fresh = Opening(job.entry.launch.session, job.launch, job.path, tuple(supervisor_argv(spec)))
    if job.pane is not None:
        return replace(fresh, instead_of=job.pane.id)
    return replace(fresh, beside=job.session_exists)
