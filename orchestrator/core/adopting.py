"""Workers that run already, by another journal's word: which of them a plan takes as its own.

`LaunchFound` travels from the hosts, so this module needs no more than the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.core.plan import Workstream

SHELL_STAGE = "shell"
"""The stage of a workstream without a command: a shell that people type into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFound:
    """A launch that runs, as its folder on the host has it. `command` is empty for a plain shell."""

    workstream: str
    launch: str
    stage: str
    attempt: int
    command: str
    worktree: str
    branch: str | None = None
    tip: str = ""
    port: int | None = None
    gpus: tuple[int, ...] = ()


Found = Mapping[str, LaunchFound]
"""By workstream."""


def stage_of_found(workstream: Workstream, found: LaunchFound) -> int | None:
    """The stage that it runs, where it is one of the plan, with the plan's command and on its branch."""
    if found.branch != workstream.branch:
        return None
    if not workstream.stages:
        return 0 if found.stage == SHELL_STAGE and not found.command else None
    for index, stage in enumerate(workstream.stages):
        if stage.name == found.stage and found.command in (stage.run, stage.resume):
            return index
    return None
