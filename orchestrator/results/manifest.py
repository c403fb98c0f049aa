"""What was pulled of a workstream: of each file what it holds, who wrote it, and when it was proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.codec import WireError, build, plain_fields

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file here. `stamp` is the host's when this was the whole file, None while it went on growing.

    `here` is our own file's stamp after it was put in place. `launch` wrote it, None when that was before
    all launches that are known; `at` is when its hash was compared with the host's.
    """

    size: int
    sha256: str
    mtime_ns: int
    stamp: str | None
    here: str
    launch: str | None
    stage: str | None
    attempt: int
    at: str
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`looked` is when the host was last asked for all of it; `complete`: all it had then is here.

    `left_out` holds a reason for each path of the host's that is not.
    """

    v: int = VERSION
    workstream: str = ""
    host: str = ""
    looked: str = ""
    complete: bool = False
    launch: str | None = None
    files: Mapping[str, Entry] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.files.values())

    def document(self) -> dict[str, Any]:
        return plain_fields(self)


def read_manifest(document: Mapping[str, Any]) -> Manifest:
    """A blank one where there is none that can be read: everything is then compared anew."""
    if document.get("v") != VERSION:
        return Manifest()
    try:
        files = {path: build(Entry, entry) for path, entry in document["files"].items()}
        rest = {key: value for key, value in document.items() if key != "files"}
        return Manifest(files=files, **rest)
    except (WireError, KeyError, TypeError, AttributeError):
        return Manifest()
