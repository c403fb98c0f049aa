"""Puts our hooks beside those that are there, and takes them away. The hooks folder itself is the record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from orchestrator import git
from orchestrator.errors import Refused
from orchestrator.git import Git
from orchestrator.home import Checkout
from orchestrator.hooks.stub import KEPT, Choices, is_ours, stub_text
from orchestrator.supervise.records import replace_file

HOOKS = ("pre-commit", "pre-push")
_LEGACY = ".legacy"


class Standing(Enum):
    INSTALLED = "installed"
    IDLE = "idle"
    """Ours, and no program: git passes it over."""
    ABSENT = "absent"
    FOREIGN = "another's"
    DISPLACED = "displaced"
    """Ours was there and somebody replaced it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """`kept` is the hook that was there before, which ours runs first."""

    name: str
    path: Path
    standing: Standing
    kept: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Where git looks for hooks. `setting` is the user's `core.hooksPath`."""

    path: Path
    setting: str | None = None


def hooks_folder(checkout: Checkout) -> Folder:
    setting = git.hooks_path(Git(checkout.folder))
    if not setting:
        return Folder(path=checkout.common_dir / "hooks")
    return Folder(path=Path(os.path.normpath(checkout.folder / setting)), setting=setting)


def hooks(folder: Folder) -> tuple[Hook, ...]:
    return tuple(_hook(folder.path, name) for name in HOOKS)


def install(checkout: Checkout, choices: Choices) -> tuple[Hook, ...]:
    """Again: refreshes ours. Hooks that are there are kept under another name and run first.

    Raises:
        Refused: the folder is not this repository's alone, or tracked; nothing was changed.
    """
    folder = hooks_folder(checkout)
    _require_own(checkout, folder)
    found = hooks(folder)
    for hook in found:
        _require_room(hook)
    folder.path.mkdir(parents=True, exist_ok=True)
    checkout.state.root.mkdir(exist_ok=True, mode=0o700)
    for hook in found:
        _put(hook, choices)
    return hooks(folder)


def uninstall(checkout: Checkout) -> tuple[Hook, ...]:
    """Put back, byte for byte, what was there; what is not ours stays. The answer is how it was before."""
    folder = hooks_folder(checkout)
    found = hooks(folder)
    for hook in found:
        if hook.standing in (Standing.DISPLACED, Standing.FOREIGN):
            _leave(hook)
        elif hook.kept is not None:
            hook.kept.replace(hook.path)
        elif hook.standing is not Standing.ABSENT:
            hook.path.unlink()
    (checkout.state.root / "patterns.json").unlink(missing_ok=True)
    return found


def _leave(hook: Hook) -> None:
    """pre-commit, installed over ours, runs ours as its legacy: it runs what was there before instead."""
    legacy = hook.path.with_name(f"{hook.name}{_LEGACY}")
    if not is_ours(_content(legacy) or b""):
        return
    if hook.kept is not None and _content(hook.kept) != _content(hook.path):
        hook.kept.replace(legacy)
        return
    legacy.unlink()
    if hook.kept is not None:
        hook.kept.unlink()


def _hook(folder: Path, name: str) -> Hook:
    path, kept = folder / name, folder / f"{name}{KEPT}"
    has_kept = os.path.lexists(kept)
    content = _content(path)
    if content is None:
        standing = Standing.ABSENT
    elif is_ours(content):
        standing = Standing.INSTALLED if os.access(path, os.X_OK) else Standing.IDLE
    else:
        standing = Standing.DISPLACED if has_kept else Standing.FOREIGN
    return Hook(name=name, path=path, standing=standing, kept=kept if has_kept else None)


def _content(path: Path) -> bytes | None:
    """Empty for a link that leads nowhere: it is somebody's all the same."""
    try:
        return path.read_bytes()
    except OSError:
        return b"" if os.path.lexists(path) else None


def _put(hook: Hook, choices: Choices) -> None:
    kept = hook.path.with_name(f"{hook.name}{KEPT}")
    if hook.standing is Standing.FOREIGN:
        hook.path.rename(kept)
    text = stub_text(hook.name, choices, _content(kept))
    replace_file(str(hook.path), text.encode())
    hook.path.chmod(0o755)


def _require_room(hook: Hook) -> None:
    if hook.standing is Standing.DISPLACED:
        raise Refused(
            f"{hook.path} replaced our hook, and the one that was there before is kept as {hook.kept}.",
            "remove the one that is no longer wanted, and install again",
        )


def _require_own(checkout: Checkout, folder: Folder) -> None:
    if folder.setting is None or folder.path.is_relative_to(checkout.common_dir):
        return
    own = [Path(worktree.path) for worktree in git.list_worktrees(Git(checkout.folder)) if not worktree.bare]
    around = next((path for path in own if folder.path.is_relative_to(path)), None)
    if around is None:
        raise Refused(
            f"core.hooksPath is {folder.setting}, outside this repository: other repositories use it too.",
            "\n".join(by_hand(folder)),
        )
    if git.tracked_files(Git(around), [str(folder.path)]):
        raise Refused(
            f"core.hooksPath is {folder.setting}, whose files are committed: everybody would get our change.",
            "\n".join(by_hand(folder)),
        )


def by_hand(folder: Folder) -> Iterator[str]:
    """What to write into hooks that are not ours to change."""
    yield "add a line to these hooks by hand:"
    for name in HOOKS:
        line = (
            f'if command -v orchestrator >/dev/null; then orchestrator hooks run {name} -- "$@" || exit 1; fi'
        )
        yield f"  {folder.path / name}: {line}"
