"""What a surface may ask of the daemon: frozen values, carried as JSON over its socket.

The answer is a stream of lines: any number of `{"say": text}` while the work goes on, then one
`{"answer": …}`, or `{"refused": {"message", "hint", "exit_status"}}`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

VERSION_HEADER = "Orchestrator-Version"
"""In which each answer says what version of the program the daemon runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """Start what is idle or stopped, after reading the plan again. Empty `names`: all.

    `env` is the caller's environment: workers on this machine get it, never the tmux server's. `take_over`
    names hosts that another daemon owns, from now on ours. Answered, when all that can start has started,
    by `{"workstreams": [status…], "started": [name…], "adopted": [name…], "refused": [name…], "unreachable":
    [host…]}`; who is adopted ran already, and counts as started.
    """

    names: tuple[str, ...] = ()
    wave: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    by: str = ""
    take_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """Stop workers; without names, the daemon ends too. Answered when they have ended."""

    names: tuple[str, ...] = ()
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    names: tuple[str, ...]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    names: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Accept a hold and go on with the next stage."""

    names: tuple[str, ...]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    names: tuple[str, ...]
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Start nothing new on `hosts` (none: anywhere), or with `off` start again.

    Answered by `{"everywhere": bool, "hosts": [name…], "running": [name…]}`: at once, or with `wait` when
    nothing runs there any more.
    """

    hosts: tuple[str, ...] = ()
    off: bool = False
    wait: bool = False
    timeout_s: float | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """A person has reviewed the workstream's branch as `commit` has it, whose tree is `tree`."""

    name: str
    commit: str
    tree: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Answered when every one is in one of `states`; refused after `timeout_s`, or when one can no longer be.

    Empty `states`: answered when all have ended, refused when one did not end as done or merged.
    """

    names: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeWave:
    """Land a wave, or with `partial` what of it is proven.

    Answered by the landing report, also when the answer is no (`ok` false).
    """

    wave: int
    dry_run: bool = False
    partial: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackWave:
    """Take a landed wave out of base. Answered by the rollback report, also when the answer is no."""

    wave: int
    dry_run: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelandWave:
    """Land a wave that was rolled back. Answered as `MergeWave`."""

    wave: int
    dry_run: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """Take away worktrees and branches of landed workstreams. Empty `names`: all that can be.

    Answered by the cleaning report, also when some were refused (`ok` false).
    """

    names: tuple[str, ...] = ()
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """Pull results now. Empty `names`: of all that were launched. Answered by the report of the pulls."""

    names: tuple[str, ...] = ()
    by: str = ""


Errand = MergeWave | RollBackWave | RelandWave | Clean
"""What takes long and needs hosts: done in a thread of its own, one at a time."""

Request = Up | Down | Stop | Restart | Resume | Done | Drain | Approve | Wait | Sync | Errand
