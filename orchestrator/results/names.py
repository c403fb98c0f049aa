"""Which names of a host's files may become names here."""

from __future__ import annotations

import os
import unicodedata

_NAME_BYTES = 230  # file systems take 255; the name of an earlier version is longer
_PATH_BYTES = 2048
_CONTROL = frozenset({"Cc", "Cf", "Zl", "Zp"})


def name_fault(path: str) -> str | None:
    """Why a path, as a host gave it, is not taken; None when it may be."""
    parts = path.split("/")
    if not path or path.startswith("/"):
        return "its name is absolute or empty"
    if any(part in ("", ".", "..") for part in parts):
        return "its name leads elsewhere"
    if any(part.lower() == ".git" for part in parts):
        return "it would lie in a folder of git's"
    if "\0" in path or any(unicodedata.category(letter) in _CONTROL for letter in path):
        return "its name has control characters"
    if len(os.fsencode(path)) > _PATH_BYTES or any(len(os.fsencode(part)) > _NAME_BYTES for part in parts):
        return "its name is too long"
    return None
