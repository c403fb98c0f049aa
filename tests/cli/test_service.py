"""`service` and `notify test`, typed in a repository where no daemon runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import PLAN
from tests.support.heard import hearing
from tests.support.project import Project


def test_a_service_is_written_compared_and_removed(planned: Project) -> None:
    planned.plan(PLAN + "notify: {urls: [env:CHAT]}\n")
    unit = planned.home / ".config/systemd/user/orchestrator-demo.service"
    assert planned.ok("service", "status", "--json").json["installed"] is False
    installed = planned.ok("service", "install")
    assert "systemctl --user enable --now orchestrator-demo.service" in installed.out
    assert "loginctl enable-linger" in installed.out
    assert "lacks CHAT" in installed.err
    assert f'"orchestrator.daemon" "{planned.root}/waves.yaml"' in unit.read_text()
    assert planned.state.is_dir(), "systemd opens the log there before the daemon is started"
    elsewhere = planned.run("service", "status", "--json", env={"PATH": f"/nowhere:{planned.env['PATH']}"})
    assert elsewhere.json["current"] is True
    unit.write_text(unit.read_text().replace("KillMode=process", "KillMode=mixed"))
    assert "differs" in planned.ok("service", "status").out
    assert planned.ok("service", "uninstall", "--json").json["removed"] is True
    assert not unit.exists()
    assert "no unit" in planned.ok("service", "uninstall").out


def test_a_test_message_is_sent_from_this_shell(planned: Project) -> None:
    with hearing() as heard:
        planned.plan(PLAN + "notify: {urls: [env:CHAT, env:NOPE]}\n")
        answer = planned.run("notify", "test", env={"CHAT": heard.url("json", "t0k3nt0k3n")})
    assert heard.titles == ["[demo] a test"]
    assert answer.code == 3
    assert "1 (env:CHAT)  sent" in answer.out and "NOPE is not set" in answer.out
    assert "t0k3n" not in answer.out + answer.err


def test_nobody_to_tell_is_wrong_usage(planned: Project) -> None:
    answer = planned.run("notify", "test")
    assert answer.code == 2 and "notify:" in answer.err


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_secrets_of_the_plan_are_never_printed(planned: Project, command: str) -> None:
    planned.plan(PLAN + 'notify: {urls: "json://ada:s3cr3t@h/t0k3n", ping: "https://h/t0k3n"}\n')
    answer = planned.run(command, "--json")
    assert answer.out.startswith("{")
    assert "s3cr3t" not in answer.out + answer.err and "t0k3n" not in answer.out + answer.err
    kept = Path(planned.state / "plan.pickle")
    assert not kept.exists() or kept.parent.stat().st_mode & 0o077 == 0
