"""What is said of plans that are wrong or have changed, of waits, and of interrupted landings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import wait, wave
from orchestrator.cli.daemon import note_changed_plan
from orchestrator.cli.failures import tell_error
from orchestrator.cli.here import Here, find_here
from orchestrator.cli.main import run
from orchestrator.client import Answer as RefusedByDaemon
from orchestrator.client import Client
from orchestrator.copying import copied_files
from orchestrator.errors import Refused
from tests.cli.conftest import PLAN
from tests.support.project import Project


@pytest.mark.parametrize("typed", ["up", "status", "gate list", "wave check 1"])
def test_problems_of_a_plan_stand_bare_on_their_lines(planned: Project, typed: str) -> None:
    planned.plan(PLAN.replace("base: main", "bsae: main").replace("needs: [i3d]", "needs: [i3e]"))
    answer = planned.run(*typed.split())
    assert answer.code == 2
    lines = answer.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{planned.root}/waves.yaml:") for line in lines)


def test_problems_of_a_plan_that_the_daemon_read_stand_bare_too(capsys: pytest.CaptureFixture[str]) -> None:
    tell_error(RefusedByDaemon("/r/waves.yaml:3:1: no\n/r/waves.yaml:4:1: no", "mend it", 2))
    assert capsys.readouterr().err == "/r/waves.yaml:3:1: no\n/r/waves.yaml:4:1: no\nhint: mend it\n"


@pytest.fixture
def here(planned: Project, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.chdir(planned.root)
    return find_here(None)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_plan_that_changed_under_its_daemon_is_told(
    here: Here, capsys: pytest.CaptureFixture[str], mark: bytes
) -> None:
    here.plan_file.write_bytes(mark + PLAN.encode())
    document: dict[str, Any] = {"plan": str(here.plan_file), "daemon": {"running": True}}
    note_changed_plan(here, document)
    document["plan_digest"] = here.load_plan().digest
    note_changed_plan(here, document)
    assert capsys.readouterr().err == ""
    here.plan_file.write_text(PLAN + "# more\n")
    note_changed_plan(here, {**document, "daemon": {"running": False}})
    assert capsys.readouterr().err == ""
    note_changed_plan(here, document)
    said = "waves.yaml changed since the daemon read it; orchestrator up reads it again\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("typed", ["status", "restart i3d", "wave merge 1"])
def test_commands_that_follow_the_daemon_s_plan_say_that_it_changed(
    here: Here, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = [{"name": "i3d"}]
    document = {"plan": str(here.plan_file), "plan_digest": "x", "workstreams": known}
    asked = {**document, "daemon": {"running": True}, "waves": [], "hosts": []}

    def refuse(*_: object) -> None:
        raise Refused("no")

    monkeypatch.setattr(Client, "status", lambda self: asked)
    monkeypatch.setattr(Client, "ask", refuse)
    run([*typed.split(), *(["--json"] if typed == "status" else [])])
    assert "changed since the daemon read it" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "says"), [("merge 1", True), ("merge 1 --dry-run", False)])
def test_an_interrupted_merge_says_what_holds(
    here: Here, typed: str, says: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Asked:
        def ask(self, *_: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(wave, "running_daemon", lambda here: Asked())
    assert run(["wave", *typed.split()]) == 130
    text = "the wave does not land unless it already has; see orchestrator wave show 1"
    assert (text in capsys.readouterr().err) is says


@pytest.mark.parametrize(
    ("states", "typed", "code"),
    [
        ("done merged", "", 0),
        ("done failed", "", 1),
        ("held", "", 1),
        ("stopped", "", 1),
        ("failed", "--for failed", 0),
    ],
)
def test_waiting_without_a_state_wants_all_done(
    here: Here, states: str, typed: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {f"w{number}": state for number, state in enumerate(states.split())}
    monkeypatch.setattr(wait, "_reached", lambda here, request: {"workstreams": found})
    assert run(["wait", *typed.split()]) == code


def test_a_copy_of_a_directory_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(Refused, match="data is a directory; name files"):
        copied_files(tmp_path, ["data"])


@pytest.mark.parametrize("typed", ["wave show x", "wave merge 1.5", "up --wave one"])
def test_what_is_no_wave_is_told_so(planned: Project, typed: str) -> None:
    answer = planned.run(*typed.split())
    assert answer.code == 2
    assert "a wave is a number, such as 1" in answer.err
