"""A pull as others hear of it: facts where something changed, a report for who asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.agent.worktrees import exclude_folder
from orchestrator.core import facts as f
from orchestrator.core.plan import Plan, Workstream
from orchestrator.core.state import State, SyncRecord, WorkstreamRecord
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed, ExitStatus, HostUnreachable, OrchestratorError, Refused
from orchestrator.results.folder import places, receiving
from orchestrator.results.listing import Source
from orchestrator.results.pull import KEPT_FREE_BYTES, Pull, Pulled
from orchestrator.results.transfer import NoRoom

FAULTS_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`cause` is empty, or `host`, `disk`, `files`, `refused`, `transfer`; `final`: its run had ended before.

    `files` and `bytes` are all that is here now, `fetched` what came with this pull.
    """

    workstream: str
    host: str
    folder: str
    cause: str = ""
    reason: str = ""
    fetched: int = 0
    fetched_bytes: int = 0
    files: int = 0
    bytes: int = 0
    left_out: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()
    launch: str | None = None
    final: bool = False

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "ok": not self.cause}

    @property
    def exit_status(self) -> ExitStatus:
        if self.cause in ("host", "disk", "transfer"):
            return ExitStatus.OUTSIDE
        return ExitStatus.NO if self.cause else ExitStatus.DONE


def pull_and_tell(desk: Desk, name: str, go_on: Callable[[], None], *, asked: bool) -> Outcome:
    """One pull, and what of it is news to the journal; never raises what is the world's fault."""
    workstream, record = desk.plan.workstream(name), desk.state.of(name)
    outcome = _pulled(desk, workstream, record, go_on)
    news = news_of(record.sync, outcome, asked=asked)
    if news is not None:
        desk.record(news)
    return outcome


def folder_of(plan: Plan, workstream: Workstream) -> Path:
    return places(Path(plan.source).parent, workstream.pulling.to, workstream.name)[0]


def _pulled(
    desk: Desk, workstream: Workstream, record: WorkstreamRecord, go_on: Callable[[], None]
) -> Outcome:
    launch = record.launch
    nothing = Outcome(
        workstream=workstream.name,
        host=workstream.host,
        folder=str(folder_of(desk.plan, workstream)),
        launch=launch.id if launch else None,
    )
    try:
        pulled = _pull(desk, workstream, record, go_on)
    except (OrchestratorError, OSError) as error:
        cause, reason = _cause(error)
        return replace(nothing, cause=cause, reason=reason)
    faults = pulled.faults
    return replace(
        nothing,
        cause="files" if faults else "",
        reason=_faults(faults),
        fetched=len(pulled.fetched),
        fetched_bytes=pulled.fetched_bytes,
        files=len(pulled.manifest.files),
        bytes=pulled.manifest.bytes,
        left_out=pulled.manifest.left_out,
        kept=pulled.kept,
        growing=pulled.growing,
        final=launch is not None and launch.exit is not None and not pulled.growing,
    )


def launched_names(state: State, names: Sequence[str]) -> tuple[str, ...]:
    """Those that have a worktree to pull results from."""
    return tuple(n for n in names if (record := state.of(n)).worktree is not None and not record.cleaned)


def source_of(desk: Desk, workstream: Workstream, record: WorkstreamRecord) -> Source:
    """Raises: HostUnreachable, Refused: it was cleaned."""
    if record.cleaned:
        raise Refused(f"{workstream.name} was cleaned: its results lie in kept/ on {workstream.host}.")
    site = desk.site(workstream.host)
    worktree = record.worktree or site.worktree_path(workstream)
    return Source(site=site, workstream=workstream, worktree=worktree, launch=record.launch)


def _pull(desk: Desk, workstream: Workstream, record: WorkstreamRecord, go_on: Callable[[], None]) -> Pulled:
    source = source_of(desk, workstream, record)
    to = workstream.pulling.to
    plan_folder = Path(desk.plan.source).parent
    exclude_folder(desk.home.common_dir, Path(desk.plan.repository), plan_folder / to)
    with receiving(plan_folder, to, workstream.name, go_on) as folder:
        shell = () if source.site.is_local else _shell(desk)
        return Pull(source, folder, shell, go_on, KEPT_FREE_BYTES).run()


def _shell(desk: Desk) -> list[str]:
    from orchestrator.ssh import rsh_command  # paramiko costs 0.1 s: a plan may need none

    return rsh_command(desk.plan.source)


def _cause(error: OrchestratorError | OSError) -> tuple[str, str]:
    match error:
        case NoRoom():
            return "disk", error.message
        case HostUnreachable():
            return "host", error.message
        case CommandFailed():
            return "transfer", error.message
        case OrchestratorError():
            return "refused", error.message
        case OSError():
            return "disk", f"{error.strerror}: {error.filename}" if error.filename else str(error)


def _faults(faults: Mapping[str, str]) -> str:
    named = [f"{path}: {reason}" for path, reason in list(faults.items())[:FAULTS_NAMED]]
    more = len(faults) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])


def news_of(before: SyncRecord, outcome: Outcome, *, asked: bool) -> f.ResultsSynced | f.SyncFailed | None:
    """A line in the journal for what changed, not for every pull; a silent host has a line of its own."""
    if outcome.cause == "host":
        return None
    is_last = outcome.final and before.final != outcome.launch
    if outcome.cause and (asked or is_last or outcome.cause != before.failed):
        return f.SyncFailed(
            workstream=outcome.workstream,
            launch=outcome.launch,
            cause=outcome.cause,
            reason=outcome.reason,
            final=outcome.final,
        )
    news = asked or is_last or before.failed or not before.ever
    if outcome.cause or not news or not outcome.files:
        return None
    return f.ResultsSynced(
        workstream=outcome.workstream,
        launch=outcome.launch,
        folder=outcome.folder,
        files=outcome.files,
        bytes=outcome.bytes,
        final=outcome.final,
    )
