from __future__ import annotations

import pytest

from orchestrator.cli.main import run
from orchestrator.errors import UsageError
from orchestrator.names import chosen, require_one_of, require_wave
from tests.support.project import Project

KNOWN = ("train-a", "train-b", "eval")


def test_no_name_means_all() -> None:
    assert chosen(None, KNOWN) == KNOWN
    assert chosen([], KNOWN) == KNOWN


def test_patterns_and_names_are_taken_once_in_their_order() -> None:
    assert chosen(["eval", "train*", "train-a"], KNOWN) == ("eval", "train-a", "train-b")


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown workstream 'evil'") as raised:
        chosen(["evil"], KNOWN)
    assert raised.value.hint == "did you mean 'eval'?"


def test_a_pattern_that_matches_none_is_unknown() -> None:
    with pytest.raises(UsageError, match="known: train-a, train-b, eval"):
        chosen(["test*"], KNOWN)


def test_waves_and_other_kinds() -> None:
    assert require_wave(2, (1, 2)) == 2
    with pytest.raises(UsageError, match="no wave 3 in the plan; there are: 1, 2"):
        require_wave(3, (1, 2))
    with pytest.raises(UsageError, match="unknown gate 'test'"):
        require_one_of("gate", "test", ("tests",))


@pytest.mark.parametrize(
    "typed",
    [
        "up i4d",
        "up --dry-run i4d",
        "down i4d",
        "status i4d",
        "attach i4d",
        "logs i4d",
        "peek i4d",
        "send i4d text",
        "exec i4d -- true",
        "stop i4d",
        "restart i4d",
        "resume i4d",
        "done i4d",
        "wait i4d",
        "gate run i4d",
    ],
)
def test_every_command_tells_an_unknown_name(
    planned: Project, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(planned.root)
    assert run(typed.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "unknown workstream 'i4d'" in told.err
    assert "did you mean 'i3d'?" in told.err


@pytest.mark.parametrize("typed", ["wave show 7", "wave check 7", "wave merge 7", "up --wave 7"])
def test_every_command_tells_an_unknown_wave(
    planned: Project, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(planned.root)
    assert run(typed.split()) == 2
    assert "no wave 7" in capsys.readouterr().err


def test_other_names_are_told_too(planned: Project) -> None:
    assert "did you mean 'done'?" in planned.run("wait", "--for", "dome").err
    assert "did you mean 'tests'?" in planned.run("gate", "run", "--gate", "test").err
    assert "known: local" in planned.run("rsh", "gpu", "true").err
    assert "known: local" in planned.run("doctor", "gpu").err


def test_names_are_completed_from_the_plan(planned: Project) -> None:
    asked = {"_ORCHESTRATOR_COMPLETE": "complete_bash"}
    words = {"COMP_WORDS": "orchestrator stop s", "COMP_CWORD": "2"}
    assert planned.run(env={**asked, **words}).out.split() == ["shared", "slowfast"]
