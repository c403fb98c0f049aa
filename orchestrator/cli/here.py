"""Where a command was typed: which plan it means, and whose state."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.home import PLAN_NAME, find_checkout, find_plan_file, require_plan_file
from orchestrator.settings import StatePaths

if TYPE_CHECKING:
    from orchestrator.client import Client
    from orchestrator.core.plan import Plan
    from orchestrator.core.state import State
    from orchestrator.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    plan_file: Path
    state_paths: StatePaths

    @property
    def client(self) -> Client:
        from orchestrator.client import Client

        return Client(self.state_paths)

    def load_plan(self) -> Plan:
        from orchestrator.plan_file import load_plan

        return load_plan(self.plan_file)

    def load_state(self) -> State:
        """What the journal says, read only; a blank state where there is no journal."""
        from orchestrator.core.state import State
        from orchestrator.journal import Journal

        journal = Journal.read(self.state_paths.journal)
        if journal is None:
            return State()
        try:
            return journal.state()
        finally:
            journal.close()

    def find_home(self) -> Home:
        from orchestrator.home import find_home

        return find_home(self.plan_file.parent)


def find_here(plan: Path | None) -> Here:
    """The plan that was named, or the one that counts in this folder, and the state beside it.

    Raises:
        UsageError: there is no plan, or it lies in no git repository.
    """
    if plan is not None and not plan.is_file():
        raise UsageError(f"{plan} is no file.", "orchestrator init writes a plan")
    path = plan.absolute() if plan is not None else _plan_that_counts(Path.cwd())
    return Here(plan_file=path, state_paths=find_checkout(path.parent).state)


def _plan_that_counts(folder: Path) -> Path:
    """In a worktree of ours the daemon's plan counts, not the copy that its branch may carry."""
    found = find_plan_file(folder)
    checkout = find_checkout(folder if found is None else found.parent)
    if checkout.is_linked:
        for candidate in (last_plan_read(checkout.state), checkout.common_dir.parent / PLAN_NAME):
            if candidate is not None and candidate.is_file():
                return candidate
    return require_plan_file(folder)


def last_plan_read(state: StatePaths) -> Path | None:
    """The plan of the last daemon."""
    from orchestrator.core.facts import PlanRead
    from orchestrator.journal import Journal

    journal = Journal.read(state.journal)
    if journal is None:
        return None
    sources = [entry.fact.source for entry in journal.entries() if isinstance(entry.fact, PlanRead)]
    journal.close()
    return Path(sources[-1]) if sources else None


def user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
