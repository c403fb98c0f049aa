"""What a host says it has, as far as it may be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator import wire
from orchestrator.agent.contract import short_line
from orchestrator.agent.results import FILES_LIMIT
from orchestrator.core.plan import SyncPolicy, Workstream
from orchestrator.core.state import LaunchRecord
from orchestrator.errors import CommandFailed, Refused
from orchestrator.results.names import name_fault
from orchestrator.site import Site

DEADLINE_S = 12 * 3600.0
"""For looks at very many or very large files; the probe finds a dead host long before."""

LEFT_OUT_LIMIT = 1000

BENIGN = ("is a link", "is no plain file")
"""Left out on purpose: nothing is wrong with such a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a workstream's results are, and whose they are."""

    site: Site
    workstream: Workstream
    worktree: str
    launch: LaunchRecord | None

    @property
    def policy(self) -> SyncPolicy:
        return self.workstream.pulling


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """`since_ns`: what is older than that was there before the newest launch; None when nobody can say."""

    files: Mapping[str, wire.ResultFile]
    left_out: Mapping[str, str]
    since_ns: int | None


def list_files(source: Source) -> Listed:
    """Raises:
    Refused: the worktree is not there.
    HostUnreachable: the host gave no answer.
    """
    files: dict[str, wire.ResultFile] = {}
    left_out: dict[str, str] = {}

    def take(item: wire.ResultFiles) -> None:
        for file in item.files:
            fault = name_fault(file.path)
            if not fault and len(files) < FILES_LIMIT and file.size >= 0:
                files[file.path] = file
            elif len(left_out) < LEFT_OUT_LIMIT:
                left_out[printable(file.path)] = fault or "there are too many files"
            else:
                # Our agent ends before this: whoever goes on means harm.
                raise CommandFailed(f"{source.site.host.name} lists files without end.")

    policy = source.policy
    listed: wire.ResultsListed = source.site.call(
        wire.ListResults(
            place=source.site.place,
            worktree=source.worktree,
            include=policy.include,
            exclude=policy.exclude,
            launch=source.launch.id if source.launch else None,
        ),
        deadline_s=DEADLINE_S,
        on_item=take,
    )
    if not listed.worktree:
        raise Refused(f"there is no worktree {source.worktree} on {source.site.host.name}.")
    told = list(listed.left_out.items())[:LEFT_OUT_LIMIT]
    left_out |= {printable(path): short_line(reason) for path, reason in told}
    if listed.unlisted:
        left_out["…"] = f"there are more than {FILES_LIMIT} files; narrow include, or exclude some"
    return Listed(files=files, left_out=left_out, since_ns=_since_ns(listed))


def _since_ns(listed: wire.ResultsListed) -> int | None:
    """None where the host's clock went back behind the launch: its files' times then tell nothing."""
    if listed.since_ns is None or listed.now_ns < listed.since_ns:
        return None
    return listed.since_ns


def hashes_of(source: Source, portions: Sequence[wire.Portion]) -> dict[str, wire.ResultHash]:
    """By path.

    Raises:
        CommandFailed: an answer for something else.
    """
    found: dict[str, wire.ResultHash] = {}
    wanted = {portion.path for portion in portions}

    def take(item: wire.ResultHashes) -> None:
        for one in item.hashes:
            if one.path not in wanted:
                raise CommandFailed(f"{source.site.host.name} answers for what it was not asked.")
            wanted.discard(one.path)
            found[one.path] = one

    request = wire.HashResults(
        place=source.site.place,
        workstream=source.workstream.name,
        worktree=source.worktree,
        portions=tuple(portions),
    )
    source.site.call(request, deadline_s=DEADLINE_S, on_item=take)
    return found


def printable(path: str) -> str:
    """A name as it may be shown and kept, whatever is in it."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in path[:500])
