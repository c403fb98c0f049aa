"""What our hook adds to a commit of twenty files, on a planned branch with paths and forbidden patterns."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial

from benchmarks.measuring import Figure, described, interleaved, median, seconds
from benchmarks.scene import scene
from tests.support.project import Project
from tests.support.repository import PINNED

_FILES, _CHANGED, _LINES = 400, 20, 200
_LIMIT_S = 0.5
_SPEC = 'Unit:\n  required_classes: [Unit]\n  forbidden_patterns: ["# fake unit", "class.*Simplified"]\n'
_UNIT = "w: {branch: p/w, paths: [part000/], components: [Unit], run: 'true'}"


def measure(runs: int) -> Iterator[Figure]:
    with scene(_FILES) as project:
        (project.root / ".component_spec.yaml").write_text(_SPEC, encoding="utf-8")
        project.workstreams(_UNIT)
        _git(project, "add", "-A")
        _git(project, "commit", "--quiet", "-m", "plan")
        _git(project, "checkout", "--quiet", "-b", "p/w")
        project.ok("hooks", "install")
        _stage(project)
        _git(project, "hook", "run", "pre-commit")  # what is kept of plan and description is there
        hooked, bare = interleaved(
            runs, partial(_commit_s, project), partial(_commit_s, project, "--no-verify")
        )
        what = f"git commit of {_CHANGED} files, hook and all ({described(hooked)}), against --no-verify"
        yield Figure(what=what, ours=median(hooked), unit="s", baseline=median(bare), limit=_LIMIT_S)


def _stage(project: Project) -> None:
    for number in range(_CHANGED):
        path = project.root / "part000" / f"module{number:05}.py"
        lines = (f"changed_{line} = {line}\n" for line in range(_LINES))
        path.write_text("".join(lines), encoding="utf-8")
    _git(project, "add", "-A")


def _commit_s(project: Project, *options: str) -> float:
    taken = seconds(lambda: _git(project, "commit", "--quiet", "-m", "work", *options))
    _git(project, "reset", "--quiet", "--soft", "HEAD~1")
    return taken


def _git(project: Project, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=project.root, env=project.env | PINNED, check=True)
