"""`hooks run NAME [--plan FILE] [--only-planned] [-- ARGUMENTS]`: what git's hooks start. Not for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.here import Here
from orchestrator.errors import ExitStatus, OrchestratorError
from orchestrator.home import PLAN_NAME, Checkout, find_checkout, find_plan_file
from orchestrator.hooks.stub import REFUSED

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan


def run_hook(arguments: Sequence[str]) -> int:
    """0, or `REFUSED`; anything else means that nothing was checked."""
    name, *rest = (*arguments, "")
    options = rest[: rest.index("--")] if "--" in rest else rest
    try:
        named = Path(options[options.index("--plan") + 1]) if "--plan" in options else None
        match name:
            case "pre-commit":
                refused = _pre_commit(named, only_planned="--only-planned" in options)
            case "pre-push":
                refused = _pre_push(named)
            case _:
                _say(f"there is no hook {name!r}; there are pre-commit and pre-push")
                return ExitStatus.USAGE
    except KeyboardInterrupt:
        from orchestrator.cli.main import leave

        return leave(ExitStatus.INTERRUPTED)
    except OrchestratorError as error:
        _say(" ".join(filter(None, [error.message, error.hint])))
        return error.exit_status
    return REFUSED if refused else ExitStatus.DONE


def _pre_commit(named: Path | None, *, only_planned: bool) -> bool:
    from orchestrator.hooks.staged import Staged, complaints

    checkout = find_checkout(Path.cwd())
    plan = _plan(checkout, _plan_file(checkout, named))
    found = complaints(Staged(checkout=checkout, plan=plan, only_planned=only_planned))
    return _refuse("commit", found)


def _pre_push(named: Path | None) -> bool:
    from orchestrator.cli.pre_push import complaints, pushed

    branches = pushed(sys.stdin)
    checkout = find_checkout(Path.cwd())
    plan_file = _plan_file(checkout, named)
    if plan_file is None:
        return _pre_push_without_plan(branches)
    plan = _plan(checkout, plan_file)
    if plan is None:
        return False
    here = Here(plan_file=plan_file, state_paths=checkout.state)
    return _refuse("push", complaints(here, plan, branches))


def _pre_push_without_plan(branches: Mapping[str, str]) -> bool:
    from orchestrator.cli.pre_push import complaints_without_plan
    from orchestrator.cli.roster import find_roster
    from orchestrator.errors import UsageError

    try:
        required = find_roster(None)
    except UsageError:  # no file requires a branch: there is nothing to hold one against
        return False
    return _refuse("push", complaints_without_plan(required, branches))


def _plan_file(checkout: Checkout, named: Path | None) -> Path | None:
    """The one the hooks were installed with, that of the main worktree, or the nearest."""
    main = checkout.common_dir.parent / PLAN_NAME if checkout.is_linked else None
    found = (path for path in (named, main) if path is not None and path.is_file())
    return next(found, None) or find_plan_file(Path.cwd())


def _plan(checkout: Checkout, path: Path | None) -> Plan | None:
    from orchestrator.cli.kept_plan import load_kept_plan

    if path is None:
        return None
    try:
        return load_kept_plan(Here(plan_file=path, state_paths=checkout.state))
    except OrchestratorError:
        _say(f"{path} cannot be used, and is not looked at: see orchestrator validate")
        return None


def _refuse(what: str, complaints: Sequence[str]) -> bool:
    if not complaints:
        return False
    _say(f"this {what} is refused:")
    with suppress(BrokenPipeError):
        for complaint in complaints:
            print(f"  {complaint}", file=sys.stderr)
        print(f"  to {what} all the same: git {what} --no-verify", file=sys.stderr)
    return True


def _say(text: str) -> None:
    with suppress(BrokenPipeError):
        print(f"orchestrator: {text}", file=sys.stderr, flush=True)
