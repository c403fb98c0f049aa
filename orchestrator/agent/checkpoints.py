"""What a new attempt goes on from: the newest checkpoint that is whole, looked for at every start.

The last report names one; others of its family lie beside it, with other numbers in their names.
Nothing is remembered from one start to the next, so that no checkpoint can be gone, or damaged, and be
given to a worker again and again.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.agent import contract, supervised
from orchestrator.agent.launches import contract_variables, launch_folder, results_folder
from orchestrator.agent.logs import log_folder
from orchestrator.wire import Place, Resumption, StartEntry

FAMILY_LIMIT = 8
"""So many are tried before a worker starts from nothing."""

VERIFY_TIMEOUT_S = 600.0
DIGEST_SUFFIX = ".sha256"
_READ_BYTES = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class Rejected(Exception):
    """Why a checkpoint is not used, in words."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`digest` was the one beside the file, None where there is none."""

    size_bytes: int
    digest: str | None


def may_resume(entry: StartEntry) -> bool:
    """Whether there is anything to look for."""
    return entry.launch.resumes and _reported(entry) is not None


def resumption(place: Place, entry: StartEntry) -> Resumption | None:
    """The newest checkpoint that proves whole; None where no attempt ever reported one.

    Blocks for a hash of each that is tried, and for the plan's `verify` command.
    """
    reported = _reported(entry)
    if reported is None or not entry.launch.resumes:
        return None
    rejected = []
    for path in _newest_first(reported):
        try:
            proof = _proof(place, entry, path, reported)
        except Rejected as why:
            rejected.append(f"{path.name}: {why}")
        else:
            return Resumption(
                checkpoint=str(path),
                sha256=proof.digest,
                size_bytes=proof.size_bytes,
                rejected=tuple(rejected),
            )
    return Resumption(checkpoint=None, rejected=tuple(rejected))


def last_saved(worktree: Path, results: Path) -> Path | None:
    """The checkpoint that the last report names, also one that is gone; None where it names none."""
    try:
        document = contract.load_object(results / "progress.json", contract.PROGRESS_LIMIT_BYTES)
    except (contract.Unreadable, OSError):
        return None
    named = contract.progress_of(document).checkpoint
    return saved_as(named, worktree, results) if named else None


def saved_as(named: str, worktree: Path, results: Path) -> Path:
    """Where a report's checkpoint lies: in the results, else in the worktree, else where it says itself."""
    here = results / named
    return here if here.exists() or not (worktree / named).exists() else worktree / named


def whole(path: Path) -> Proof:
    """That a file, or a folder, exists, is not empty and is what the digest beside it says.

    Raises:
        Rejected: it is not.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return _whole_folder(path)
        if not stat.S_ISREG(found.st_mode):
            raise Rejected("is no file")
        if found.st_size == 0:
            raise Rejected("is empty")
        expected = _digest_beside(path)
        if expected is not None and digest_of(path) != expected:
            raise Rejected("does not match its sha256")
    except FileNotFoundError:
        raise Rejected("is gone") from None
    except OSError as error:
        raise Rejected(f"cannot be read: {error.strerror}") from error
    return Proof(found.st_size, expected)


def _whole_folder(path: Path) -> Proof:
    sizes = [part.stat().st_size for part in path.rglob("*") if part.is_file()]
    if not any(sizes):
        raise Rejected("is empty")
    return Proof(sum(sizes), None)


def _digest_beside(path: Path) -> str | None:
    """The digest in `NAME.sha256`, bare or as sha256sum writes it; None where there is no such file."""
    beside = path.with_name(path.name + DIGEST_SUFFIX)
    try:
        text = beside.read_bytes()[:_READ_BYTES].decode("ascii", "replace")
    except FileNotFoundError:
        return None
    found = _SHA256.match(text)
    if found is None:
        raise Rejected(f"has no digest in {beside.name}")
    return found[0].lower()


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file, None of a folder."""
    if path.is_dir():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()


def _reported(entry: StartEntry) -> Path | None:
    return last_saved(Path(entry.worktree.path), results_folder(entry))


def _newest_first(reported: Path) -> Iterator[Path]:
    """What was reported and what else is of its family, by the time of the last change."""
    pattern = re.compile(r"\d+".join(re.escape(part) for part in re.split(r"\d+", reported.name)))
    try:
        family = [path for path in reported.parent.iterdir() if pattern.fullmatch(path.name)]
        family.sort(key=_changed_ns, reverse=True)
    except OSError:
        family = []
    if reported not in family:
        yield reported
    yield from family[:FAMILY_LIMIT]


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # a link that leads nowhere, or gone since
        return 0


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name)]


def _proof(place: Place, entry: StartEntry, path: Path, reported: Path) -> Proof:
    proof = whole(path)
    verify = entry.launch.verify
    if proof.digest is None and verify is None and _numbers(path) > _numbers(reported):
        raise Rejected("was never reported, and has no sha256 beside it")
    if verify is not None:
        _load(place, entry, path, verify)
    return proof


def _load(place: Place, entry: StartEntry, path: Path, verify: str) -> None:
    """The plan's own test, which loads it.

    Raises:
        Rejected: it did not.
    """
    log = log_folder(place, entry.worktree.workstream) / "verify.log"
    folder = launch_folder(place, entry.launch.launch)
    variables = {**contract_variables(entry, folder, None), "ORCHESTRATOR_CHECKPOINT": str(path)}
    command = supervised.Command(
        name="verify",
        text=verify,
        folder=Path(entry.worktree.path),
        state=Path(place.state, "verifications", entry.worktree.workstream),
        log=log,
        timeout_s=VERIFY_TIMEOUT_S,
        workstream=entry.worktree.workstream,
        env={**entry.worktree.env, **entry.launch.env, **variables},
    )
    record = supervised.run(command)
    if record is None or record.exit_code != 0:
        how = "could not run" if record is None else supervised.ending(record)
        said = supervised.last_lines(log, 1)
        raise Rejected(f"restart.verify {how}" + (f": {contract.short_line(said)}" if said else ""))
