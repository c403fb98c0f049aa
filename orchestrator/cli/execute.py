"""`exec`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.failures import tell_failure
from orchestrator.cli.here import Here, find_here
from orchestrator.cli.hosts import open_sites
from orchestrator.cli.options import Name, PlanFile
from orchestrator.errors import OrchestratorError, Refused
from orchestrator.home import find_checkout
from orchestrator.names import chosen

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan, Workstream
    from orchestrator.core.state import WorkstreamRecord

NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""What shells exit with for a command that cannot be run."""


def execute(
    name: Name,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD", help="The command and its arguments.")],
    plan: PlanFile = None,
) -> None:
    """Run a command in a worktree, with the worker's environment."""
    here = find_here(plan)
    loaded = here.load_plan()
    (found,) = chosen([name], loaded.workstreams)[:1]
    workstream = loaded.workstream(found)
    record = here.load_state().of(found)
    is_here = loaded.hosts[workstream.host].ssh is None
    mend = f"orchestrator {'up' if record.launch is None else 'restart'} {found}"
    if record.cleaned:
        raise Refused(f"{found} was cleaned: it has no worktree any more.", "its files lie in kept/")
    worktree = record.worktree or (_default_worktree(here, loaded, workstream) if is_here else None)
    if worktree is None:
        raise Refused(f"{found} has no worktree on {workstream.host} yet.", mend)
    env = worktree_environment(workstream, record, worktree)
    if is_here:
        _require_worktree(here, found, Path(worktree), mend)
        _run_here(worktree, command, env)
    else:
        _run_there(loaded, workstream, worktree, command, env)


def worktree_environment(workstream: Workstream, record: WorkstreamRecord, worktree: str) -> dict[str, str]:
    """What the worker itself was given, as far as it lasts."""
    from orchestrator.core.leases import visible_devices

    launch = record.launch
    optional = {
        "ORCHESTRATOR_STAGE": launch.stage if launch else None,
        "ORCHESTRATOR_ATTEMPT": str(launch.attempt) if launch else None,
        "ORCHESTRATOR_PORT": str(record.port) if record.port is not None else None,
    }
    return {
        **workstream.env,
        "ORCHESTRATOR_WORKSTREAM": workstream.name,
        "ORCHESTRATOR_WAVE": str(workstream.wave),
        "ORCHESTRATOR_RESULTS": f"{worktree}/{workstream.results}",
        **visible_devices(launch.gpus if launch else ()),
        **{key: value for key, value in optional.items() if value is not None},
    }


def _default_worktree(here: Here, plan: Plan, workstream: Workstream) -> str:
    with open_sites(here, plan) as site:
        return site(workstream.host).worktree_path(workstream)


def _require_worktree(here: Here, name: str, worktree: Path, mend: str) -> None:
    """Raises:
    Refused: it is not there, or a folder that is no worktree of this repository is in its place.
    """
    if not worktree.exists():
        raise Refused(f"{name} has no worktree {worktree}.", mend)
    try:
        found = find_checkout(worktree)
    except OrchestratorError:
        found = None
    ours = found is not None and found.is_linked and found.folder == worktree.resolve()
    if found is None or not ours or found.state != here.state_paths:
        raise Refused(f"{worktree} is no worktree of this repository.", f"move it away, then {mend}")


def _run_here(worktree: str, command: list[str], env: dict[str, str]) -> None:
    os.chdir(worktree)
    try:
        os.execvpe(command[0], command, {**os.environ, **env})
    except (FileNotFoundError, PermissionError) as error:
        tell_failure(f"{command[0]}: {error.strerror}")
        missing = isinstance(error, FileNotFoundError)
        raise typer.Exit(NOT_FOUND if missing else NOT_EXECUTABLE) from None


def _run_there(
    plan: Plan, workstream: Workstream, worktree: str, command: list[str], env: dict[str, str]
) -> None:
    from orchestrator import ssh

    assignments = [f"{key}={value}" for key, value in env.items()]
    line = f"cd {shlex.quote(worktree)} && exec env {shlex.join([*assignments, *command])}"
    # A login shell there may be no POSIX shell at all.
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    status = ssh.rsh(plan.hosts[workstream.host], f"exec /bin/sh -c {shlex.quote(line)}", tty=tty)
    raise typer.Exit(status)
