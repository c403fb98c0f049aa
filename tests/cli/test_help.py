from __future__ import annotations

import pytest

from orchestrator.cli.main import run
from tests.support.project import Project

COMMANDS = (
    *(
        "init",
        "validate",
        "schema",
        "doctor",
        "up",
        "down",
        "status",
        "attach",
        "logs",
        "peek",
        "send",
        "exec",
    ),
    *("stop", "restart", "resume", "done", "wait", "keepalive", "events", "conflicts", "clean"),
    "report",
    "stacks",
)
NESTED = (
    "gate list",
    "gate run",
    "wave list",
    "wave show",
    "wave check",
    "wave merge",
    "wave rollback",
    "wave reland",
    "notify test",
    "service install",
    "service uninstall",
    "service status",
)


def test_help_lists_every_command(project: Project) -> None:
    out = project.ok("--help").out
    for command in (*COMMANDS, "gate", "wave"):
        assert f"\n  {command} " in out
    assert "rsh" not in out


@pytest.mark.parametrize("command", [*COMMANDS, *NESTED, "rsh"])
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "Example: orchestrator" in out
    assert "list[" not in out


def test_version(project: Project) -> None:
    assert project.ok("--version").out.startswith("orchestrator 0.")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("stauts", "status"),
        ("stop", "NAME"),
        ("status --wat", "--watch"),
        ("wave show one", "a wave is a number"),
        ("wave nothing", "nothing"),
    ],
)
def test_wrong_usage_exits_2_and_says_why_on_stderr(planned: Project, typed: str, said: str) -> None:
    answer = planned.run(*typed.split())
    assert answer.code == 2
    assert said in answer.err
    assert answer.out == ""


def test_no_command_shows_help_and_is_wrong_usage(project: Project) -> None:
    answer = project.run()
    assert answer.code == 2
    assert "Usage:" in answer.out + answer.err
