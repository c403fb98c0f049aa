"""`verify`, `complete` and the scripts, on honest branches and fakes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.hooked import git
from tests.support.project import Answer, Project

ROOT = Path(__file__).parents[2]
SPEC = """\
I3D:
  required_classes: [I3D]
  required_methods: {I3D: [forward]}
  forbidden_patterns: ["# fake"]
"""
CLAIMS = {
    "branch1/a": {"components": ["I3D"], "description": "the first"},
    "branch2/b": {"components": ["I3D"], "description": "the second"},
}
PLAN = """\
version: 1
project: demo
base: main
gates:
  tests: {run: "sh tests.sh"}
waves:
  1:
    goal: two variants
    workstreams:
      a: {branch: branch1/a, run: "true", components: [I3D], gates: [tests]}
      b: {branch: branch2/b, run: "true", components: [I3D], gates: [tests]}
"""


def work(number: int, **more: str) -> dict[str, str]:
    """The files of an honest branch."""
    model = f"class I3D:\n    def forward(self, x):\n        return [v * {number} for v in x]\n"
    metrics = json.dumps({"acc": 0.9 + number / 100})
    return {
        f"branch{number}/i3d.py": model,
        f"branch{number}/results/final_metrics.json": metrics,
        "tests.sh": f"test {number} -gt 0\n",
        **more,
    }


def branch(project: Project, name: str, files: dict[str, str], start: str = "main") -> None:
    git(project, "checkout", "--quiet", "-b", name, start)
    assert project.repository is not None
    project.repository.commit_files(f"work on {name}", files)
    git(project, "checkout", "--quiet", "main")


@pytest.fixture(name="listed")
def listed_fixture(project: Project) -> Project:
    """Two honest branches that the files require; there is no plan."""
    assert project.repository is not None
    files = {
        ".component_spec.yaml": SPEC,
        ".branch_specifications.json": json.dumps(CLAIMS),
        ".required_branches": "# the two\nbranch1/a\nbranch2/b\n",
    }
    project.repository.commit_files("what is required", files)
    branch(project, "branch1/a", work(1))
    branch(project, "branch2/b", work(2))
    return project


def script(project: Project, name: str, *arguments: str, cwd: Path | None = None, **env: str) -> Answer:
    """A script of ours in a repository elsewhere, with nothing of ours on any path."""
    known = {key: value for key, value in project.env.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(ROOT / "scripts" / name), *arguments],
        cwd=cwd or project.root,
        env={**known, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def enforce(project: Project, cwd: Path | None = None) -> tuple[int, str]:
    answer = script(project, "enforce_parallel_branches.sh", cwd=cwd)
    report = cwd or project.root
    return answer.code, (report / "BRANCH_ENFORCEMENT_REPORT.md").read_text()


def rules(document: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[list[str]]:
    return [[finding["rule"] for finding in one["findings"]] for one in document["branches"]]


def test_honest_branches_pass_and_the_report_says_so(listed: Project) -> None:
    (listed.root / "sub").mkdir()
    code = script(listed, "enforce_parallel_branches.sh", cwd=listed.root / "sub").code
    report = (listed.root / "BRANCH_ENFORCEMENT_REPORT.md").read_text()
    assert code == 0
    assert "**PASSED**: 2 of 2 required branches pass" in report
    assert "`branch2/b`" in report and "Their tests were not run." in report
    assert git(listed, "status", "--porcelain").out == "?? BRANCH_ENFORCEMENT_REPORT.md\n"


FAKES: dict[str, tuple[dict[str, str], str]] = {
    "a class only in a comment": (
        {"branch3/i3d.py": "# class I3D:\n"},
        "missing-class",
    ),
    "a method that is empty": (
        {"branch3/i3d.py": "class I3D:\n    def forward(self, x):\n        pass\n"},
        "stub-method",
    ),
    "a forbidden pattern": ({"branch3/i3d.py": work(3)["branch3/i3d.py"] + "# fake\n"}, "forbidden-pattern"),
    "a sibling's files elsewhere": (
        {f"branch3/{path.partition('/')[2]}": text for path, text in work(2).items() if "/" in path}
        | {"tests.sh": work(2)["tests.sh"]},
        "independence/identical",
    ),
    "no results": ({"branch3/i3d.py": work(3)["branch3/i3d.py"]}, "enforcement/no-results"),
    "an empty place for results": (
        {"branch3/i3d.py": work(3)["branch3/i3d.py"], "results/.gitkeep": ""},
        "enforcement/no-results",
    ),
}


@pytest.mark.parametrize("kind", FAKES)
def test_a_fake_fails_and_the_report_names_it(listed: Project, kind: str) -> None:
    files, rule = FAKES[kind]
    claims = {**CLAIMS, "branch3/c": {"components": ["I3D"], "description": ""}}
    (listed.root / ".branch_specifications.json").write_text(json.dumps(claims))
    (listed.root / ".required_branches").write_text("".join(f"{name}\n" for name in claims))
    branch(listed, "branch3/c", files)
    code = listed.run("verify", "--no-tests", "--report", "report.md").code
    report = (listed.root / "report.md").read_text()
    assert code == 1 and "**FAILED**" in report
    assert rule in report[report.index("## `branch3/c`") :]


def test_missing_undiverged_borrowed_and_unlisted_branches_fail(listed: Project) -> None:
    git(listed, "branch", "branch3/c")
    git(listed, "branch", "branch4/d", "branch1/a")
    (listed.root / ".required_branches").write_text(
        "".join(f"branch{n}\n" for n in ("1/a", "3/c", "4/d", "5/e"))
    )
    answer = listed.run("verify", "--no-tests", "--json")
    assert answer.code == 1
    found = answer.json
    assert found["planned"] is False and found["base"] == "main"
    identical, no_results = "independence/identical", "enforcement/no-results"
    by_branch = dict(zip((one["branch"] for one in found["branches"]), rules(found), strict=True))
    assert by_branch == {
        "branch1/a": [identical],
        "branch3/c": ["independence/not-diverged", no_results],
        "branch4/d": [identical],
        "branch5/e": ["enforcement/missing-branch"],
    }
    assert ".required_branches lacks branch2/b, which .branch_specifications.json has" in found["differences"]


def test_a_fresh_clone_has_the_branches_on_its_remotes_side(listed: Project) -> None:
    clone = listed.folder / "clone"
    git(listed, "clone", "--quiet", str(listed.root), str(clone))
    code, report = enforce(listed, cwd=clone)
    assert code == 0, report


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "neither .required_branches nor .branch_specifications.json names a branch"),
        ({".branch_specifications.json": "{"}, ".branch_specifications.json:1:2: no JSON"),
    ],
)
def test_the_report_is_written_where_nothing_can_be_verified(
    project: Project, files: Sequence[str], why: str
) -> None:
    for name, text in dict(files).items():
        (project.root / name).write_text(text)
    code, report = enforce(project)
    assert code == 1 and why in report
    assert project.run("verify").code == 2


def test_the_scripts_take_no_argument_and_need_a_repository(project: Project) -> None:
    assert script(project, "enforce_parallel_branches.sh", "--help").code == 1
    assert script(project, "enforce_parallel_branches.sh", cwd=project.folder).code == 1


def test_claims_are_verified_from_a_repository_elsewhere_by_any_python(listed: Project) -> None:
    answer = script(listed, "verify_component_claims.py", PATH="/usr/bin:/bin")
    assert answer.code == 0, answer


def test_make_runs_claims_structure_and_every_branchs_tests(listed: Project) -> None:
    branch(listed, "branch3/c", work(3, Makefile="test:\n\tsh broken.sh\n"))
    (listed.root / ".required_branches").write_text("branch1/a\nbranch3/c\n")
    (listed.root / ".branch_specifications.json").write_text(
        json.dumps(dict.fromkeys(("branch1/a", "branch3/c"), CLAIMS["branch1/a"]))
    )
    known = {key: value for key, value in listed.env.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        ["make", "--silent", "-f", str(ROOT / "Makefile"), "verify-parallel-dev"],
        cwd=listed.root, env=known, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and "verified: every claimed component is there" in done.stdout, done
    report = (listed.root / "BRANCH_ENFORCEMENT_REPORT.md").read_text()
    assert "1 of 2 required branches pass" in report and "gate tests is red" in report


@pytest.fixture(name="planned")
def planned_fixture(project: Project) -> Project:
    project.plan(PLAN)
    (project.root / ".component_spec.yaml").write_text(SPEC)
    git(project, "add", "-A")
    git(project, "commit", "--quiet", "-m", "plan")
    branch(project, "branch1/a", work(1))
    branch(project, "branch2/b", work(2))
    return project


def test_a_plan_says_what_is_required_and_how_it_is_tested(planned: Project) -> None:
    answer = planned.run("verify", "--report", "report.md", "--json")
    assert answer.code == 0, answer
    found = answer.json
    assert found["ok"] and found["planned"] and found["report"] == str(planned.root / "report.md")
    assert [[gate["gate"] for gate in one["gates"]] for one in found["branches"]] == [["tests"], ["tests"]]
    assert "**PASSED**" in (planned.root / "report.md").read_text()
    excused = (
        "# orchestrator: allow fake-name because the paper calls it so\nclass SimplifiedNet:\n    width = 3\n"
    )
    planned.plan(PLAN.replace("sh tests.sh", "exit 1").replace("gates: [", "gates: [redflags, "))
    git(planned, "checkout", "--quiet", "branch1/a")
    (planned.root / "branch1" / "paper.py").write_text(excused)
    git(planned, "add", "branch1")
    git(planned, "commit", "--quiet", "-m", "paper")
    git(planned, "checkout", "--quiet", "-")
    answer = planned.run("verify")
    assert "[redflags/fake-name]" in answer.out and "allowed: the paper calls it so" in answer.out
    assert answer.code == 1 and "0 of 2 required branches pass" in answer.out
    assert planned.run("verify", "--no-tests").code == 0


def test_files_that_differ_from_the_plan_are_told_and_can_be_written_from_it(planned: Project) -> None:
    claims = {"branch1/a": {"components": [], "description": "by hand"}, "branch9/x": {}}
    (planned.root / ".branch_specifications.json").write_text(json.dumps(claims))
    (planned.root / ".required_branches").write_text("branch1/a\n")
    answer = planned.run("verify", "--no-tests", "--json")
    assert answer.code == 1
    assert answer.json["differences"] == [
        ".required_branches lacks branch2/b, which the plan has",
        ".branch_specifications.json lacks branch2/b, which the plan has",
        ".branch_specifications.json has branch9/x, which the plan lacks",
        ".branch_specifications.json says that branch1/a claims nothing; the plan says I3D",
    ]
    written = planned.ok("verify", "--write-specs", "--json").json["written"]
    assert [Path(path).name for path in written] == [".required_branches", ".branch_specifications.json"]
    assert json.loads((planned.root / ".branch_specifications.json").read_text()) == {
        "branch1/a": {"components": ["I3D"], "description": "by hand"},
        "branch2/b": {"components": ["I3D"], "description": "b: two variants"},
    }
    assert planned.run("verify", "--no-tests").code == 0
    assert enforce(planned)[0] == 0


def test_complete_tells_every_box_and_exits_1_until_all_are_ticked(planned: Project) -> None:
    answer = planned.run("complete", "a", "--json")
    assert answer.code == 1
    (found,) = answer.json["branches"]
    assert (found["name"], found["complete"]) == ("a", False)
    open_ones = [box["box"] for box in found["boxes"] if box["asked"] and not box["ticked"]]
    assert open_ones == ["metrics, pictures, checkpoint", "reviewed by a person"]
    told = planned.run("complete")
    assert told.code == 1 and "orchestrator approve a" in told.out and "b: not complete" in told.out
    assert planned.run("complete", "nobody").code == 2
