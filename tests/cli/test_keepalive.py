from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import run_in
from tests.support.project import Project


@pytest.mark.parametrize("dashes", [("--",), ()])
def test_the_command_s_status_is_passed_on(project: Project, dashes: tuple[str, ...]) -> None:
    assert project.run("keepalive", "--every", "1s", *dashes, "sh", "-c", "exit 7").code == 7


def test_it_beats_and_keeps_the_output(project: Project) -> None:
    answer = project.ok("keepalive", "--", "echo", "hello")
    assert "hello" in answer.out
    beat = json.loads((project.root / "results" / "heartbeat.json").read_text())
    assert beat["v"] == 1
    assert "hello" in (project.root / "results" / "keepalive.log").read_text()


def test_its_files_are_kept_out_of_git(project: Project) -> None:
    below = project.root / "sub"
    below.mkdir()
    for folder in (project.root, below, below):
        assert run_in(project, folder, "keepalive", "--", "sh", "-c", "git status --porcelain").out == ""
    assert project.git("status", "--porcelain") == ""
    exclude = (project.root / ".git" / "info" / "exclude").read_text().splitlines()
    assert exclude.count("/sub/results/keepalive.log*") == 1
    (project.root / "results" / "mine").touch()
    assert project.git("status", "--porcelain") == "?? results/"


def test_outside_a_repository_it_says_nothing_of_git(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    answer = run_in(project, folder, "keepalive", "--", "echo", "hello")
    assert (answer.code, answer.out, answer.err) == (0, "hello\n", "")


@pytest.mark.parametrize("typed", ["", "--every soon -- true", "--every 0s -- true"])
def test_wrong_usage(project: Project, typed: str) -> None:
    assert project.run("keepalive", *typed.split()).code == 2
