from __future__ import annotations

import json

import pytest

from tests.support.project import Project


def test_the_command_s_status_is_passed_on(project: Project) -> None:
    assert project.run("keepalive", "--every", "1s", "--", "sh", "-c", "exit 7").code == 7


def test_it_beats_and_keeps_the_output(project: Project) -> None:
    answer = project.ok("keepalive", "--", "echo", "hello")
    assert "hello" in answer.out
    beat = json.loads((project.root / "results" / "heartbeat.json").read_text())
    assert beat["v"] == 1
    assert "hello" in (project.root / "results" / "keepalive.log").read_text()


@pytest.mark.parametrize("typed", ["", "--every soon -- true", "--every 0s -- true"])
def test_wrong_usage(project: Project, typed: str) -> None:
    assert project.run("keepalive", *typed.split()).code == 2
