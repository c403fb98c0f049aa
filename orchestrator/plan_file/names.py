"""Which names are safe in a branch, a path, a tmux target or an address.

Each `..._fault` says what is wrong with a name, or None.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_BRANCH_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")
# A file system takes 255 bytes for one name; git adds ".lock".
_NAME_BYTES = 200
_ADDRESS = re.compile(
    r"(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*@)?"
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


def branch_fault(name: str) -> str | None:
    """The rules of git check-ref-format --branch."""
    forbidden = _BRANCH_FORBIDDEN.search(name)
    parts = name.split("/")
    rules = {
        "it is empty": not name,
        f"it holds {forbidden[0]!r}" if forbidden else "": forbidden is not None,
        "it begins with '-'": name.startswith("-"),
        "it is what git calls a checkout": name in {"@", "HEAD"},
        "it holds '..'": ".." in name,
        "it holds '@{'": "@{" in name,
        "it ends with '.'": name.endswith("."),
        "a part of it between slashes is empty": "" in parts,
        "a part of it begins with '.'": any(part.startswith(".") for part in parts),
        "a part of it ends with '.lock'": any(part.endswith(".lock") for part in parts),
        "a part of it is too long": any(len(part.encode()) > _NAME_BYTES for part in parts),
    }
    return next((rule for rule, broken in rules.items() if broken), None)


def path_fault(text: str) -> str | None:
    """What keeps a path from staying inside the repository."""
    path = PurePosixPath(text)
    if not text.strip() or not text.isprintable():
        return "is no path"
    if path.is_absolute() or text.startswith("~"):
        return "is not relative to the repository"
    if ".." in path.parts:
        return "may leave the repository by '..'"
    if any(part.lower() == ".git" for part in path.parts):
        return "is git's own"
    if any(len(part.encode()) > _NAME_BYTES for part in path.parts):
        return "has a part that is too long"
    return None


def address_fault(text: str) -> str | None:
    match = _ADDRESS.fullmatch(text)
    if not match:
        return "is no address"
    if match["port"] and not 1 <= int(match["port"]) <= 65535:
        return "has a port that does not exist"
    return None
