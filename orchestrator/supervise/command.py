"""Which commands are one program: the shell that reads those becomes the program.

A TERM ends a waiting shell at once, whatever its child makes of it: the exit code, the signal and the
time of such a launch would be the shell's, and the program a leftover.
"""

from __future__ import annotations

import os
import re

# One line of words. What the shell expands within an argument is welcome, what makes it more than one
# program is not; where that is hard to tell, the text is the shell's alone.
_BLANK = " \t\n"
_NAME = r"\$[A-Za-z_][A-Za-z0-9_]*|\$\{[A-Za-z_][A-Za-z0-9_]*\}"
_PROGRAM = r"[A-Za-z0-9_./][A-Za-z0-9_./+-]*"
_PIECE = rf"""[^\s\\'"`$;&|<>(){{}}#!\0]|'[^'\n\0]*'|"(?:[^"\\`$\n\0]|{_NAME})*"|{_NAME}"""
_SIMPLE = re.compile(rf"({_PROGRAM})(?:[ \t]+(?:{_PIECE})+)*")

# Of dash and bash: `exec` would look for a program of that name.
_WORDS = (
    ". alias bg bind break builtin caller case cd chdir command compgen complete compopt continue coproc"
    " declare dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi for"
    " function getopts hash help history if in jobs kill let local logout mapfile popd printf pushd pwd"
    " read readarray readonly return select set shift shopt source suspend test then time times trap true"
    " type typeset ulimit umask unalias unset until wait while"
)
_OF_THE_SHELL = frozenset(_WORDS.split())


def shell_argv(text: str, cwd: str, path: str | None) -> list[str]:
    """What runs `text` as the shell does, as the program itself where it is one that is found."""
    program = only_program(text)
    if program is not None and _is_found(program, cwd, path or os.defpath):
        text = "exec " + text.strip(_BLANK)
    return ["/bin/sh", "-c", text]


def only_program(text: str) -> str | None:
    """The program of a command that is nothing but one program with its arguments, else None."""
    found = _SIMPLE.fullmatch(text.strip(_BLANK))
    if found is None or found[1] in _OF_THE_SHELL:
        return None
    return found[1]


def _is_found(program: str, cwd: str, path: str) -> bool:
    folders = [""] if "/" in program else path.split(":")
    candidates = (os.path.join(cwd, folder, program) for folder in folders)  # noqa: PTH118
    return any(os.path.isfile(each) and os.access(each, os.X_OK) for each in candidates)  # noqa: PTH113
