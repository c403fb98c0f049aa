from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.checks.tdd.record import Evidence, read
from tests.support.project import Project

SCRIPT = Path(__file__).parents[2] / "scripts" / "tdd_capture.sh"


def evidence(project: Project, component: str, phase: str) -> Evidence:
    found = read((project.root / f"artifacts/tdd_{component}_{phase}.txt").read_text())
    assert isinstance(found, Evidence)
    return found


def test_red_is_kept_with_its_commit_tree_command_output_and_status(project: Project) -> None:
    assert project.repository is not None
    answer = project.run("tdd", "red", "magvit", "--", "sh", "-c", "echo it fails; exit 3")
    assert (answer.code, "it fails" in answer.out) == (0, True), answer
    found = evidence(project, "magvit", "red")
    assert (found.commit, found.exit_code) == (project.repository.git("rev-parse", "HEAD"), 3)
    assert (found.command, found.output.strip()) == ("sh -c 'echo it fails; exit 3'", "it fails")
    assert found.tree == project.repository.git("rev-parse", "HEAD^{tree}") and not found.uncommitted


@pytest.mark.parametrize(
    ("phase", "command", "why"),
    [
        ("red", "true", "the tests pass, and for red they must fail"),
        ("green", "exit 1", "the tests fail (exit status 1), and for green they must pass"),
        ("refactor", "exit 2", "the tests fail (exit status 2), and for refactor they must pass"),
        ("red", "exit 127", "sh was not found"),
        ("red", "kill -9 $$", "the tests were ended by SIGKILL"),
    ],
)
def test_a_run_that_is_no_evidence_is_not_kept(project: Project, phase: str, command: str, why: str) -> None:
    answer = project.run("tdd", phase, "magvit", "--", "sh", "-c", command)
    assert answer.code == 1 and why in answer.err
    assert not (project.root / "artifacts").exists()


def test_pytest_that_finds_no_test_is_no_red(project: Project) -> None:
    answer = project.run(
        "tdd", "red", "magvit", "--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"
    )
    assert answer.code == 1 and "pytest found no test" in answer.err


def test_uncommitted_work_has_a_tree_of_its_own_and_leaves_nothing_behind(project: Project) -> None:
    assert project.repository is not None
    (project.root / "new.py").write_text("x = 1\n")
    before = project.repository.git("count-objects")
    assert project.run("tdd", "green", "magvit", "--", "true").code == 0
    found = evidence(project, "magvit", "green")
    assert found.uncommitted and project.repository.git("count-objects") == before
    project.repository.git("add", "new.py")
    project.repository.git("commit", "-qm", "work")
    assert found.tree == project.repository.git("rev-parse", "HEAD^{tree}")
    assert "artifacts" in project.repository.git("status", "--porcelain")


def test_what_stands_at_the_top_can_be_imported_as_in_the_gate(project: Project) -> None:
    (project.root / "shop.py").write_text("x = 1\n")
    (project.root / "tests").mkdir()
    (project.root / "tests" / "look.py").write_text("import shop\n")
    assert project.run("tdd", "green", "shop", "--", sys.executable, "tests/look.py").code == 0


def test_names_that_are_no_components_are_wrong_usage(project: Project) -> None:
    assert project.run("tdd", "red", "../x", "--", "false").code == 2


def test_the_script_does_the_same(project: Project) -> None:
    folder = str(Path(sys.executable).parent)
    done = subprocess.run(
        [SCRIPT, "red", "magvit", "sh", "-c", "exit 1"],
        cwd=project.root,
        env={**project.env, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert evidence(project, "magvit", "red").exit_code == 1
