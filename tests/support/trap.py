"""A `git` that comes first on PATH and counts: before or after its Nth call something happens.

What it runs is the real one; what git itself starts is found in git's own folder, and not counted.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_SCRIPT = """#!/bin/sh
read n < '{folder}/count'
n=$((n + 1))
echo "$n" > '{folder}/count'
echo "$n $*" >> '{folder}/log'
when=before; [ -e '{folder}/every' ] && . '{folder}/every'
[ -e '{folder}/before.'"$n" ] && . '{folder}/before.'"$n"
if [ -e '{folder}/after.'"$n" ] || [ -e '{folder}/every' ]; then
    '{git}' "$@"
    code=$?
    when=after; [ -e '{folder}/every' ] && . '{folder}/every'
    [ -e '{folder}/after.'"$n" ] && . '{folder}/after.'"$n"
    exit $code
fi
exec '{git}' "$@"
"""

KILL = "kill -9 $PPID $$"


class Trap:
    """`path` is a PATH for who shall call git through it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.git = shutil.which("git") or "git"
        self.path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        program = folder / "git"
        program.write_text(_SCRIPT.format(folder=folder, git=self.git))
        program.chmod(0o755)
        self.clear()

    def clear(self) -> None:
        """Count from the beginning; nothing happens."""
        for name in ("before.*", "after.*", "every"):
            for file in self.folder.glob(name):
                file.unlink()
        (self.folder / "count").write_text("0\n")
        (self.folder / "log").write_text("")

    def at(self, number: int, action: str, *, after: bool = False) -> None:
        """Let a shell do something around the call of that number; its first is 1."""
        name = "after" if after else "before"
        (self.folder / f"{name}.{number}").write_text(f"{action}\n")

    def always(self, action: str) -> None:
        """Let a shell do something before and after every call; `$n` and `$when` say where it is."""
        (self.folder / "every").write_text(f"{action}\n")

    def calls(self) -> list[str]:
        """The arguments of each call so far, settings left out."""
        return [_without_settings(line.split(" ")[1:]) for line in self._log()]

    def _log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


def _without_settings(words: list[str]) -> str:
    while words and words[0] in ("-C", "-c"):
        words = words[2:]
    return " ".join(words)
