"""`paths`: what a branch touches beyond its own paths, on real commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.checks.finding import Subject
from orchestrator.checks.paths import covers, findings
from orchestrator.git import Git
from tests.core.plans import workstream
from tests.support.repository import pin, repository_at


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("src/", "src/a.py", True),
        ("src", "src/deep/a.py", True),
        ("src/a.py", "src/a.py", True),
        ("src/", "srcs/a.py", False),
        ("src/a.py", "src/a.pyc", False),
        ("*.md", "docs/a.md", True),
        ("docs/*.md", "src/a.md", False),
    ],
)
def test_what_a_pattern_covers(pattern: str, path: str, covered: bool) -> None:
    assert covers(pattern, path) is covered


def test_a_branch_is_held_to_its_own_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "repo") as repository:
        base = repository.git("rev-parse", "HEAD")
        files = {"own_s_new__py": "1\n", "elsewhere__py": "2\n"}
        fragments = {"changelog__d_s_a__md": "mine\n", "changelog__d_s_b__md": "not mine\n"}
        tip = repository.branch("w/a", **files, **fragments)
        repository.git("mv", "a.txt", "moved.txt")
        repository.commit("base moved on")
        git = Git(repository.path)
        subject = Subject(
            git=git,
            gate="paths",
            workstream=workstream("a", paths=("own/",)),
            base=repository.git("rev-parse", "HEAD"),
            commit=tip,
            settings={},
        )
        assert base != subject.base
        assert [(f.path, f.rule) for f in findings(subject)] == [
            ("changelog.d/b.md", "outside"),
            ("elsewhere.py", "outside"),
        ]
