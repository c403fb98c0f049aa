"""Reading a worker's log over its rotations, `worker.log.N` … `worker.log.1`, `worker.log`.

An offset counts all bytes ever logged. Which file began where is kept beside the log, by inode and
first bytes: a rotated file keeps both. Where more was rotated away between two reads than is kept,
the count goes on at the oldest byte still there.
"""

from __future__ import annotations

import base64
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.agent.files import load_json, locked, write_json
from orchestrator.agent.refusals import require_safe_name
from orchestrator.wire import LogPart, Place, ReadLog

PART_LIMIT_BYTES = 8 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024
_HEAD_BYTES = 256


@dataclass(frozen=True, slots=True)
class _Piece:
    """One file of the log: its bytes are those from `start` to `end` of everything logged."""

    file: BinaryIO
    inode: int
    start: int
    end: int

    def mark(self) -> list[int]:
        length = min(_HEAD_BYTES, self.end - self.start)
        return [self.start, length, _head_sum(self.file, length)]


def log_folder(place: Place, workstream: str) -> Path:
    return Path(place.state, "logs", require_safe_name(workstream, "workstream name"))


def worker_log(place: Place, workstream: str) -> Path:
    return log_folder(place, workstream) / "worker.log"


def read_log(request: ReadLog) -> LogPart:
    return read_part(worker_log(request.place, request.workstream), request.lines, request.offset)


def read_part(path: Path, lines: int | None, offset: int | None) -> LogPart:
    """What follows `offset` in a log of ours; without one its last `lines`, ten if that is None."""
    if not path.parent.is_dir():
        return LogPart(text="", offset=0)
    with locked(path.with_name(".offsets.lock")), _pieces(path) as pieces:
        if not pieces:
            return LogPart(text="", offset=0)
        end = pieces[-1].end
        if offset is not None:
            start = min(max(offset, pieces[0].start), end)
        else:
            start = _start_of_lines(pieces, 10 if lines is None else lines)
        data = _read(pieces, start, min(end, start + PART_LIMIT_BYTES))
    return LogPart(text=base64.b64encode(data).decode("ascii"), offset=start + len(data))


@contextmanager
def _pieces(path: Path) -> Iterator[list[_Piece]]:
    with ExitStack() as stack:
        files = _open_files(path, stack)
        known = load_json(path.with_name(".offsets.json"))
        pieces = _placed(files, known)
        if pieces:
            marks = {str(piece.inode): piece.mark() for piece in pieces}
            write_json(path.with_name(".offsets.json"), {"files": marks, "end": pieces[-1].end})
        yield pieces


def _open_files(path: Path, stack: ExitStack) -> list[BinaryIO]:
    """The files, oldest first. A rotation meanwhile shows as a file met twice or gone: look again."""
    while True:
        found: dict[int, BinaryIO] = {}
        numbers = _numbers(path)
        for number in numbers:
            try:
                file = stack.enter_context(_named(path, number).open("rb"))
            except FileNotFoundError:
                break
            found.setdefault(os.fstat(file.fileno()).st_ino, file)
        if len(found) == len(numbers) and _numbers(path) == numbers:
            return list(found.values())


def _numbers(path: Path) -> list[int]:
    suffixes = (entry.name.removeprefix(f"{path.name}.") for entry in path.parent.glob(f"{path.name}.*"))
    numbers = sorted((int(suffix) for suffix in suffixes if suffix.isdigit()), reverse=True)
    return [*numbers, *([0] if path.exists() else [])]


def _named(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def _placed(files: Sequence[BinaryIO], known: dict[str, Any]) -> list[_Piece]:
    start = _first_start(files, known)
    pieces = []
    for file in files:
        stat = os.fstat(file.fileno())
        pieces.append(_Piece(file, stat.st_ino, start, start + stat.st_size))
        start += stat.st_size
    return pieces


def _first_start(files: Sequence[BinaryIO], known: dict[str, Any]) -> int:
    before = 0
    for file in files:
        stat = os.fstat(file.fileno())
        start, length, total = known.get("files", {}).get(str(stat.st_ino), (0, 0, -1))
        # An inode that was freed is used again for a newer file: the first bytes tell.
        if 0 < length <= stat.st_size and _head_sum(file, length) == total:
            return max(0, int(start) - before)
        before += stat.st_size
    return int(known.get("end", 0))


def _head_sum(file: BinaryIO, length: int) -> int:
    return zlib.crc32(os.pread(file.fileno(), length, 0))


def _start_of_lines(pieces: Sequence[_Piece], lines: int) -> int:
    first, end = pieces[0].start, pieces[-1].end
    if lines <= 0 or first == end:
        return end
    missing = lines + (_read(pieces, end - 1, end) == b"\n")
    position = end
    while position > first and end - position < PART_LIMIT_BYTES:
        start = max(first, position - _BLOCK_BYTES)
        block = _read(pieces, start, position)
        while missing and (cut := block.rfind(b"\n")) >= 0:
            missing, block = missing - 1, block[:cut]
            if not missing:
                return start + cut + 1
        position = start
    return position


def _read(pieces: Sequence[_Piece], start: int, end: int) -> bytes:
    parts = []
    for piece in pieces:
        low, high = max(start, piece.start), min(end, piece.end)
        if low < high:
            parts.append(os.pread(piece.file.fileno(), high - low, low - piece.start))
    return b"".join(parts)
