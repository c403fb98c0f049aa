"""Names for the shell to complete."""

from __future__ import annotations

import typer


def complete_names(ctx: typer.Context, incomplete: str) -> list[str]:
    from orchestrator.cli.here import find_here

    try:
        plan = find_here(ctx.params.get("plan") or ctx.find_root().params.get("plan")).load_plan()
    except Exception:  # noqa: BLE001 - a shell that completes wants names or silence
        return []
    taken = ctx.params.get("names") or ()
    return [name for name in plan.workstreams if name.startswith(incomplete) and name not in taken]


def complete_gates(ctx: typer.Context, incomplete: str) -> list[str]:
    from orchestrator.cli.here import find_here

    try:
        plan = find_here(ctx.params.get("plan") or ctx.find_root().params.get("plan")).load_plan()
    except Exception:  # noqa: BLE001 - as above
        return []
    return [name for name in plan.gates if name.startswith(incomplete)]
