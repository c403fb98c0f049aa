"""`notify test`."""

from __future__ import annotations

import typer

from orchestrator.cli.here import find_here
from orchestrator.cli.options import AsJson, PlanFile
from orchestrator.cli.printing import aligned, styled, tell, tell_json
from orchestrator.errors import ExitStatus, UsageError


def test(plan: PlanFile = None, as_json: AsJson = False) -> None:
    """Send a message to every service of the plan, now and from this shell, to see that it arrives."""
    import os
    from pathlib import Path

    from orchestrator.core.wording import Message
    from orchestrator.notify.delivery import deliver
    from orchestrator.notify.services import services

    loaded = find_here(plan).load_plan()
    known = services(loaded.notify.urls)
    if not known:
        raise UsageError("the plan names nobody to tell.", "notify: {urls: [env:NAME]}, see docs/plan.md")
    message = Message(
        title=f"[{loaded.project}] a test", body="This is how the orchestrator tells you.", level="info"
    )
    folder = Path(loaded.source).parent
    reasons = {one.label: deliver(one, message, env=os.environ, folder=folder) for one in known}
    _tell(reasons, as_json)
    if any(reasons.values()):
        raise typer.Exit(ExitStatus.OUTSIDE)


def _tell(reasons: dict[str, str], as_json: bool) -> None:
    if as_json:
        rows = [{"service": label, "sent": not why, "reason": why} for label, why in reasons.items()]
        tell_json({"ok": not any(reasons.values()), "services": rows})
        return
    marks = {True: styled("✓", "green"), False: styled("✗", "red")}
    for line in aligned((f"{marks[not why]} {label}", why or "sent") for label, why in reasons.items()):
        tell(line)
