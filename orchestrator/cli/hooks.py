"""`hooks install`, `hooks uninstall` and `hooks status`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import AsJson, PlanFile
from orchestrator.cli.printing import aligned, styled, tell, tell_json
from orchestrator.home import find_checkout

if TYPE_CHECKING:
    from orchestrator.hooks.installing import Folder, Hook

_WORDS = {
    "installed": "installed",
    "absent": "not installed",
    "another's": "not installed; another hook is there",
    "idle": "is not executable, so git passes it over; orchestrator hooks install mends it",
    "displaced": "replaced by another hook; orchestrator hooks install says what to do",
}


def install(
    only_planned: Annotated[
        bool,
        typer.Option("--only-planned", help="Refuse commits on branches that are not in the plan."),
    ] = False,
    plan: PlanFile = None,
    as_json: AsJson = False,
) -> None:
    """Check commits and pushes of planned branches; hooks that are there are kept, and run first."""
    from orchestrator.hooks import installing
    from orchestrator.hooks.stub import Choices

    checkout = find_checkout(Path.cwd())
    named = plan.absolute() if plan is not None else None
    found = installing.install(checkout, Choices(plan=named, only_planned=only_planned))
    _tell(installing.hooks_folder(checkout), found, as_json)


def uninstall(as_json: AsJson = False) -> None:
    """Take our hooks away, and put back what was there."""
    from orchestrator.hooks import installing

    checkout = find_checkout(Path.cwd())
    installing.uninstall(checkout)
    folder = installing.hooks_folder(checkout)
    _tell(folder, installing.hooks(folder), as_json)


def status(as_json: AsJson = False) -> None:
    """Show which hooks are installed, and where."""
    from orchestrator.hooks import installing

    folder = installing.hooks_folder(find_checkout(Path.cwd()))
    _tell(folder, installing.hooks(folder), as_json)


def _tell(folder: Folder, hooks: Sequence[Hook], as_json: bool) -> None:
    if as_json:
        documents = [_document(hook) for hook in hooks]
        tell_json({"folder": str(folder.path), "hooks_path": folder.setting, "hooks": documents})
        return
    for line in aligned(_row(hook) for hook in hooks):
        tell(line)


def _document(hook: Hook) -> dict[str, Any]:
    return {
        "hook": hook.name,
        "installed": hook.standing.value == "installed",
        "standing": hook.standing.value,
        "path": str(hook.path),
        "kept": None if hook.kept is None else str(hook.kept),
    }


def _row(hook: Hook) -> tuple[str, ...]:
    installed = hook.standing.value == "installed"
    mark = styled("✓", "green") if installed else styled("·", "yellow")
    first = f"; runs {hook.kept} first" if installed and hook.kept is not None else ""
    return (f"{mark} {hook.name}", f"{_WORDS[hook.standing.value]}{first}")
