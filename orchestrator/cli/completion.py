"""Names for the shell to complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan


def complete_names(ctx: typer.Context, incomplete: str) -> list[str]:
    return _completed(ctx, incomplete, lambda plan: plan.workstreams)


def complete_gates(ctx: typer.Context, incomplete: str) -> list[str]:
    return _completed(ctx, incomplete, lambda plan: plan.gates)


def complete_hosts(ctx: typer.Context, incomplete: str) -> list[str]:
    return _completed(ctx, incomplete, lambda plan: plan.hosts)


def _completed(ctx: typer.Context, incomplete: str, names: Callable[[Plan], Iterable[str]]) -> list[str]:
    from orchestrator.cli.here import find_here

    try:
        plan = find_here(ctx.params.get("plan") or ctx.find_root().params.get("plan")).load_plan()
    except Exception:  # noqa: BLE001 - a shell that completes wants names or silence
        return []
    taken = ctx.params.get("names") or ()
    return [name for name in names(plan) if name.startswith(incomplete) and name not in taken]
