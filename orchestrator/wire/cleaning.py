"""Taking away what a landed workstream left on a host."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.wire.host import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanWorkstream:
    """Remove a worktree, its session, its gate checkout and its branch. Answered by `Cleaned`.

    `tip` is where the branch must be, None when there is none. `copied` are untracked files, or
    folders of them, that were carried in: they never go into git. With `dry_run` nothing is touched.
    """

    place: Place
    tmux_socket: str | None
    workstream: str
    session: str
    launch: str | None
    path: str
    branch: str
    tip: str | None
    results: str
    copied: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was taken away, or would be; None and False where there was nothing.

    Where `reasons` says why not, nothing was changed and the rest is what would have been done.
    `kept` is the folder that ignored files and results were moved to; `recreated` are the ignored
    paths that the set-up made, left as it made them, which are not kept. `trash` is the ref that
    holds the `untracked` files. A link counts as a file without bytes.
    """

    reasons: tuple[str, ...] = ()
    worktree: str | None = None
    branch: bool = False
    session: bool = False
    gate_checkout: str | None = None
    ports: bool = False
    kept: str | None = None
    kept_files: int = 0
    kept_bytes: int = 0
    recreated: tuple[str, ...] = ()
    recreated_bytes: int = 0
    trash: str | None = None
    untracked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
