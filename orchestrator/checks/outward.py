"""How tools are kept from what lies behind links that lead out of the checkout, and how that is told."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.trials import NoVerdict
from orchestrator.source.links import links_outside

PASSED_OVER = "it is passed over, and not judged"
_WHY = "is a symbolic link that leads out of the checkout, and is not followed"
_UNBORNE = re.compile(r"[,\udc80-\udcff]")
_MOST_CHARACTERS = 60_000
"""One argument of a command, as a shell's whole line is one, may have 128 KiB."""


def not_followed(subject: Subject) -> Iterator[Finding]:
    """For a check that runs a tool on the tip."""
    paths = links_outside(subject.git, subject.commit)
    if paths:
        more = f", and so {len(paths) - 1} more" if len(paths) > 1 else ""
        yield finding(subject, "links/not-followed", f"{_WHY}{more}", paths[0], allowed=PASSED_OVER)


def for_pytest(subject: Subject, *commits: str) -> tuple[str, tuple[str, ...]]:
    """What comes before the command, and arguments of it.

    pytest loads the conftest.py of a folder at the top that is named test* although it is to ignore it: links
    that bring one are taken away.
    """
    paths = _paths(subject, *commits)
    if not paths:
        return "", ()
    names = " ".join(shlex.quote(f"./{path}") for path in paths)
    brings = '[ -L "$link" ] && { [ "${link##*/}" = conftest.py ] || [ -e "$link/conftest.py" ]; }'
    before = f'for link in {names}; do if {brings}; then rm -f "$link"; fi; done && '
    return before, tuple(f"--ignore={path}" for path in paths)


def for_mypy(subject: Subject, commit: str) -> tuple[str, ...]:
    return tuple(f"--exclude=^{re.escape(path)}(/|$)" for path in _paths(subject, commit))


def for_ruff(subject: Subject) -> tuple[str, ...]:
    """A pattern with a folder in it is counted from the top; one bears no comma, and nothing but UTF-8."""
    patterns = (re.sub(r"([][?*{}!\\])", r"\\\1", path) for path in _paths(subject, subject.commit))
    return tuple(f"--extend-exclude=./{_UNBORNE.sub('?', pattern)}" for pattern in patterns)


def _paths(subject: Subject, *commits: str) -> tuple[str, ...]:
    found = {path: None for commit in commits for path in links_outside(subject.git, commit)}
    if sum(map(len, found)) > _MOST_CHARACTERS:
        raise NoVerdict(
            f"{len(found)} symbolic links lead out of the checkout, too many to tell a tool of each\n"
            "link to a folder of them instead",
            is_red=True,
        )
    return tuple(found)
