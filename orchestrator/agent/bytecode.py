"""What this agent's modules compile to, kept beside the zip it runs from.

Python compiles a module of a zip at each start, twice, and what `dataclass` writes for a class once more: two
thirds of what an agent's start costs. The file is made here, by the Python that reads it, replaced as a
whole, and believed only if its digest is right, it is ours, and it was made of this zip by this version.
Without it, or where none can be written, modules come from the zip, as ever.
"""

from __future__ import annotations

import dataclasses
import hashlib
import marshal
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType
from typing import Any
from zipimport import zipimporter

_DIGEST_BYTES = 32


class Kept:
    """Marshalled code by module, or by its own text; `fresh` once there is more than in the file."""

    def __init__(self, archive: str) -> None:
        self.archive = archive
        self.path = Path(archive).with_suffix(f".{sys.implementation.cache_tag}.code")
        self.codes = self._read()
        self.fresh = False

    def code(self, key: str, compiled: Callable[[], CodeType]) -> CodeType:
        found = self.codes.get(key)
        if found is None:
            found = self.codes[key] = marshal.dumps(compiled())
            self.fresh = True
        code: CodeType = marshal.loads(found)
        return code

    def save(self) -> None:
        """Replace the file; without room, or the right, nothing happens."""
        if not self.fresh:
            return
        self.fresh = False
        body = marshal.dumps((MAGIC_NUMBER, self.archive, {**self._read(), **self.codes}))
        with suppress(OSError):
            descriptor, temporary = tempfile.mkstemp(dir=self.path.parent, suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(hashlib.sha256(body).digest() + body)
                Path(temporary).replace(self.path)
            except OSError:
                Path(temporary).unlink()

    def _read(self) -> dict[str, bytes]:
        """Nothing of a file that is absent, torn, somebody else's, or of another Python."""
        try:
            content = _own_file(self.path)
            digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
            if hashlib.sha256(body).digest() != digest:
                return {}
            made_by, made_of, codes = marshal.loads(body)
        except (OSError, ValueError, TypeError, EOFError):
            return {}
        return codes if (made_by, made_of) == (MAGIC_NUMBER, self.archive) else {}


class _Importer(zipimporter):
    """A zip's importer that compiles no module twice."""

    kept: Kept

    def get_code(self, fullname: str) -> CodeType:
        return self.kept.code(fullname, lambda: super(_Importer, self).get_code(fullname))

    def get_filename(self, fullname: str) -> str:
        return self.get_code(fullname).co_filename


_kept: Kept | None = None


def install() -> None:
    """Import from the zip this module came from through what is kept. Does nothing outside of one."""
    global _kept
    archive = getattr(globals()["__loader__"], "archive", None)
    if archive is None or sys.implementation.name != "cpython":
        return
    _Importer.kept = _kept = kept = Kept(archive)
    sys.path_hooks.insert(0, _hook)
    for path in [path for path in sys.path_importer_cache if path.startswith(archive)]:
        del sys.path_importer_cache[path]

    def run(text: str, *scopes: Any) -> None:
        exec(kept.code(text, lambda: compile(text, "<string>", "exec", dont_inherit=True)), *scopes)

    vars(dataclasses)["exec"] = run  # in place of the builtin, for that module alone


def save() -> None:
    """Keep what was compiled since."""
    if _kept is not None:
        _kept.save()


def _hook(path: str) -> _Importer:
    if _kept is None or not f"{path}/".startswith(f"{_kept.archive}/"):
        raise ImportError
    return _Importer(path)


def _own_file(path: Path) -> bytes:
    """Raises: OSError: also for what others wrote, or might write."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError
        return file.read()
