"""`tdd red|green|refactor`: runs tests, and keeps what they said where that is evidence."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import AsJson
from orchestrator.cli.printing import tell, tell_json
from orchestrator.errors import Refused, UsageError

if TYPE_CHECKING:
    from orchestrator.checks.tdd.record import Evidence

_DEFAULT = ["pytest", "-q"]
_NO_TESTS = {3: "pytest failed itself", 4: "pytest was called wrongly", 5: "pytest found no test"}
_NEVER_RAN = {126: "cannot be executed", 127: "was not found"}

Component = Annotated[str, typer.Argument(metavar="COMPONENT", help="The component that is tested.")]
CommandWords = Annotated[
    list[str] | None, typer.Argument(metavar="[-- CMD]", help="The tests; pytest -q when none is named.")
]


def red(component: Component, command: CommandWords = None, as_json: AsJson = False) -> None:
    """Run tests that must fail, and keep what they said."""
    _capture("red", component, command, as_json)


def green(component: Component, command: CommandWords = None, as_json: AsJson = False) -> None:
    """Run tests that must pass, and keep what they said."""
    _capture("green", component, command, as_json)


def refactor(component: Component, command: CommandWords = None, as_json: AsJson = False) -> None:
    """Run tests that must still pass, and keep what they said."""
    _capture("refactor", component, command, as_json)


def _capture(phase: str, component: str, command: list[str] | None, as_json: bool) -> None:
    from orchestrator.checks.tdd.record import is_component, path_of, written

    if not is_component(component):
        raise UsageError(f"'{component}' is no name of a component.", "letters, digits and . _ + - make one")
    words = command or _DEFAULT
    top = _checkout()
    evidence = _run(top, phase, component, words, sys.stderr if as_json else sys.stdout)
    fault = _fault(phase, words, evidence.exit_code)
    if fault is not None:
        raise Refused(f"{fault}: nothing was written.", _hint(phase))
    path = top / path_of(component, phase)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written(evidence), encoding="utf-8", errors="surrogateescape")
    if as_json:
        tell_json({"ok": True, "path": str(path), "commit": evidence.commit, "tree": evidence.tree})
    else:
        dirty = " with uncommitted work" if evidence.uncommitted else ""
        tell(f"{path_of(component, phase)}: {phase} at {evidence.commit[:10]}{dirty}")


def _checkout() -> Path:
    from orchestrator import git
    from orchestrator.errors import CommandFailed

    try:
        return Path(git.Git(Path.cwd()).text("rev-parse", "--show-toplevel"))
    except CommandFailed as error:
        raise UsageError(
            "this folder is no checkout of a repository.", "go to the worktree that is tested"
        ) from error


def _run(top: Path, phase: str, component: str, words: list[str], screen: object) -> Evidence:
    from orchestrator import git
    from orchestrator.checks.tdd.record import Evidence, is_evidence

    repository = git.Git(top)
    commit = git.resolve(repository, "HEAD")
    tree = git.tree_of_work(repository, is_evidence)
    captured = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    status, output = _output(words, top, screen)
    return Evidence(
        component=component,
        phase=phase,
        commit=commit,
        tree=tree,
        uncommitted=tree != git.tree_without(repository, commit, is_evidence),
        command=shlex.join(words),
        exit_code=status,
        captured=captured,
        output=output,
    )


def _output(words: list[str], top: Path, screen: object) -> tuple[int, str]:
    """Its exit status, and what it printed, which is shown as it comes.

    As in the gate, modules at the top can be imported: pytest by itself would fail for want of them.
    """
    path = os.pathsep.join(filter(None, (str(top), os.environ.get("PYTHONPATH"))))
    try:
        running = subprocess.Popen(
            words,
            cwd=top,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        raise Refused(
            f"{words[0]} cannot be run: {error.strerror}: nothing was written.",
            "name the tests: orchestrator tdd red COMPONENT -- python -m pytest tests",
        ) from error
    assert running.stdout is not None
    lines = []
    for line in running.stdout:
        text = line.decode("utf-8", "replace")
        lines.append(text)
        print(text, end="", file=screen, flush=True)  # type: ignore[call-overload]
    status = running.wait()
    return status, "".join(lines)


def _fault(phase: str, words: list[str], status: int) -> str | None:
    """Why a run is no evidence of its phase."""
    if status in _NEVER_RAN:
        return f"{words[0]} {_NEVER_RAN[status]}"
    if status < 0:
        return f"the tests were ended by {signal.Signals(-status).name}"
    if any(os.path.basename(word) in ("pytest", "py.test") for word in words) and status in _NO_TESTS:  # noqa: PTH119
        return _NO_TESTS[status]
    if phase == "red":
        return "the tests pass, and for red they must fail" if status == 0 else None
    return f"the tests fail (exit status {status}), and for {phase} they must pass" if status else None


def _hint(phase: str) -> str:
    if phase == "red":
        return "write a test that fails without the new code"
    return "make them pass, then run this again"
