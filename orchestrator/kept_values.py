"""Values kept on disk between two runs: for the code that made them only, and of the core's classes alone."""

from __future__ import annotations

import hashlib
import io
import pickle
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent


class Unusable(Exception):
    """What was kept is damaged, or holds what no value of ours is made of."""


@cache
def code_digest(*rooms: str) -> bytes:
    """What decides what a kept value means: the sources of these rooms of the package."""
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted((_PACKAGE / room).rglob("*.py")):
            name = path.relative_to(_PACKAGE).as_posix()
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def dumped(value: object) -> bytes:
    return pickle.dumps(value)


def loaded(kept: bytes, room: str) -> Any:
    """The value; made of nothing but what `orchestrator.<room>` defines, whatever the bytes hold.

    Raises:
        Unusable: there is something else in it, or it is torn.
    """
    try:
        return _Reader(io.BytesIO(kept), room).load()
    except Exception as error:  # torn bytes can end in any exception, by the documentation of `pickle`
        raise Unusable(str(error)) from error


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, room: str) -> None:
        super().__init__(file)
        self._room = f"orchestrator.{room}"

    def find_class(self, module: str, name: str) -> Any:
        # Plain names only: a dotted one would reach through our module into what it imports.
        if "." in name or not f"{module}.".startswith(f"{self._room}."):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of {self._room}")
        found = super().find_class(module, name)
        if not isinstance(found, type) or found.__module__ != module:
            raise pickle.UnpicklingError(f"{module}.{name} is no class of {self._room}")
        return found
