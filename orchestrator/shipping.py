"""The agent as one zip application, named by its content.

It holds our modules that run on a host and the pure-Python libraries they import, sources only, so
that `python3 -S -E FILE.zip` needs nothing else on Python 3.10 or later.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIBRARIES = ("libtmux", "git", "gitdb", "smmap")
OWN_MODULES = (
    "__init__.py",
    "codec.py",
    "errors.py",
    "progress.py",
    "supervise*",
    "git*",
    "core",
    "wire",
    "agent",
)

_MAIN = b"""\
import gc
import sys
gc.disable()
from orchestrator.agent import bytecode
bytecode.install()
from orchestrator.agent.serve import main
bytecode.save()
gc.enable()
sys.exit(main())
"""
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """`digest` is the SHA-256 of `content`."""

    digest: str
    content: bytes

    @property
    def file_name(self) -> str:
        return f"{self.digest}.zip"


@cache
def agent_shipment() -> Shipment:
    """The agent of this process's own source, read once: a later edit is shipped by the next process."""
    content = _zipped({"__main__.py": _MAIN, **dict(_sources())})
    return Shipment(digest=hashlib.sha256(content).hexdigest(), content=content)


def agent_file() -> Path:
    """The shipment as a file in this user's cache, written when absent."""
    shipment = agent_shipment()
    path = cache_folder() / shipment.file_name
    if not _holds(path, shipment):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(path, shipment.content)
    return path


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "orchestrator" / "agent"


def _sources() -> Iterator[tuple[str, bytes]]:
    package = Path(__file__).parent
    for pattern in OWN_MODULES:
        for path in package.glob(pattern):
            yield from _python_files(path, package.parent)
    for name in LIBRARIES:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None, f"{name} is not installed"
        folder = Path(spec.origin).parent
        yield from _python_files(folder, folder.parent)


def _python_files(path: Path, root: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        name = file.relative_to(root)
        if "test" not in name.parts and name.name != "pytest_plugin.py":
            yield name.as_posix(), file.read_bytes()


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def _holds(path: Path, shipment: Shipment) -> bool:
    try:
        return path.read_bytes() == shipment.content
    except FileNotFoundError:
        return False


def _replace(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(temporary).replace(path)
