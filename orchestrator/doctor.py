"""What is wrong with the hosts of a plan, and what to type about it.

`examine` asks every host at once; `findings` is the pure rule from what a host said to what it means.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from orchestrator import wire
from orchestrator.core.devices import holds_in_words, in_mib
from orchestrator.core.plan import Host
from orchestrator.errors import HostUnreachable, OrchestratorError
from orchestrator.link import Link, open_link
from orchestrator.ssh.problems import PythonUnusable

Severity = Literal["ok", "warning", "error"]
Version = tuple[int, int]

EXAMINE_DEADLINE_S = 20.0
GIB = 1024**3
DISK_WARNING_BYTES = 5 * GIB
DISK_ERROR_BYTES = 1 * GIB
CLOCK_SKEW_S = 60.0
# Landing uses `git merge-tree --write-tree`, which is 2.38's; hosts only have worktrees.
GIT_HERE: Version = (2, 38)
GIT_THERE: Version = (2, 30)
TMUX: Version = (3, 0)
PYTHON: Version = (3, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`mend` is what to type; it is empty when all is well."""

    host: str
    subject: str
    severity: Severity
    message: str
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a host said, and our own clock around it."""

    inspection: wire.Inspection
    census: wire.Census
    asked_at: float
    answered_at: float


def examine(
    hosts: Sequence[Host], *, repository: str, deadline_s: float = EXAMINE_DEADLINE_S
) -> tuple[Finding, ...]:
    """Findings of all hosts, in their order; blocks for about `deadline_s` seconds however many hang.

    `repository` is this machine's, whose disk is measured.
    """
    if not hosts:
        return ()
    with ThreadPoolExecutor(len(hosts)) as pool:
        all_found = pool.map(lambda host: _examine_one(host, repository, deadline_s), hosts)
        return tuple(finding for found in all_found for finding in found)


def _examine_one(host: Host, repository: str, deadline_s: float) -> tuple[Finding, ...]:
    ends_at = time.monotonic() + deadline_s
    try:
        with open_link(host, deadline_s=deadline_s) as link:
            asked_at = time.time()
            inspection = link.call(
                wire.Inspect(folder=folder_of(host, repository)),
                deadline_s=max(1.0, ends_at - time.monotonic()),
            )
            answered_at = time.time()
            census = _census(link, deadline_s=max(1.0, ends_at - time.monotonic()))
            examined = Examined(
                inspection=inspection, census=census, asked_at=asked_at, answered_at=answered_at
            )
    except OrchestratorError as error:
        return (access_finding(host, error),)
    return findings(host, examined)


def _census(link: Link, deadline_s: float) -> wire.Census:
    """A driver that keeps its host from answering hides nothing else of it."""
    try:
        census: wire.Census = link.call(wire.ReadGpus(), deadline_s=deadline_s)
    except HostUnreachable as error:
        return wire.Census(error=error.message)
    return census


def folder_of(host: Host, repository: str) -> str:
    """Where the host's worktrees come to lie."""
    return repository if host.ssh is None else host.root or "~"


def access_finding(host: Host, error: OrchestratorError) -> Finding:
    """Why a host could not be asked at all."""
    access = "agent" if host.ssh is None else "ssh"
    subject = "python" if isinstance(error, PythonUnusable) else access
    mend = error.hint or "orchestrator doctor, once the host answers"
    return Finding(host=host.name, subject=subject, severity="error", message=error.message, mend=mend)


def findings(host: Host, examined: Examined) -> tuple[Finding, ...]:
    """One finding per subject, in a fixed order."""
    rules: tuple[Callable[[Host, Examined], Iterator[Finding]], ...] = (
        _access, _programs, _rsync, _folder, _disk, _gpus, _clock, _lingering,
    )  # fmt: skip
    return tuple(finding for rule in rules for finding in rule(host, examined))


def version_in(text: str) -> Version | None:
    """The first two numbers of what a program prints as its version."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _access(host: Host, examined: Examined) -> Iterator[Finding]:
    if host.ssh is not None:
        took_ms = (examined.answered_at - examined.asked_at) * 1000
        facts = examined.inspection.facts
        yield _well(host, "ssh", f"logged in as {facts.user}, answered in {took_ms:.0f} ms")


def _programs(host: Host, examined: Examined) -> Iterator[Finding]:
    facts = examined.inspection.facts
    git = GIT_HERE if host.ssh is None else GIT_THERE
    yield _program(host, "git", facts.git, git)
    yield _program(host, "tmux", facts.tmux, TMUX)
    yield _program(host, "python", f"Python {facts.python}", PYTHON)


def _program(host: Host, name: str, said: str | None, oldest: Version) -> Finding:
    wanted = ".".join(map(str, oldest))
    if said is None:
        return _bad(host, name, f"{name} is not installed", _install(name))
    version = version_in(said)
    if version is None:
        return _doubt(host, name, f"{said!r} says no version; {wanted} or later is needed", _install(name))
    if version < oldest:
        return _bad(host, name, f"{said} is older than {wanted}", _install(name))
    return _well(host, name, said)


def _rsync(host: Host, examined: Examined) -> Iterator[Finding]:
    said = examined.inspection.rsync
    if said is None:
        yield _doubt(host, "rsync", "rsync is not installed: results cannot be synced", _install("rsync"))
    else:
        yield _well(host, "rsync", said.split("  protocol")[0])


def _folder(host: Host, examined: Examined) -> Iterator[Finding]:
    place = "the repository" if host.ssh is None else host.root or "the home directory"
    user = examined.inspection.facts.user
    if examined.inspection.folder_writable:
        yield _well(host, "folder", f"{place} can be written")
    else:
        yield _bad(host, "folder", f"{user} cannot write {place}", f"sudo chown {user} {host.root or '~'}")


def _disk(host: Host, examined: Examined) -> Iterator[Finding]:
    seen = examined.inspection
    text = f"{seen.disk_free_bytes / GIB:.1f} of {seen.disk_total_bytes / GIB:.0f} GiB free"
    if seen.disk_free_bytes < DISK_ERROR_BYTES:
        yield _bad(host, "disk", text, _FREE_SPACE)
    elif seen.disk_free_bytes < DISK_WARNING_BYTES:
        yield _doubt(host, "disk", text, _FREE_SPACE)
    else:
        yield _well(host, "disk", text)


def _gpus(host: Host, examined: Examined) -> Iterator[Finding]:
    census = examined.census
    missing = [str(index) for index in host.gpus if census.gpu(index) is None]
    if missing:
        yield _bad(host, "gpu", *_missing_gpus(host, census, missing))
        return
    yield _well(host, "gpu", f"{len(census.gpus)} found, {len(host.gpus)} in the plan")
    for gpu in census.gpus:
        if gpu.index in host.gpus:
            room = f"{in_mib(gpu.free_mb)} of {in_mib(gpu.total_mb)} free"
            held = "".join(f"; {holds_in_words(process)}" for process in gpu.processes)
            yield _well(host, "gpu", f"GPU {gpu.index}: {gpu.name}, {room}{held}")


def _missing_gpus(host: Host, census: wire.Census, missing: Sequence[str]) -> tuple[str, str]:
    """What is wrong, and what to type."""
    wanted = f"the plan wants GPU {', '.join(missing)}"
    look = f"nvidia-smi on the host, then correct `gpus:` of {host.name}"
    if not census.driver:
        return f"{wanted}; no driver found: leases go by count alone", f"install the driver, or {look}"
    if not census.is_known:
        return f"{wanted}; {census.error or 'nvidia-smi does not answer'}", look
    return f"{wanted}; the host shows {len(census.gpus)}", look


def _clock(host: Host, examined: Examined) -> Iterator[Finding]:
    there = examined.inspection.wall_clock
    skew_s = max(examined.asked_at - there, there - examined.answered_at, 0.0)
    if skew_s > CLOCK_SKEW_S:
        way = "behind" if there < examined.asked_at else "ahead"
        yield _doubt(host, "clock", f"{skew_s:.0f} s {way} of this machine", "sudo timedatectl set-ntp true")
    else:
        yield _well(host, "clock", "agrees with this machine" if host.ssh else "is this machine's")


def _lingering(host: Host, examined: Examined) -> Iterator[Finding]:
    user = examined.inspection.facts.user
    if examined.inspection.lingering is False:
        message = "systemd may end the workers when the last login ends"
        yield _doubt(host, "linger", message, f"loginctl enable-linger {user}")


_FREE_SPACE = "see what is large with `du -xh -d 2 ~ | sort -h`"


def _install(package: str) -> str:
    package = "python3" if package == "python" else package
    return f"sudo apt install {package} (dnf install {package}, brew install {package})"


def _well(host: Host, subject: str, message: str) -> Finding:
    return Finding(host=host.name, subject=subject, severity="ok", message=message)


def _doubt(host: Host, subject: str, message: str, mend: str) -> Finding:
    return Finding(host=host.name, subject=subject, severity="warning", message=message, mend=mend)


def _bad(host: Host, subject: str, message: str, mend: str) -> Finding:
    return Finding(host=host.name, subject=subject, severity="error", message=message, mend=mend)
