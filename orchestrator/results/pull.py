"""One pull of one workstream: what changed is fetched, proved against the host's own hash, put in place.

A file that was rewritten while it was read is fetched again; one that only grew is taken as far as it
had come, proved as the beginning of what is there. What another launch wrote is kept beside what
replaces it. What is gone on the host stays here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from orchestrator import wire
from orchestrator.agent.results import sha256_of
from orchestrator.results.folder import InTheWay, Receiving
from orchestrator.results.listing import BENIGN, Listed, Source, hashes_of, list_files
from orchestrator.results.manifest import Entry, Manifest
from orchestrator.results.transfer import NoRoom, Transfer, transfer
from orchestrator.supervise.fence import is_anothers

KEPT_FREE_BYTES = 256 * 1024 * 1024
KEPT_FREE_PART = 20
"""Room that is left to others on our disk, the daemon's journal among them: of a small one, a twentieth."""

NAMED_LIMIT_BYTES = 64 * 1024
TRIES = 3
_BATCH = 2000
_MODE = 0o644
WRITTEN_ALL_THE_TIME = frozenset(
    {"heartbeat.json", "HEARTBEAT.txt", "progress.json", "PROGRESS.txt", "exit.json"}
)
"""Each launch writes its own anew, and the journal knows what they said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """`manifest` is what is here now. `growing` are files that went on changing meanwhile."""

    manifest: Manifest
    fetched: tuple[str, ...] = ()
    fetched_bytes: int = 0
    kept: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()

    @property
    def faults(self) -> dict[str, str]:
        return faults_of(self.manifest.left_out)


def faults_of(left_out: Mapping[str, str]) -> dict[str, str]:
    """What is missing here and should not be."""
    return {path: reason for path, reason in left_out.items() if not reason.startswith(BENIGN)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """Who wrote a file; all blank when that was before every launch that is known."""

    launch: str | None = None
    stage: str | None = None
    attempt: int = 0

    @property
    def word(self) -> str:
        return "before" if self.launch is None else f"{self.attempt}-{self.stage}"


@dataclass(slots=True)
class Pull:
    """`go_on` raises to give up. `kept_free` bytes of our disk are not touched, of a small one fewer."""

    source: Source
    folder: Receiving
    shell: Sequence[str]
    go_on: Callable[[], None]
    kept_free: int = KEPT_FREE_BYTES
    _files: dict[str, Entry] = field(default_factory=dict)
    _left_out: dict[str, str] = field(default_factory=dict)
    _fetched: dict[str, int] = field(default_factory=dict)
    _kept: list[str] = field(default_factory=list)
    _growing: set[str] = field(default_factory=set)

    def run(self) -> Pulled:
        """Raises:
        HostUnreachable, NoRoom, CommandFailed, Refused: why not all of it came. What came stays.
        """
        before = self.folder.manifest()
        listed = list_files(self.source)
        self._files, self._left_out = dict(before.files), dict(listed.left_out)
        wanted = self._changed(before, listed)
        try:
            for start in range(0, len(wanted), _BATCH):
                self._fetch(listed, wanted[start : start + _BATCH])
        except BaseException:
            self.folder.keep(self._manifest(before, looked=before.looked, complete=False))
            raise
        complete = not faults_of(self._left_out) and not self._growing
        after = self._manifest(before, looked=_now(), complete=complete)
        self.folder.keep(after)
        return Pulled(
            manifest=after,
            fetched=tuple(self._fetched),
            fetched_bytes=sum(self._fetched.values()),
            kept=tuple(self._kept),
            growing=tuple(sorted(self._growing)),
        )

    def _manifest(self, before: Manifest, *, looked: str, complete: bool) -> Manifest:
        return Manifest(
            workstream=self.source.workstream.name,
            host=self.source.site.host.name,
            looked=looked,
            complete=complete,
            launch=self.source.launch.id if self.source.launch else before.launch,
            files=self._files,
            left_out=self._left_out,
        )

    # --- what is to be fetched ----------------------------------------------------------------

    def _changed(self, before: Manifest, listed: Listed) -> list[str]:
        """Smallest first: a large checkpoint holds back no metrics."""
        same_host = before.host == self.source.site.host.name
        wanted = []
        for file in sorted(listed.files.values(), key=lambda file: file.size):
            entry = before.files.get(file.path)
            try:
                here = self.folder.stamp_of(file.path)
            except InTheWay as error:
                self._left_out[file.path] = error.message
                continue
            if entry and here and same_host and entry.stamp == file.stamp:
                continue
            if entry and here and self._is_late(entry, file, listed):
                self._left_out[file.path] = f"it is older than what {entry.launch} wrote, which is kept"
                continue
            wanted.append(file.path)
        return wanted

    def _is_late(self, entry: Entry, file: wire.ResultFile, listed: Listed) -> bool:
        """A file of an earlier launch, come back over what the present one wrote already."""
        launch = self.source.launch
        if launch is None or listed.since_ns is None or entry.launch != launch.id:
            return False
        return file.mtime_ns < listed.since_ns and file.mtime_ns < entry.mtime_ns

    # --- fetching -----------------------------------------------------------------------------

    def _fetch(self, listed: Listed, paths: Sequence[str]) -> None:
        """As many as there is room for, and only then say that there is none for the others."""
        fitting = self._fitting(listed, paths)
        wanted: Sequence[str] = fitting
        for _ in range(TRIES):
            if not wanted:
                break
            transfer(self._transfer(), wanted, self._watch)
            self._growing.difference_update(wanted)
            wanted = self._take(listed, wanted)
        for path in wanted:
            self._left_out[path] = "it was rewritten each time it was read; it comes with a later pull"
        if len(fitting) < len(paths):
            missing = sum(self._missing_bytes(listed.files[path]) for path in paths[len(fitting) :])
            raise self._no_room(self._free(), f"{missing} more bytes")

    def _transfer(self) -> Transfer:
        return Transfer(
            host=self.source.site.host.name,
            shell=self.shell,
            worktree=self.source.worktree,
            staging=self.folder.staging_path,
            basis=self.folder.path,
            bandwidth=self.source.policy.bandwidth,
            lock=self.folder.lock,
        )

    def _fitting(self, listed: Listed, paths: Sequence[str]) -> Sequence[str]:
        room = self._free() - self._left_to_others()
        for number, path in enumerate(paths):
            room -= self._missing_bytes(listed.files[path])
            if room < 0:
                return paths[:number]
        return paths

    def _missing_bytes(self, file: wire.ResultFile) -> int:
        """What of it has not arrived yet, its holes not counted."""
        try:
            staged = Path(self.folder.staging_path, file.path).lstat().st_blocks * 512
        except OSError:
            staged = 0
        return max(0, min(file.size, file.allocated) - staged)

    def _free(self) -> int:
        return shutil.disk_usage(self.folder.ours).free

    def _left_to_others(self) -> int:
        return min(self.kept_free, shutil.disk_usage(self.folder.ours).total // KEPT_FREE_PART)

    def _watch(self) -> None:
        """Sizes are the host's word: what really comes must leave us room, too."""
        self.go_on()
        free = self._free()
        if free < self._left_to_others() // 2:
            raise self._no_room(free, "what still comes")

    def _no_room(self, free: int, what: str) -> NoRoom:
        where, kept = self.folder.path.parent, self._left_to_others()
        return NoRoom(
            f"{where} has {free} bytes free: no room for {what}; {kept} are left to others.",
            "make room there; it goes on by itself",
        )

    # --- proving and placing ------------------------------------------------------------------

    def _take(self, listed: Listed, paths: Sequence[str]) -> list[str]:
        """Put in place what is proved; what must be fetched once more."""
        staged = {path: found for path in paths if (found := self._staged(path)) is not None}
        told = hashes_of(
            self.source, [wire.Portion(path=path, size=size) for path, (size, _) in staged.items()]
        )
        again = []
        for path, (size, digest) in staged.items():
            answer = told.get(path) or wire.ResultHash(path=path, reason="the host did not answer for it")
            if answer.sha256 == digest:
                self._place(listed, listed.files[path], answer, size)
            elif answer.sha256 is None:
                self._left_out[path] = answer.reason or "it could not be read"
            else:
                if answer.stamp is not None:  # at rest, and yet other than what came: from the beginning
                    self.folder.discard_staged(path)
                again.append(path)
        return again

    def _staged(self, path: str) -> tuple[int, str] | None:
        """Size and hash of what arrived; None, with the reason noted, where nothing usable did."""
        try:
            descriptor = self.folder.open_file(self.folder.staging, path)
        except (OSError, InTheWay):
            self._left_out[path] = "it could not be read, or vanished"
            return None
        try:
            os.fchmod(descriptor, _MODE)
            return os.fstat(descriptor).st_size, sha256_of(descriptor)
        finally:
            os.close(descriptor)

    def _place(self, listed: Listed, file: wire.ResultFile, answer: wire.ResultHash, size: int) -> None:
        assert answer.sha256 is not None
        old = self._files.get(file.path)
        writer = self._writer(listed, file, old, answer.sha256)
        if writer.launch is not None and self._says_another(file.path, writer):
            if old is not None and old.launch == writer.launch:
                self._left_out[file.path] = f"it says that another attempt wrote it than {old.launch}"
                self.folder.discard_staged(file.path)
                return
            writer = _Writer()
        try:
            earlier = self._earlier_name(file.path, old, writer, answer.sha256)
            here = self.folder.put(file.path, earlier)
        except InTheWay as error:
            self._left_out[file.path] = error.message
            return
        whole = answer.stamp is not None and _size_of(answer.stamp) == size
        if not whole:
            self._growing.add(file.path)
        if earlier is not None:
            self._kept.append(str(Path(file.path).with_name(earlier)))
        self._fetched[file.path] = size
        self._files[file.path] = Entry(
            size=size,
            sha256=answer.sha256,
            mtime_ns=file.mtime_ns,
            stamp=answer.stamp if whole else None,
            here=here,
            at=_now(),
            earlier=(*(old.earlier if old else ()), *([earlier] if earlier else [])),
            launch=writer.launch,
            stage=writer.stage,
            attempt=writer.attempt,
        )

    def _writer(self, listed: Listed, file: wire.ResultFile, old: Entry | None, sha256: str) -> _Writer:
        """The present launch, when the file is not older than that by the host's own clock."""
        present = self.source.launch
        if present and (listed.since_ns is None or file.mtime_ns >= listed.since_ns):
            return _Writer(launch=present.id, stage=present.stage, attempt=present.attempt)
        return _writer_of(old) if old is not None and old.sha256 == sha256 else _Writer()

    def _says_another(self, path: str, writer: _Writer) -> bool:
        """What outlived its attempt writes with the time of a later one; some files name their writer."""
        if not path.endswith(".json"):
            return False
        with open(self.folder.open_file(self.folder.staging, path), "rb") as file:  # noqa: PTH123
            text = file.read(NAMED_LIMIT_BYTES)
        try:
            named = json.loads(text)
        except (ValueError, RecursionError):  # torn, too long, or something else: it names nobody
            return False
        return isinstance(named, dict) and is_anothers(named, writer.launch or "", writer.attempt)

    def _earlier_name(self, path: str, old: Entry | None, writer: _Writer, sha256: str) -> str | None:
        """What to call the version that is here, if it is to stay; None when it may be replaced."""
        here = self.folder.stamp_of(path)
        is_as_put = old is not None and here == old.here
        if here is None or (is_as_put and _writer_of(old).launch == writer.launch):
            return None
        if is_as_put and path.rpartition("/")[2] in WRITTEN_ALL_THE_TIME:
            return None
        descriptor = self.folder.open_file(self.folder.root, path)
        try:
            if sha256_of(descriptor) == sha256:
                return None
        finally:
            os.close(descriptor)
        return self.folder.free_name(path, _writer_of(old).word if is_as_put else "local")


def _writer_of(entry: Entry | None) -> _Writer:
    if entry is None:
        return _Writer()
    return _Writer(launch=entry.launch, stage=entry.stage, attempt=entry.attempt)


def _size_of(stamp: str) -> int | None:
    parts = stamp.split("-")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
