"""The Python files of a commit, or of folders on the disk; what is passed over is said with its reason."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from orchestrator import git
from orchestrator.git import Git
from orchestrator.source.parsing import MOST_BYTES

_FOREIGN = {
    "vendor",
    "vendored",
    "_vendor",
    "_vendored",
    "third_party",
    "thirdparty",
    "external",
    "node_modules",
}
_FOREIGN |= {
    "site-packages",
    "dist-packages",
    ".venv",
    "venv",
    ".tox",
    ".nox",
    ".git",
    "__pycache__",
    ".eggs",
}
_TESTS = {"tests", "test", "testing", "conftest"}
_TEST_FILE = re.compile(r"(test_.*|.*_test|conftest)\.py$")
_GENERATED_FILE = re.compile(r".*(_pb2|_pb2_grpc|\.generated|_generated)\.py$")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """`path` is what people read; `inner` is counted from the folder that was searched."""

    path: str
    inner: str
    id: str

    @property
    def is_test(self) -> bool:
        return is_test(self.inner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`fetch` reads the contents of files by id, all in one go."""

    files: tuple[SourceFile, ...]
    skipped: tuple[Skipped, ...]
    fetch: Callable[[Sequence[str]], Mapping[str, bytes]]


def committed(repository: Git, commit: str) -> Listing:
    """The files of a commit; links and submodules are not followed."""
    files, skipped = [], []
    for entry in git.tree_entries(repository, commit, recursive=True, sizes=True):
        reason = _unwanted(entry.path) or _unread_mode(entry.mode) or _too_large(entry.size or 0)
        if not _is_source(entry.path):
            continue
        if reason:
            skipped.append(Skipped(path=entry.path, reason=reason))
        else:
            files.append(SourceFile(path=entry.path, inner=entry.path, id=entry.id))
    return Listing(files=tuple(files), skipped=tuple(skipped), fetch=partial(git.read_blobs, repository))


def on_disk(roots: Iterable[Path]) -> Listing:
    """The files below folders (or single files), as they are now; links are not followed."""
    files, skipped, contents = [], [], {}
    for path, inner in (pair for root in roots for pair in _walk(root)):
        found = _unwanted(inner) or _content(path)
        if isinstance(found, str):
            skipped.append(Skipped(path=str(path), reason=found))
        else:
            identity = f"sha256:{hashlib.sha256(found).hexdigest()}"
            contents[identity] = found
            files.append(SourceFile(path=str(path), inner=inner, id=identity))
    return Listing(
        files=tuple(files), skipped=tuple(skipped), fetch=lambda ids: {one: contents[one] for one in ids}
    )


@lru_cache(maxsize=50_000)
def is_test(inner: str) -> bool:
    *folders, name = inner.split("/")
    return bool(_TEST_FILE.match(name)) or any(folder.lower() in _TESTS for folder in folders)


def _walk(root: Path) -> Iterator[tuple[Path, str]]:
    if not root.is_dir():
        yield root, root.name
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _FOREIGN)
        for name in sorted(names):
            path = Path(folder, name)
            inner = path.relative_to(root).as_posix()
            if _is_source(inner):
                yield path, inner


def _content(path: Path) -> bytes | str:
    """The bytes of a plain file, or why it is not read."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return _LINK if stat.S_ISLNK(found.st_mode) else "is no plain file"
        return _too_large(found.st_size) or path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"


_LINK = "is a symbolic link, which is not followed"


def _is_source(path: str) -> bool:
    return path.endswith((".py", ".ipynb"))


def _unwanted(path: str) -> str:
    if path.endswith(".ipynb"):
        return "is a notebook"
    if _GENERATED_FILE.match(path):
        return "is generated"
    folder = next((part for part in path.split("/")[:-1] if part.lower() in _FOREIGN), None)
    return f"is other people's code ({folder}/)" if folder else ""


def _unread_mode(mode: str) -> str:
    return {"120000": _LINK, "160000": "is a submodule"}.get(mode, "")


def _too_large(size_bytes: int) -> str:
    return f"is larger than {MOST_BYTES // 2**20} MiB" if size_bytes > MOST_BYTES else ""
