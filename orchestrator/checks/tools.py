"""Running one of the usual tools, and reading where in its words something is wrong."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence

from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.junit import NOT_FOUND
from orchestrator.checks.trials import NoVerdict, Outcome, Trial

_OUTPUT = "output.txt"
_PLACE = re.compile(r"(?P<path>[^\s:][^:]*[./][^:]*):(?P<line>[0-9]+)(?::[0-9]+)?: *(?P<said>\S.*)")


def run_tool(
    subject: Subject,
    name: str,
    program: str,
    arguments: Sequence[str],
    *,
    shell: str = "",
    commit: str | None = None,
) -> tuple[Outcome, str]:
    """What it ended with, and all it printed. `shell` is appended to the command as it is.

    Raises:
        NoVerdict: it could not be started, or was not done in time.
    """
    if subject.trials is None:
        raise NoVerdict(f"{name} runs a command, and nobody gave it a place for that")
    words = " ".join(map(shlex.quote, arguments))
    file = f'"$ORCHESTRATOR_OUT/{_OUTPUT}"'
    command = f"{program} {words} {shell} > {file} 2>&1; status=$?; cat {file}; exit $status"
    outcome = subject.trials.run(
        Trial(name=name, command=command, commit=commit or subject.commit, wanted=(_OUTPUT,))
    )
    text = outcome.files.get(_OUTPUT, outcome.tail)
    if outcome.exit_code == NOT_FOUND:
        raise NoVerdict(
            f"{name} could not be started: {text.strip()}\nput it on the gate's PATH", is_red=True
        )
    if outcome.timed_out:
        raise NoVerdict(f"{name} was not done in time; a gate's `timeout` gives it more", is_red=True)
    return outcome, text


def places(text: str) -> Iterator[tuple[str, int, str]]:
    """Path, line and words of all lines that look like `path:line: words`; none that leave the checkout."""
    for line in text.splitlines():
        match = _PLACE.match(line.strip())
        if match and not match["path"].startswith("/"):
            yield posixpath.normpath(match["path"]), int(match["line"]), match["said"]


def broken(subject: Subject, rule: str, name: str, outcome: Outcome, text: str) -> Finding:
    """It failed without saying of which file."""
    lines = [line for line in text.splitlines() if line.strip()][-12:]
    return finding(subject, rule, "\n".join([f"{name} ended with status {outcome.exit_code}", *lines]))
