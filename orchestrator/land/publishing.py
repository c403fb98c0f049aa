"""Base and tag to the plan's remote: both or neither, and only where nobody else moved it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from orchestrator import git
from orchestrator.core.facts import WaveLanded, WavePushed, WavePushRefused
from orchestrator.desk import Desk
from orchestrator.errors import CommandFailed
from orchestrator.git import Git
from orchestrator.land.report import LandingReport


class Cause(Enum):
    """Why a push came to nothing: the first two are refusals, which somebody must settle."""

    MOVED = "moved"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPushed:
    cause: Cause
    reason: str


def publish(desk: Desk, report: LandingReport, landing: WaveLanded) -> LandingReport:
    """Push a landing that was proved, unless that is done already; nothing it meets undoes the landing.

    Run again, it tries again. The report says what came of it.
    """
    remote = desk.plan.remote
    if remote is None:
        return report
    if desk.state.wave(landing.wave).pushed == landing.base_after:
        return replace(report, pushed=True)
    failed = push_landing(desk.home.git, remote, landing)
    if failed is None:
        desk.record(_pushed(remote, landing))
        desk.say(f"wave {landing.wave}: pushed to {remote}")
        return replace(report, pushed=True)
    desk.record(_refused(remote, landing, failed))
    return replace(report, pushed=False, push_error=failed.reason, push_cause=failed.cause.value)


def push_landing(repository: Git, remote: str, landing: WaveLanded) -> NotPushed | None:
    """Push base and tag in one atomic push; None once the remote has both."""
    tag, base = f"refs/tags/{landing.tag}", f"refs/heads/{landing.base}"
    try:
        there = git.remote_refs(repository, remote, base, tag)
        here = git.refs(repository, tag)
        specs, leases = _wanted(repository, landing, here, there)
        refused = git.push(repository, remote, specs, atomic=True, leases=leases) if specs else {}
    except git.RemoteMoved as error:
        return NotPushed(cause=Cause.MOVED, reason=error.message)
    except CommandFailed as error:
        return NotPushed(cause=Cause.FAILED, reason=error.message)
    return not_pushed(refused)


def not_pushed(refused: Mapping[str, str]) -> NotPushed | None:
    """What the refs mean that a push was refused for; None where there are none."""
    if not refused:
        return None
    cause = Cause.MOVED if any(_is_stale(why) for why in refused.values()) else Cause.REJECTED
    return NotPushed(cause=cause, reason="; ".join(f"{ref}: {why}" for ref, why in refused.items()))


def _wanted(
    repository: Git, landing: WaveLanded, here: Mapping[str, str], there: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """What to push, and where each ref must stand over there for it.

    Raises:
        RemoteMoved: the remote's base, or its tag, is somebody else's.
    """
    tag, base = f"refs/tags/{landing.tag}", f"refs/heads/{landing.base}"
    specs, leases = [], {}
    if not _contains(repository, there.get(base), landing.base_after):
        _require_behind(repository, there.get(base), landing, base)
        specs.append(f"{landing.base_after}:{base}")
        leases[base] = there.get(base, "")
    if there.get(tag) != here.get(tag):
        if tag in there:
            raise git.RemoteMoved(f"{tag}: the remote has another of that name, {there[tag]}")
        specs.append(f"{here[tag]}:{tag}")
        leases[tag] = ""
    return specs, leases


def _contains(repository: Git, there: str | None, commit: str) -> bool:
    return _is_known(repository, there) and git.is_ancestor(repository, commit, there or "")


def _is_known(repository: Git, commit: str | None) -> bool:
    return commit is not None and git.find_commits(repository, [commit])[commit] is not None


def _require_behind(repository: Git, there: str | None, landing: WaveLanded, base: str) -> None:
    if there is None:
        return
    if not _is_known(repository, there) or not git.is_ancestor(repository, there, landing.base_after):
        lacks = f"which {landing.base} here does not have (non-fast-forward)"
        raise git.RemoteMoved(f"{base}: the remote is at {there[:12]}, {lacks}")


def _is_stale(why: str) -> bool:
    return "stale info" in why or "non-fast-forward" in why or "fetch first" in why


def _pushed(remote: str, landing: WaveLanded) -> WavePushed:
    return WavePushed(wave=landing.wave, remote=remote, commit=landing.base_after, tag=landing.tag)


def _refused(remote: str, landing: WaveLanded, failed: NotPushed) -> WavePushRefused:
    return WavePushRefused(
        wave=landing.wave,
        remote=remote,
        commit=landing.base_after,
        tag=landing.tag,
        cause=failed.cause.value,
        reason=failed.reason,
    )
