"""Beside the hooks and hook managers of others: nothing of theirs changes, and all of it comes back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hooked import MODEL, commit, git, hook, install, stage, uninstall, with_plan
from tests.support.project import COMMAND, Project

HUSKY_H = """\
#!/usr/bin/env sh
n=$(basename "$0")
s=$(dirname "$(dirname "$0")")/$n
[ ! -f "$s" ] && exit 0
sh -e "$s" "$@"
"""


def hooks_of(project: Project, folder: str = ".git/hooks") -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.lstat().st_mode, path.read_bytes())
        for path in (project.root / folder).iterdir()
        if not path.name.endswith(".sample")
    }


def standing(project: Project) -> dict[str, str]:
    found = project.ok("hooks", "status", "--json").json["hooks"]
    return {one["hook"]: one["standing"] for one in found}


@pytest.fixture(name="branch")
def branch_fixture(project: Project) -> Project:
    with_plan(project)
    git(project, "checkout", "--quiet", "-b", "work/i3d")
    return project


def is_guarded(project: Project) -> bool:
    refused = commit(project, branch1_s_m__py="# fake magvit\n").code == 1
    stage(project, branch1_s_m__py=MODEL)
    return refused and git(project, "commit", "--quiet", "--allow-empty", "-m", "honest").code == 0


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\nexit 0\n",
        "#!/usr/bin/env python3\nimport sys\nsys.exit(0)\n",
        "exit 0",
        "#!/bin/sh\r\n:\n",
    ],
)
def test_uninstall_puts_back_byte_for_byte_what_was_there(branch: Project, text: str) -> None:
    path = hook(branch, "pre-commit", text)
    path.write_bytes(text.encode())
    path.chmod(0o751)
    before = hooks_of(branch)
    install(branch)
    install(branch)
    assert standing(branch) == {"pre-commit": "installed", "pre-push": "installed"}
    (branch.root / ".git/hooks/pre-push").chmod(0o644)
    assert standing(branch)["pre-push"] == "idle"
    uninstall(branch)
    assert hooks_of(branch) == before
    uninstall(branch)
    assert hooks_of(branch) == before


def test_a_linked_hook_stays_a_link_and_one_that_is_switched_off_stays_off(branch: Project) -> None:
    script = branch.root / "check.sh"
    script.write_text("#!/bin/sh\necho linked >> log\n")
    script.chmod(0o755)
    link = branch.root / ".git/hooks/pre-commit"
    link.symlink_to("../../check.sh")
    off = hook(branch, "pre-push", "#!/bin/sh\nexit 1\n")
    off.chmod(0o644)
    install(branch)
    assert is_guarded(branch) and (branch.root / "log").read_text() == "linked\n" * 2
    subprocess.run(["git", "init", "--quiet", "--bare", str(branch.folder / "remote")], check=True)
    assert git(branch, "push", str(branch.folder / "remote"), "main").code == 0
    branch.ok("hooks", "uninstall")
    assert link.is_symlink() and str(link.readlink()) == "../../check.sh"
    assert off.stat().st_mode & 0o777 == 0o644


def test_a_repository_without_a_hooks_folder_gets_one(branch: Project) -> None:
    for path in (branch.root / ".git/hooks").iterdir():
        path.unlink()
    (branch.root / ".git/hooks").rmdir()
    install(branch)
    assert is_guarded(branch)


def test_husky_runs_its_own_hooks_under_their_own_names(branch: Project) -> None:
    hook(branch, "pre-commit", '#!/usr/bin/env sh\n. "$(dirname "$0")/h"', ".husky/_")
    hook(branch, "h", HUSKY_H, ".husky/_")
    (branch.root / ".husky/_/.gitignore").write_text("*\n")
    hook(branch, "pre-commit", "echo husky >> log\n", ".husky")
    git(branch, "config", "core.hooksPath", ".husky/_")
    before = hooks_of(branch, ".husky/_")
    install(branch)
    assert is_guarded(branch) and (branch.root / "log").read_text() == "husky\n" * 2
    assert git(branch, "config", "core.hooksPath").out == ".husky/_\n"
    uninstall(branch)
    assert hooks_of(branch, ".husky/_") == before


def test_pre_commit_may_be_installed_before_and_after(branch: Project) -> None:
    (branch.root / ".git/info/exclude").write_text("log\n.pre-commit-config.yaml\n")
    (branch.root / ".pre-commit-config.yaml").write_text(
        "repos:\n- repo: local\n  hooks:\n"
        "  - {id: told, name: told, language: system, entry: sh -c 'echo told >> log', always_run: true,"
        " pass_filenames: false}\n"
    )
    manager = ["pre-commit", "install"]
    env = {**branch.env, "PATH": f"{Path(sys.executable).parent}:{branch.env['PATH']}"}
    subprocess.run(manager, cwd=branch.root, env=env, check=True, capture_output=True)
    install(branch)
    assert is_guarded(branch) and (branch.root / "log").read_text() == "told\n" * 2
    # It takes what it finds for a hook of before, and runs that first: ours, which must not run it again.
    subprocess.run(manager, cwd=branch.root, env=env, check=True, capture_output=True)
    (branch.root / "log").unlink()
    assert is_guarded(branch) and (branch.root / "log").read_text() == "told\n" * 2
    uninstall(branch)
    assert {name for name in hooks_of(branch) if name.startswith("pre-commit")} == {"pre-commit"}


def test_lefthook_that_renames_a_hook_is_told_of_and_loses_nothing(branch: Project) -> None:
    mine = hook(branch, "pre-commit", "#!/bin/sh\nexit 0\n").read_bytes()
    install(branch)
    folder = branch.root / ".git/hooks"
    (folder / "pre-commit").rename(folder / "pre-commit.old")
    hook(branch, "pre-commit", "#!/bin/sh\n# LEFTHOOK\nexit 0\n")
    assert standing(branch)["pre-commit"] == "displaced"
    answer = branch.run("hooks", "install")
    assert answer.code == 1 and "replaced our hook" in answer.err
    uninstall(branch)
    assert (folder / "pre-commit").read_text() == "#!/bin/sh\n# LEFTHOOK\nexit 0\n"
    assert (folder / "pre-commit.before-orchestrator").read_bytes() == mine


@pytest.mark.parametrize("kind", ["committed", "outside"])
def test_a_folder_that_others_use_too_is_refused_with_what_to_add(branch: Project, kind: str) -> None:
    place = branch.root / ".githooks" if kind == "committed" else branch.folder / "shared hooks"
    place.mkdir()
    (place / "pre-commit").write_text("#!/bin/sh\nexit 0\n")
    git(branch, "config", "core.hooksPath", ".githooks" if kind == "committed" else str(place))
    stage(branch, branch1_s_m__py=MODEL)
    git(branch, "add", "-A")
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    answer = branch.run("hooks", "install")
    assert answer.code == 1
    assert f"core.hooksPath is {'.githooks' if kind == 'committed' else place}" in answer.err
    assert (
        f"{place}/pre-commit: if command -v orchestrator >/dev/null; then orchestrator hooks run"
        in answer.err
    )
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert "pre-commit.before-orchestrator" not in hooks_of(branch)


def test_a_line_added_by_hand_does_the_same(branch: Project) -> None:
    answer = branch.run("hooks", "run", "pre-commit", "--")
    assert answer.code == 0
    stage(branch, branch1_s_m__py="# fake magvit\n")
    assert branch.run("hooks", "run", "pre-commit", "--").code == 20


def test_linked_worktrees_share_the_hooks_wherever_they_were_installed(branch: Project) -> None:
    place = branch.worktree("free")
    git(branch, "worktree", "add", "--quiet", "-b", "work/free", str(place), "main")
    done = subprocess.run(
        [*COMMAND, "hooks", "install"],
        cwd=place, env=branch.env, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "installed" in done.stdout
    assert is_guarded(branch)
    branch.ok("hooks", "uninstall")
    assert standing(branch) == {"pre-commit": "absent", "pre-push": "absent"}
