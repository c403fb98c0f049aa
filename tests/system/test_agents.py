"""Coding agents by role: told what to do, their terminal for a beat, their questions noticed."""

from __future__ import annotations

from tests.support.eventually import eventually
from tests.support.project import Project

AGENT = """\
cat "$1"
printf 'tool allowed by %s\\n' "$ROLE"
printf 'Do you want to proceed? (y/n) '
read answer
echo "it goes on with $answer"
echo done > work.txt
git add work.txt
git commit -qm 'the work'
"""
HEAD = """\
agents:
  python-pro:
    run: sh ../agent.sh {brief}
    brief: docs/python-pro.md
    env: {ROLE: python-pro}
"""


def test_an_agent_gets_its_brief_is_heard_when_it_asks_and_goes_on_when_answered(project: Project) -> None:
    project.root.parent.joinpath("repo.worktrees").mkdir()
    (project.root.parent / "repo.worktrees" / "agent.sh").write_text(AGENT)
    (project.root / "docs").mkdir(exist_ok=True)
    (project.root / "docs" / "python-pro.md").write_text("You write Python, tests first.\n")
    project.workstreams(
        "a: {branch: w/a, agent: python-pro, brief: 'Write work.txt, no more.', paths: [work.txt]}",
        "b: {branch: w/b, agent: python-pro, brief: docs/none.md}",
        head=HEAD,
    )
    up = project.run("up")
    assert up.code == 1
    assert "there is no file docs/none.md" in up.err + up.out
    eventually(
        lambda: project.status("a")["reason"] == "waits for input: Do you want to proceed? (y/n)",
        25,
        "its question is noticed",
    )
    assert project.status("a")["stage"] == "agent"
    log = project.ok("logs", "a").out
    assert "You write Python, tests first." in log
    assert "Write work.txt, no more." in log
    assert "change only: work.txt" in log
    assert "tool allowed by python-pro" in log
    project.ok("send", "a", "yes")
    project.until("a", "done")
    assert "it goes on with yes" in project.ok("logs", "a").out
    assert project.git("show", "w/a:work.txt") == "done"
    assert [e["line"] for e in project.events("InputAwaited")] == ["Do you want to proceed? (y/n)"]


def test_an_agent_that_never_ends_is_done_when_somebody_says_so(project: Project) -> None:
    project.workstreams("a: {branch: w/a, agent: shell}", head="agents: {shell: {run: cat}}")
    project.ok("up")
    project.until("a", "running")
    project.ok("done", "a")
    assert project.state_of("a") == "done"
