"""Real commits with our hook installed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.hooked import MODEL, commit, git, hook, install, stage, with_plan
from tests.support.project import Project


@pytest.fixture(name="hooked")
def hooked_fixture(project: Project) -> Project:
    """On the branch of i3d, with our hooks."""
    with_plan(project)
    install(project)
    git(project, "checkout", "--quiet", "-b", "work/i3d")
    return project


def test_a_forbidden_pattern_is_refused_with_its_place_and_the_way_around(hooked: Project) -> None:
    answer = commit(hooked, branch1_s_m__py=f"{MODEL}x = 1  # fake magvit\n")
    assert answer.code == 1
    assert "branch1/m.py:4: the forbidden pattern '# fake magvit' of MAGVIT stands here" in answer.err
    assert "git commit --no-verify" in answer.err
    assert git(hooked, "commit", "--quiet", "--no-verify", "-m", "all the same").code == 0


def test_what_stood_there_before_and_what_only_moved_is_not_added(hooked: Project) -> None:
    stage(hooked, branch1_s_old__py=f"{MODEL}# fake magvit\n")
    git(hooked, "commit", "--quiet", "--no-verify", "-m", "old")
    git(hooked, "mv", "branch1/old.py", "branch1/new.py")
    (hooked.root / "branch1/new.py").write_text(f"{MODEL}# fake magvit\ny = 2\n")
    assert git(hooked, "commit", "--quiet", "-am", "one line more").code == 0


def test_tests_prose_and_reasoned_exceptions_may_hold_a_pattern(hooked: Project) -> None:
    answer = commit(
        hooked,
        branch1_s_tests_s_test_m__py="class SimplifiedModel: ...\n",
        branch1_s_notes__md="no `class Simplified` here\n",
        branch1_s_n__py="# orchestrator: allow components/forbidden-pattern because the paper names it so\n"
        "class SimplifiedAttention:\n    pass\n",
    )
    assert answer.code == 0, answer.err


def test_a_file_that_git_shows_no_lines_of_is_judged(hooked: Project) -> None:
    stage(hooked, branch1_s___gitattributes="*.py binary\n")
    hidden = commit(hooked, **{'branch1_s_a"b\t__py': f"{MODEL}# fake magvit\n"})
    assert hidden.code == 1 and 'branch1/a"b\t.py:4: the forbidden pattern' in hidden.err
    shown = commit(hooked, branch1_s___gitattributes="")
    assert shown.code == 1 and 'branch1/a"b\t.py:4: the forbidden pattern' in shown.err


def test_a_file_outside_the_branchs_own_paths_is_refused_and_its_fragment_is_not(hooked: Project) -> None:
    answer = commit(hooked, a__txt="other\n", changelog__d_s_i3d__md="- ours\n")
    assert answer.code == 1 and "a.txt: is outside the branch's own paths (branch1/)" in answer.err
    assert "changelog.d" not in answer.err


def test_commit_all_and_commit_of_one_file_are_judged_by_their_own_index(hooked: Project) -> None:
    assert commit(hooked, branch1_s_m__py=MODEL, branch1_s_n__py="n = 1\n").code == 0
    (hooked.root / "branch1/m.py").write_text(f"{MODEL}# fake magvit\n")
    (hooked.root / "branch1/n.py").write_text("n = 2\n")
    assert git(hooked, "commit", "--quiet", "-m", "only n", "branch1/n.py").code == 0
    assert git(hooked, "commit", "--quiet", "-a", "-m", "all").code == 1


def test_an_unplanned_branch_and_base_are_left_alone(hooked: Project) -> None:
    git(hooked, "checkout", "--quiet", "-b", "somebody/else")
    answer = commit(hooked, x__py="# fake magvit\n")
    assert (answer.code, answer.err) == (0, "")
    git(hooked, "checkout", "--quiet", "main")
    assert commit(hooked, y__py="# fake magvit\n").code == 0


def test_only_planned_refuses_other_branches_but_base_and_integration(hooked: Project) -> None:
    install(hooked, only_planned=True)
    for branch, wanted in (("somebody/else", 1), ("integration/wave3", 0), ("work/free", 0)):
        git(hooked, "checkout", "--quiet", "-b", branch)
        answer = commit(hooked, **{f"{branch.partition('/')[0]}__txt": branch})
        assert answer.code == wanted, answer.err
        assert wanted == 0 or "somebody/else is not in" in answer.err
    git(hooked, "checkout", "--quiet", "main")
    assert git(hooked, "commit", "--quiet", "--allow-empty", "-m", "on base").code == 0


def test_merging_base_into_the_branch_after_a_conflict_is_not_leaving_its_paths(hooked: Project) -> None:
    assert commit(hooked, branch1_s_m__py=MODEL).code == 0
    git(hooked, "checkout", "--quiet", "main")
    stage(hooked, branch1_s_m__py="class MAGVIT: ...\n", elsewhere__txt="x\n")
    git(hooked, "commit", "--quiet", "-m", "on base")
    git(hooked, "checkout", "--quiet", "work/i3d")
    assert git(hooked, "merge", "main").code == 1
    stage(hooked, branch1_s_m__py=MODEL)
    answer = git(hooked, "commit", "--quiet", "--no-edit")
    assert answer.code == 0, answer.err


def test_a_worktree_of_a_workstream_keeps_to_its_branch(hooked: Project) -> None:
    git(hooked, "checkout", "--quiet", "main")
    place = hooked.worktree("i3d")
    git(hooked, "worktree", "add", "--quiet", str(place), "work/i3d")
    assert commit(hooked, place, branch1_s_m__py=f"{MODEL}# fake magvit\n").code == 1
    assert commit(hooked, place, branch1_s_m__py=MODEL).code == 0
    git(hooked, "checkout", "--quiet", "-b", "work/mine", cwd=place)
    answer = commit(hooked, place, branch1_s_n__py="n = 1\n")
    assert answer.code == 1
    assert "this is the worktree of i3d, whose branch is work/i3d; work/mine is checked out" in answer.err


def test_the_description_of_base_counts_before_the_branchs_own(hooked: Project) -> None:
    git(hooked, "commit", "--quiet", "--allow-empty", "-m", "start")
    stage(hooked, __component_spec__yaml="MAGVIT:\n  required_classes: [MAGVIT]\n")
    git(hooked, "commit", "--quiet", "--no-verify", "-m", "bent")
    assert commit(hooked, branch1_s_m__py="# fake magvit\n").code == 1


def test_without_a_plan_the_branch_specifications_say_what_is_forbidden(hooked: Project) -> None:
    git(hooked, "rm", "--quiet", "waves.yaml")
    stage(hooked, __branch_specifications__json=json.dumps({"work/i3d": {"components": ["MAGVIT"]}}))
    git(hooked, "commit", "--quiet", "--no-verify", "-m", "no plan")
    assert commit(hooked, branch1_s_m__py="# fake magvit\n").code == 1
    assert commit(hooked, branch1_s_m__py=MODEL).code == 0


def test_a_plan_that_cannot_be_read_stops_nobody(hooked: Project) -> None:
    hooked.plan("version: 7\n")
    answer = commit(hooked, branch1_s_m__py=MODEL)
    assert answer.code == 0 and "waves.yaml cannot be used" in answer.err


def test_a_changed_plan_or_description_is_seen_at_once(hooked: Project) -> None:
    assert commit(hooked, branch1_s_m__py=MODEL).code == 0
    (hooked.root / "waves.yaml").write_text(
        (hooked.root / "waves.yaml").read_text().replace("[branch1/]", "[b1/]")
    )
    assert commit(hooked, branch1_s_n__py="n = 1\n").code == 1


def test_a_program_with_a_window_has_no_terminal_and_a_short_path(hooked: Project) -> None:
    env = {"HOME": hooked.env["HOME"], "PATH": "/usr/bin:/bin"}
    stage(hooked, branch1_s_m__py="# fake magvit\n")
    answer = git(hooked, "commit", "--quiet", "-m", "x", env=env)
    assert answer.code == 1 and "the forbidden pattern" in answer.err


def test_a_program_that_is_gone_is_said_and_stops_nobody(hooked: Project) -> None:
    path = hooked.root / ".git/hooks/pre-commit"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join("root=/nowhere\n" if line.startswith("root=") else line for line in lines))
    answer = commit(hooked, branch1_s_m__py="# fake magvit\n")
    assert answer.code == 0
    assert "its pre-commit hook checked nothing: the program is gone" in answer.err


def test_a_program_that_breaks_is_said_and_stops_nobody(hooked: Project, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "orchestrator"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('half installed')\n")
    (broken / "__main__.py").touch()
    path = hooked.root / ".git/hooks/pre-commit"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join(f"root={broken.parent}\n" if line.startswith("root=") else line for line in lines)
    )
    answer = commit(hooked, branch1_s_m__py="# fake magvit\n")
    assert answer.code == 0 and "checked nothing: it failed with status 1" in answer.err


def test_nothing_of_the_repository_is_imported(hooked: Project) -> None:
    for name in ("orchestrator", "json", "git", "typer"):
        (hooked.root / f"{name}.py").write_text("raise SystemExit(0)\n")
    answer = commit(hooked, branch1_s_m__py="# fake magvit\n")
    assert answer.code == 1 and "the forbidden pattern" in answer.err


def test_the_hooks_that_were_there_run_first_and_can_refuse(project: Project) -> None:
    with_plan(project)
    hook(project, "pre-commit", '#!/bin/sh\necho "earlier $0 $#" >> log\nexit ${EARLIER:-0}\n')
    install(project)
    git(project, "checkout", "--quiet", "-b", "work/i3d")
    stage(project, branch1_s_m__py="# fake magvit\n")
    assert git(project, "commit", "-m", "x", env={**project.env, "EARLIER": "7"}).code == 1
    assert "orchestrator" not in git(project, "commit", "-m", "x", env={**project.env, "EARLIER": "7"}).err
    assert git(project, "commit", "-m", "x").code == 1
    assert (project.root / "log").read_text().splitlines() == ["earlier .git/hooks/pre-commit 0"] * 3
    assert not os.environ.get("ORCHESTRATOR_IN_HOOK")
