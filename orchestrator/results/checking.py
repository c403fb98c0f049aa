"""Is what lies here what lies on the host? Both ends hash what they have; no manifest is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator import wire
from orchestrator.agent.results import sha256_of
from orchestrator.desk import Desk
from orchestrator.errors import Refused
from orchestrator.results.folder import InTheWay, Receiving, receiving
from orchestrator.results.listing import BENIGN, Source, hashes_of, list_files
from orchestrator.results.manifest import Entry
from orchestrator.results.outcome import source_of
from orchestrator.results.pull import WRITTEN_ALL_THE_TIME

SAME, CHANGED, GROWN, MOVING, MISSING, GONE, DAMAGED, UNREAD, LEFT_OUT = (
    "same", "changed", "grown", "moving", "missing", "gone", "damaged", "unread", "left-out",
)  # fmt: skip
GOOD = frozenset({SAME, MOVING, GONE, LEFT_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """`state`: `same`; `changed` there since; `grown` there since; `moving`: of the beat and
    progress, which change all the time; `missing` here; `gone` there;
    `damaged`: it is not what was put here; `left-out`: a link or the like; `unread`: `reason` says why it
    cannot be compared.
    """

    workstream: str
    path: str
    state: str
    size: int | None = None
    sha256: str | None = None
    launch: str | None = None
    stage: str | None = None
    attempt: int | None = None
    at: str | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.state in GOOD


def check_results(desk: Desk, name: str) -> tuple[FileCheck, ...]:
    """Every file that the host has or the manifest knows; blocks for as long as the host hashes.

    Raises:
        HostUnreachable: the host does not answer.
        Refused: nothing was pulled yet, or it was cleaned.
    """
    workstream = desk.plan.workstream(name)
    source = source_of(desk, workstream, desk.state.of(name))
    plan_folder = Path(desk.plan.source).parent
    if not (plan_folder / workstream.pulling.to / name).is_dir():
        raise Refused(f"nothing of {name} was pulled yet.", f"orchestrator sync {name}")
    with receiving(plan_folder, workstream.pulling.to, name, lambda: None) as folder:
        return tuple(_checked(source, folder))


def _checked(source: Source, folder: Receiving) -> Iterator[FileCheck]:
    entries = folder.manifest().files
    listed = list_files(source)
    told = hashes_of(source, [wire.Portion(path=path) for path in listed.files])
    for path in sorted({*listed.files, *entries}):
        state, reason = _state(folder, path, entries.get(path), told.get(path), path in listed.files)
        yield _check(source, path, state, reason, entries.get(path))
    for path, reason in listed.left_out.items():
        if path not in entries:
            yield _check(source, path, LEFT_OUT if reason.startswith(BENIGN) else UNREAD, reason, None)


def _check(source: Source, path: str, state: str, reason: str, entry: Entry | None) -> FileCheck:
    name = source.workstream.name
    if entry is None:
        return FileCheck(workstream=name, path=path, state=state, reason=reason)
    return FileCheck(
        workstream=name,
        path=path,
        state=state,
        reason=reason,
        size=entry.size,
        sha256=entry.sha256,
        launch=entry.launch,
        stage=entry.stage,
        attempt=entry.attempt,
        at=entry.at,
    )


def _state(
    folder: Receiving, path: str, entry: Entry | None, told: wire.ResultHash | None, is_there: bool
) -> tuple[str, str]:
    try:
        descriptor = folder.open_file(folder.root, path)
    except (OSError, InTheWay) as error:
        return MISSING, "" if isinstance(error, FileNotFoundError) else str(error)
    with open(descriptor, "rb") as file:  # noqa: PTH123
        here = sha256_of(file.fileno())
    if told is not None and told.sha256 == here:
        return SAME, ""
    if entry is not None and entry.sha256 != here:
        return DAMAGED, "it is not what was pulled"
    if not is_there:
        return GONE, "it is no longer on the host"
    if told is None or told.sha256 is None:
        return UNREAD, told.reason if told else "the host did not answer for it"
    if entry is not None and Path(path).name in WRITTEN_ALL_THE_TIME:
        return MOVING, "it is as it was pulled, and is written all the time"
    return (GROWN if entry and entry.stamp is None else CHANGED), "the host's is another one since"
