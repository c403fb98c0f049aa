"""What a verdict depends on: equal keys exactly where a fresh run could not come to something else."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.plan import LOCAL, Gate, HostName
from orchestrator.gates import Job, run_workstream_gates
from orchestrator.gates.keys import Key, key_of
from orchestrator.home import find_home
from orchestrator.wire import Toolchain
from tests.support.landing import Scene, gate, scene_fixture, workstream
from tests.support.repository import PINNED, Repository

__all__ = ["scene_fixture"]

Files = dict[str, str]

PATHS = (
    "src/a.py", "src/sub/b.py", "tests/t.py", "tests/data.txt", "docs/x.md", "srcs/c.py", "README",
    "constraints.txt", "requirements-dev.txt", "docs/constraints.txt",
)  # fmt: skip
INSIDE = ("src/a.py", "src/sub/b.py", "tests/t.py")
LOCKS = ("constraints.txt", "requirements-dev.txt")
TOOLS = Toolchain(node="n", system="Linux debian 12", machine="x86_64", python="/p: 3.11", git="/g: 2.39")
NARROW = Gate(name="g", run="true", inputs=("src/", "tests/*.py"))
WHOLE = Gate(name="g", run="true")

files = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["1", "2"]), min_size=1)


class Commits:
    """Commits of given files in one repository, by one git command each."""

    def __init__(self, folder: Path) -> None:
        self.repo = Repository(folder, "-b", "main")
        self.base = self.commit({"README": "0"}, "base")
        self.home = find_home(folder)

    def commit(self, content: Files, message: str = "m", parent: str | None = None) -> str:
        head = (
            f"commit refs/heads/work\ncommitter Ada <a@b> 1700000000 +0000\ndata {len(message)}\n{message}\n"
        )
        origin = f"from {parent}\n" if parent else ""
        body = "".join(f"M 100644 inline {path}\ndata {len(t)}\n{t}\n" for path, t in content.items())
        stream = f"reset refs/heads/work\n{head}{origin}deleteall\n{body}\n"
        subprocess.run(
            ["git", "fast-import", "--quiet", "--force"],
            input=stream.encode(),
            cwd=self.repo.path,
            check=True,
        )
        return self.repo.git("rev-parse", "refs/heads/work")

    def job(self, commit: str, **changes: Any) -> Job:
        tree = self.repo.git("rev-parse", f"{commit}^{{tree}}")
        job = Job(
            name="a", wave=1, workstream=None, host=LOCAL, commit=commit, tree=tree, base=self.base, gates=()
        )  # fmt: skip
        return replace(job, **changes)

    def key(self, content: Files, asked: Gate, **changes: Any) -> Key:
        return key_of(self.home, self.job(self.commit(content, parent=self.base), **changes), asked, TOOLS)


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commits]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PINNED.items():
            patch.setenv(name, value)
        yield Commits(tmp_path_factory.mktemp("keys"))


some = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@some
@given(before=files, after=files)
def test_keys_are_equal_exactly_where_what_counts_is(commits: Commits, before: Files, after: Files) -> None:
    def seen(content: Files) -> Files:
        return {path: text for path, text in content.items() if path in (*INSIDE, *LOCKS)}

    assert (commits.key(before, WHOLE) == commits.key(after, WHOLE)) == (before == after)
    assert (commits.key(before, NARROW) == commits.key(after, NARROW)) == (seen(before) == seen(after))


BEFORE = dict.fromkeys(PATHS, "1")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("text", ["2", None])
def test_an_edit_inside_changes_the_key_and_one_outside_does_not(
    commits: Commits, path: str, text: str | None
) -> None:
    after = {name: old for name, old in BEFORE.items() if name != path} | ({path: text} if text else {})
    same = commits.key(BEFORE, NARROW) == commits.key(after, NARROW)
    assert same == (path not in (*INSIDE, *LOCKS))


@pytest.mark.parametrize("patterns", [(".",), ("./src", "src/"), ("missing/",), ("*.py",), ("s[r]c",)])
def test_odd_inputs(commits: Commits, patterns: tuple[str, ...]) -> None:
    asked = replace(NARROW, inputs=patterns)
    without = {path: text for path, text in BEFORE.items() if path not in INSIDE}
    differs = commits.key(BEFORE, asked) != commits.key(without, asked)
    assert differs == (patterns != ("missing/",))
    assert commits.key(BEFORE, asked) == commits.key({**BEFORE, "docs/x.md": "2"}, asked) or patterns == (
        ".",
    )


CHANGES: dict[str, tuple[Gate, dict[str, Any]]] = {
    "command": (replace(WHOLE, run="true "), {}),
    "slash for space": (replace(WHOLE, run="x a/b"), {}),
    "space for slash": (replace(WHOLE, run="x a b"), {}),
    "scope": (replace(WHOLE, scope="diff"), {}),
    "gpu": (replace(WHOLE, gpu=1), {}),
    "inputs": (replace(WHOLE, inputs=("src",)), {}),
    "setup": (WHOLE, {"setup": "make venv"}),
    "env": (WHOLE, {"env": {"MODE": "1"}}),
    "host": (WHOLE, {"host": HostName("gpu")}),
    "copy": (WHOLE, {"copy": (".env",)}),
    "two copies": (WHOLE, {"copy": (".env", "a")}),
}


def test_no_two_definitions_share_a_key(commits: Commits) -> None:
    found = [commits.key(BEFORE, asked, **changes) for asked, changes in CHANGES.values()]
    keys = {commits.key(BEFORE, WHOLE), *found}
    assert len(keys) == len({key.path for key in keys}) == len(CHANGES) + 1


@pytest.mark.parametrize("field", ["node", "system", "machine", "python", "git"])
def test_another_toolchain_is_another_question(commits: Commits, field: str) -> None:
    job = commits.job(commits.base)
    other = replace(TOOLS, **{field: "other"})
    assert key_of(commits.home, job, WHOLE, TOOLS) != key_of(commits.home, job, WHOLE, other)


def test_what_is_copied_counts_by_its_content(commits: Commits) -> None:
    file = commits.repo.path / ".secret"
    found = []
    for text, mode in (("1", 0o600), ("2", 0o600), ("1", 0o600), ("1", 0o700)):
        file.write_text(text)
        file.chmod(mode)
        found.append(commits.key(BEFORE, WHOLE, copy=(".secret",)))
    assert found[0] == found[2]
    assert len(set(found)) == 3


def test_timeout_severity_and_retries_are_no_part_of_it(commits: Commits) -> None:
    other = replace(WHOLE, timeout_s=1.0, severity="warn", retries=3)
    assert commits.key(BEFORE, WHOLE) == commits.key(BEFORE, other)


def test_who_the_worker_is_counts_where_the_command_asks(commits: Commits) -> None:
    def key(run: str, name: str) -> Key:
        return commits.key(BEFORE, replace(WHOLE, run=run), env={"ORCHESTRATOR_WORKSTREAM": name})

    assert key("pytest", "a") == key("pytest", "b")
    assert key("echo $ORCHESTRATOR_WORKSTREAM", "a") != key("echo $ORCHESTRATOR_WORKSTREAM", "b")


@pytest.mark.parametrize(("scope", "differs"), [("tree", False), ("diff", False), ("commits", True)])
def test_a_rewritten_history_of_the_same_tree(commits: Commits, scope: str, differs: bool) -> None:
    asked = replace(WHOLE, scope=scope)
    one, other = (commits.commit(BEFORE, message, commits.base) for message in ("fix", "Fix it"))
    keys = [key_of(commits.home, commits.job(commit), asked, TOOLS) for commit in (one, other)]
    assert (keys[0] != keys[1]) is differs


@pytest.mark.parametrize(
    ("scope", "differs"), [("tree", False), ("diff", True), ("commits", True), ("wave", True)]
)
def test_another_fork_point(commits: Commits, scope: str, differs: bool) -> None:
    asked = replace(WHOLE, scope=scope)
    later = commits.commit({"README": "later"}, "later", commits.base)
    here, there = commits.commit(BEFORE, "m", commits.base), commits.commit(BEFORE, "m", later)
    jobs = [commits.job(here), replace(commits.job(there), base=later)]
    keys = [key_of(commits.home, job, asked, TOOLS) for job in jobs]
    assert (keys[0] != keys[1]) is differs
    moved = replace(jobs[0], base=later)  # base went on, the branch did not
    assert key_of(commits.home, moved, asked, TOOLS) == keys[0]


def test_a_check_depends_on_base_commit_and_what_the_plan_gives_the_branch(commits: Commits) -> None:
    def key(**changes: Any) -> Key:
        given = workstream("a", **changes.pop("given", {}))
        job = replace(commits.job(commits.base), **{"workstream": given, **changes})
        return key_of(commits.home, job, gate("paths", settings={}), None)

    keys = {key(), key(base="1" * 40), key(commit="1" * 40), key(given={"paths": ("src",)})}
    assert len(keys) == 4


def test_a_cached_verdict_is_what_a_fresh_run_comes_to(scene: Scene) -> None:
    """Random edits, inside and outside of what a gate declares; its answer is a function of that alone."""
    told = "cat src/*.txt constraints.txt 2>/dev/null | tr -d '\\n' | grep -qE '^(..)*$'"
    asked = gate("even", told, inputs=("src",))
    chance, outcomes, cached = random.Random(3), set(), 0
    scene.work("a", {"src/0.txt": "1"})
    desk = scene.desk(workstream("a", asked))
    for _ in range(7):
        path = chance.choice(["src/0.txt", "src/1.txt", "constraints.txt", "docs.txt", "other/src.txt"])
        tip = scene.work("a", {path: "x" * chance.choice([1, 2])})
        stream = desk.plan.workstream("a")
        known, fresh = (run_workstream_gates(desk, stream, tip, use_cache=use)[0] for use in (True, False))
        assert known.outcome is fresh.outcome
        outcomes.add(fresh.outcome)
        cached += known.cached
    assert len(outcomes) == 2
    assert cached >= 2
