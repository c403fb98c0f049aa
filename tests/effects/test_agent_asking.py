"""What counts as a question on a worker's screen, and who reads a terminal."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from orchestrator.agent.asking import question, reads_terminal
from orchestrator.supervise.processes import TAG
from tests.support.eventually import eventually


@pytest.mark.parametrize(
    "line",
    [
        "Overwrite results? [y/N]",
        "Do you want to proceed",
        "❯ 1. Yes",
        ">",
        "Press Enter to continue",
        "Password for ada@example.org:",
        "Which of the two do you prefer?",
        "Add file to the chat? (Y)es/(N)o/(D)on't ask again [Yes]:",
        "Overwrite? [Y/n/a]",
        "● 1. Yes, allow once",
        "2. Yes, and don't ask again this session (shift+tab)",
        "Enter to confirm · Esc to exit",
        "? Which framework (Use arrow keys)",
        "? Project name: › my-app",
        '> Try "fix the lint errors"',
        "> Type your message or @path/to/file",
        "› Explain this codebase",
        "→ Add a follow-up",
    ],
)
def test_these_lines_ask(line: str) -> None:
    assert question(["epoch 3", line, "? for shortcuts"]) == line


@pytest.mark.parametrize(
    "line",
    [
        "epoch 3/10 loss 0.3",
        "Compiling…",
        "$ make test",
        "> building wheel",
        "12 passed in 3 s",
        "11. yes-man",
        "❯ make test",
        "→ b.py",
    ],
)
def test_these_lines_do_not(line: str) -> None:
    assert question([line]) is None


def test_a_role_adds_lines_of_its_own() -> None:
    assert question(["READY", "tokens: 3"], ["^ready$"]) == "READY"


@pytest.mark.parametrize(("command", "reads"), [(["cat"], True), (["sleep", "60"], False)])
def test_who_is_inside_a_read_of_its_terminal_waits(command: list[str], reads: bool) -> None:
    master, slave = os.openpty()
    launch = f"reads-{os.getpid()}-{command[0]}"
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, TAG: launch},
        start_new_session=True,
    )
    try:
        if reads:
            eventually(lambda: reads_terminal(launch), message="cat is seen to read")
        else:
            eventually(
                lambda: process.poll() is None and not reads_terminal(launch), message="sleep does not"
            )
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)
        os.close(slave)
