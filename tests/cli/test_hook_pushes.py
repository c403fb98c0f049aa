"""Real pushes to a bare repository with our hook installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.hooked import MODEL, commit, git, hook, install, with_plan
from tests.support.project import Project


@pytest.fixture(name="remote")
def remote_fixture(project: Project) -> Path:
    path = project.folder / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(path)], check=True)
    with_plan(project)
    git(project, "checkout", "--quiet", "-b", "work/i3d")
    return path


def refs(remote: Path) -> str:
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname:short)"],
        cwd=remote,
        check=True,
        capture_output=True,
        text=True,
    )
    return listed.stdout.strip()


def test_a_branch_goes_out_with_its_component_and_green_tests_and_not_without(
    project: Project, remote: Path
) -> None:
    install(project)
    assert commit(project, branch1_s_other__py="n = 1\n").code == 0
    answer = git(project, "push", str(remote), "work/i3d")
    assert answer.code == 1 and refs(remote) == ""
    assert "no class MAGVIT is defined" in answer.err and "git push --no-verify" in answer.err
    assert commit(project, branch1_s_m__py=MODEL, branch1_s_broken="").code == 0
    answer = git(project, "push", str(remote), "work/i3d")
    assert answer.code == 1 and "i3d: tests is red: exit status 1" in answer.err
    git(project, "rm", "--quiet", "branch1/broken")
    assert git(project, "commit", "--quiet", "-m", "mended").code == 0
    answer = git(project, "push", str(remote), "work/i3d")
    assert answer.code == 0 and refs(remote) == "work/i3d", answer.err
    answer = git(project, "push", str(remote), "work/i3d:refs/heads/again")
    assert answer.code == 0 and "tests of i3d: green (cached)" in answer.err


def test_without_a_plan_the_files_say_what_a_branch_must_hold(project: Project, remote: Path) -> None:
    install(project)
    git(project, "rm", "--quiet", "waves.yaml")
    claims = '{"work/i3d": {"components": ["MAGVIT"], "description": "an encoder"}}'
    assert commit(project, __branch_specifications__json=claims, Makefile="test:\n\ttest -e m.py\n").code == 0
    answer = git(project, "push", str(remote), "work/i3d")
    assert answer.code == 1 and "work/i3d: no class MAGVIT is defined" in answer.err
    assert "work-i3d: tests is red" in answer.err and refs(remote) == ""
    assert commit(project, m__py=MODEL).code == 0
    answer = git(project, "push", str(remote), "work/i3d", "main")
    assert answer.code == 0 and refs(remote).split() == ["main", "work/i3d"], answer.err


def test_unplanned_branches_tags_and_deletions_go_out_unseen(project: Project, remote: Path) -> None:
    install(project)
    git(project, "tag", "v1")
    assert commit(project, branch1_s_other__py="n = 1\n").code == 0
    assert git(project, "push", "--no-verify", str(remote), "work/i3d").code == 0
    answer = git(project, "push", str(remote), "main", "v1", ":work/i3d")
    assert answer.code == 0 and refs(remote).split() == ["main", "v1"], answer.err
    assert "orchestrator" not in answer.err


def test_an_earlier_hook_gets_arguments_and_lines_and_can_refuse(project: Project, remote: Path) -> None:
    hook(project, "pre-push", '#!/bin/sh\necho "$0 $*" > log\ncat >> log\nexit ${EARLIER:-0}\n')
    install(project)
    assert commit(project, branch1_s_m__py=MODEL).code == 0
    refused = git(project, "push", str(remote), "work/i3d", env={**project.env, "EARLIER": "3"})
    assert refused.code == 1 and refs(remote) == ""
    assert git(project, "push", str(remote), "work/i3d").code == 0
    tip = git(project, "rev-parse", "HEAD").out.strip()
    first, line = (project.root / "log").read_text().splitlines()
    assert first == f".git/hooks/pre-push {remote} {remote}"
    ref = git(project, "symbolic-ref", "HEAD").out.strip()
    assert line == f"{ref} {tip} {ref} {'0' * 40}"


def test_evidence_that_the_plan_asks_for_is_proved_before_a_push(project: Project, remote: Path) -> None:
    plan = (project.root / "waves.yaml").read_text()
    project.plan(plan.replace("gates: [tests]", "gates: [tdd]"))
    install(project)
    assert commit(project, branch1_s_m__py=MODEL).code == 0
    answer = git(project, "push", str(remote), "work/i3d")
    assert answer.code == 1 and "tdd is red: the branch neither adds nor changes a test" in answer.err


def test_it_works_from_a_linked_worktree(project: Project, remote: Path) -> None:
    plan = (project.root / "waves.yaml").read_text()
    project.plan(plan.replace("test !", 'test -z \\"$GIT_INDEX_FILE$GIT_DIR\\" || exit 3; test !'))
    install(project)
    git(project, "checkout", "--quiet", "main")
    place = project.worktree("i3d")
    git(project, "worktree", "add", "--quiet", str(place), "work/i3d")
    assert commit(project, place, branch1_s_m__py=MODEL, branch1_s_broken="").code == 0
    index = {**project.env, "GIT_INDEX_FILE": str(project.folder / "another")}
    answer = git(project, "push", str(remote), "work/i3d", cwd=place, env=index)
    assert answer.code == 1 and "tests is red: exit status 1" in answer.err
    git(project, "rm", "--quiet", "branch1/broken", cwd=place)
    git(project, "commit", "--quiet", "-m", "mended", cwd=place)
    assert git(project, "push", str(remote), "HEAD:work/i3d", cwd=place, env=index).code == 0
