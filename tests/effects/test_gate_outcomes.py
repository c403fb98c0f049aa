"""Green, red, and no verdict at all: what each does, what is kept of it and how often it is run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.agent.outside import fault_outside
from orchestrator.core import facts as f
from orchestrator.core.gating import Tips
from orchestrator.core.plan import LOCAL
from orchestrator.gates import (
    GateSession,
    GateVerdict,
    Outcome,
    green_gates,
    run_wave_gates,
    run_workstream_gates,
)
from orchestrator.supervise.records import ExitRecord
from tests.support.eventually import eventually
from tests.support.landing import Desk, Scene, check, gate, merge, scene_fixture, workstream

__all__ = ["scene_fixture"]


def run(scene: Scene, desk: Desk, **options: bool) -> GateVerdict:
    (verdict,) = run_workstream_gates(desk, desk.plan.workstream("a"), scene.tip("p/a"), **options)
    return verdict


def counted(scene: Scene, then: str) -> tuple[str, Path]:
    """A command that leaves a line for each run, whose number is in $n; and where."""
    runs = scene.root.parent / "runs"
    runs.touch()
    return f"echo run >> '{runs}'; n=$(wc -l < '{runs}'); {then}", runs


# --- no verdict -------------------------------------------------------------------------------------


def record(**fields: object) -> ExitRecord:
    given = {"exit_code": None, "signal": None, "cause": "signal", **fields}
    return ExitRecord(launch="", attempt=1, stage="", ended=0.0, elapsed_s=0.0, leftovers=0, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (None, "did not start"),
        (record(signal="SIGKILL"), "killed by SIGKILL"),
        (record(signal="SIGTERM"), "killed by SIGTERM"),
        (record(exit_code=137, cause="exited"), "137"),
        (record(cause="supervisor-lost"), "supervisor was killed"),
        (record(cause="rebooted"), "started anew"),
        (record(cause="stopped", signal="SIGTERM"), "stopped from outside"),
        (record(signal="SIGSEGV"), None),
        (record(signal="SIGABRT"), None),
        (record(cause="timeout", signal="SIGKILL"), None),
        (record(exit_code=1, cause="exited"), None),
        (record(exit_code=0, cause="exited"), None),
    ],
)
def test_what_a_run_did_not_earn(tmp_path: Path, ended: ExitRecord | None, reason: str | None) -> None:
    found = fault_outside(ended, [tmp_path])
    assert found is None if reason is None else reason in (found or "")


def test_a_failure_on_a_full_disk_is_not_held_against_the_command(tmp_path: Path) -> None:
    everything = 2**80
    failed, passed = record(exit_code=1, cause="exited"), record(exit_code=0, cause="exited")
    assert f"the disk of {tmp_path} is full" in (
        fault_outside(failed, [tmp_path], full_below_bytes=everything) or ""
    )
    assert fault_outside(passed, [tmp_path], full_below_bytes=everything) is None


def test_a_killed_run_is_repeated_within_its_budget_and_recorded(scene: Scene) -> None:
    command, runs = counted(scene, "test $n -ge 3 || kill -9 $$")
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a", gate("tests", command, retries=4)))
    verdict = run(scene, desk)
    assert (verdict.outcome, verdict.ok, verdict.attempts) == (Outcome.GREEN, True, 3)
    assert [(fact.attempt, fact.reason) for fact in desk.of_kind(f.GateRetried)] == [
        (1, "it was killed by SIGKILL"),
        (2, "it was killed by SIGKILL"),
    ]
    assert desk.of_kind(f.GateFinished)[0].attempts == 3
    assert desk.said[0] == "tests of a: no verdict: it was killed by SIGKILL (run 1 of 5); once more"
    assert run(scene, desk).cached
    assert runs.read_text() == "run\n" * 3


def test_without_retries_left_there_is_no_verdict_and_nothing_is_kept(scene: Scene) -> None:
    command, runs = counted(scene, "kill -9 $$")
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a", gate("tests", command, retries=1)))
    verdict = run(scene, desk)
    assert (verdict.outcome, verdict.ok, verdict.attempts) == (Outcome.INFRASTRUCTURE, False, 2)
    assert verdict.words() == "tests of a: no verdict (0 s, run 2 times): it was killed by SIGKILL"
    assert not list((desk.home.state.gates / "results").rglob("*.json"))
    run(scene, desk)
    assert runs.read_text() == "run\n" * 4


def test_a_red_is_never_repeated(scene: Scene) -> None:
    command, runs = counted(scene, "exit 1")
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a", gate("tests", command, retries=5)))
    assert run(scene, desk).outcome is Outcome.RED
    assert runs.read_text() == "run\n"


def test_a_killed_set_up_is_no_verdict_and_is_repeated(scene: Scene) -> None:
    command, runs = counted(scene, "test $n -ge 2 || kill -9 $$")
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a", gate("tests", "true", retries=1), setup=command))
    assert (run(scene, desk).outcome, runs.read_text()) == (Outcome.GREEN, "run\n" * 2)
    desk = scene.desk(workstream("a", gate("other", "true"), setup="kill -9 $$"))
    verdict = run(scene, desk)
    assert verdict.outcome is Outcome.INFRASTRUCTURE
    assert verdict.why == "not run: of the set-up, it was killed by SIGKILL"


def kill_agent(desk: Desk) -> None:
    os.kill(desk.site(LOCAL).link.facts.pid, signal.SIGKILL)


def kill_supervisor(desk: Desk) -> None:
    about = json.loads((desk.home.state.gates / "a" / "run" / "supervisor.json").read_text())
    os.kill(about["pid"], signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_agent, kill_supervisor])
@pytest.mark.parametrize("retries", [0, 1])
def test_a_kill_in_the_middle_of_a_gate(scene: Scene, kill: Callable[[Desk], None], retries: int) -> None:
    command, runs = counted(scene, "test $n -gt 1 || exec sleep 60")
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a", gate("tests", command, retries=retries)))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run, scene, desk)
        eventually(lambda: runs.read_text(), message="the gate runs")
        kill(desk)
        verdict = asked.result(timeout=30)
    assert verdict.outcome is (Outcome.GREEN if retries else Outcome.INFRASTRUCTURE)
    assert verdict.attempts == 1 + retries
    reason = "lost the agent on local" if kill is kill_agent else "its supervisor was killed"
    assert [fact.reason[: len(reason)] for fact in desk.of_kind(f.GateRetried)] == [reason] * retries
    assert verdict.why.startswith(reason if not retries else "")
    assert bool(green_gates(desk.home, desk.plan, {"a": verdict.commit})) is bool(retries)
    again = run(scene, desk)
    assert (again.outcome, again.cached) == (Outcome.GREEN, bool(retries))
    assert runs.read_text() == "run\n" * 2


def test_no_verdict_keeps_the_wave_from_landing_and_is_not_called_red(scene: Scene) -> None:
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a", gate("tests", "kill -9 $$")))
    report = merge(desk)
    assert not report.ok
    assert report.reasons[0].startswith("a: tests has no verdict: it was killed by SIGKILL; see /")
    assert "red" not in " ".join((*report.reasons, *desk.said))


# --- warnings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["exit 1", "kill -9 $$"])
def test_a_gate_that_only_warns_is_told_and_holds_nothing_back(scene: Scene, ends: str) -> None:
    scene.work("a", {"a": "1"})
    lint, style = (gate(name, ends, severity="warn") for name in ("lint", "style"))
    desk = scene.desk(workstream("a", lint), waves={1: {"gates": (style,)}})
    verdict = run(scene, desk)
    assert verdict.ok and not verdict.is_green
    assert "only a warning" in verdict.words()
    tip = scene.tip("p/a")
    tips = Tips(commits={"a": tip}, green=green_gates(desk.home, desk.plan, {"a": tip}))
    assert tips.is_green(desk.plan.workstream("a"))
    assert [g.name for g in tips.open_gates(desk.plan.workstream("a"))] == ["lint"]
    report = merge(desk)
    assert report.ok, report.reasons
    assert [v.outcome for v in report.gates] == [verdict.outcome] * 2
    assert "style of wave 1: green" not in scene.repo.git("cat-file", "-p", "p/wave1")


# --- a change is a proposal -------------------------------------------------------------------------


def test_what_a_gate_changes_is_a_patch_that_applies(scene: Scene) -> None:
    scene.work("a", {"a.txt": "one\n", "data.bin": "\x00\x01", "gone": "1\n"})
    change = "echo two >> a.txt; printf '\\002\\000' > data.bin; rm gone; echo new > new; git add new"
    desk = scene.desk(workstream("a", gate("format", f"{change}; chmod +x a.txt")))
    verdict = run(scene, desk)
    assert verdict.outcome is Outcome.RED
    assert verdict.proposal is not None and f"git apply '{verdict.proposal}'" in verdict.message
    assert verdict.document()["proposal"] == verdict.proposal
    tree = scene.worktrees / "a"
    subprocess.run(["git", "apply", verdict.proposal], cwd=tree, check=True)
    assert (tree / "a.txt").read_text() == "one\ntwo\n" and os.access(tree / "a.txt", os.X_OK)
    assert (tree / "data.bin").read_bytes() == b"\x02\x00"
    assert (tree / "new").read_text() == "new\n" and not (tree / "gone").exists()


def test_a_commit_made_by_a_gate_is_a_proposal_too(scene: Scene) -> None:
    scene.work("a", {"a.txt": "one\n"})
    desk = scene.desk(workstream("a", gate("format", "echo two >> a.txt; git commit -qam fixed")))
    verdict = run(scene, desk)
    assert verdict.proposal is not None and "+two" in Path(verdict.proposal).read_text()
    assert scene.repo.git("log", "-1", "--format=%s", "p/a") == "work of a"
    desk = scene.desk(workstream("a", gate("empty", "git commit -q --allow-empty -m x")))
    assert run(scene, desk).proposal is None


# --- reds and sessions ------------------------------------------------------------------------------


def test_a_red_is_known_within_its_session_only(scene: Scene) -> None:
    command, runs = counted(scene, "exit 1")
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a"), waves={1: {"gates": (gate("all", command),)}})

    def judged(session: GateSession | None, **options: bool) -> GateVerdict:
        wave, tip, base = desk.plan.workstream("a").wave, scene.tip("p/a"), scene.tip("main")
        return run_wave_gates(desk, wave, tip, base=base, session=session, **options)[0]

    session = GateSession()
    first, second = judged(session), judged(session)
    assert (first.cached, second.cached, second.outcome, second.why) == (False, True, Outcome.RED, first.why)
    assert runs.read_text() == "run\n"
    assert [judged(session, use_cache=False).cached, judged(GateSession()).cached, judged(None).cached] == [
        False
    ] * 3
    assert runs.read_text() == "run\n" * 4


def test_a_fresh_red_makes_the_kept_green_worth_nothing(scene: Scene) -> None:
    command, _ = counted(scene, "test $n -ne 2")
    scene.work("a", {"a": "1"})
    desk = scene.desk(workstream("a", gate("flaky", command)))
    assert [run(scene, desk).outcome, run(scene, desk, use_cache=False).outcome] == [
        Outcome.GREEN,
        Outcome.RED,
    ]
    again = run(scene, desk)
    assert (again.outcome, again.cached) == (Outcome.GREEN, False)


# --- scopes -----------------------------------------------------------------------------------------


def test_a_gate_of_scope_wave_is_left_to_the_wave(scene: Scene) -> None:
    command, runs = counted(scene, 'test -e a -a -e b -a -n "$ORCHESTRATOR_BASE"')
    merged = gate("merged", command, scope="wave")
    for name in "ab":
        scene.work(name, {name: "1"})
    desk = scene.desk(workstream("a", merged), workstream("b", merged))
    assert run_workstream_gates(desk, desk.plan.workstream("a"), scene.tip("p/a")) == ()
    tips = Tips(commits={"a": scene.tip("p/a")})
    assert tips.is_green(desk.plan.workstream("a"))
    report = check(desk)
    assert [(v.gate, v.workstream, v.outcome) for v in report.gates] == [("merged", None, Outcome.GREEN)]
    assert runs.read_text() == "run\n"


@pytest.mark.parametrize("scope", ["diff", "commits"])
def test_a_gate_that_looks_at_a_branch_is_told_where_it_begins(scene: Scene, scope: str) -> None:
    fork = scene.tip("main")
    scene.work("a", {"a": "1"})
    scene.repo.commit("base goes on", b__txt="1")
    desk = scene.desk(workstream("a", gate("size", f"test $ORCHESTRATOR_BASE = {fork}", scope=scope)))
    verdict = run(scene, desk)
    assert verdict.is_green, verdict.message
    desk = scene.desk(workstream("a", gate("tree", 'test -z "$ORCHESTRATOR_BASE"')))
    assert run(scene, desk).is_green


def test_a_candidate_that_equals_its_only_tip_is_not_tested_again(scene: Scene) -> None:
    command, runs = counted(scene, "true")
    scene.work("a", {"a": "1"})
    tests = gate("tests", command)
    desk = scene.desk(workstream("a", tests, env={"A": "1"}), waves={1: {"gates": (tests,)}})
    run(scene, desk)
    assert [verdict.cached for verdict in check(desk).gates] == [True, True]
    assert runs.read_text() == "run\n"
