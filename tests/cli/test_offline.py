"""Commands that need no daemon, and what the others say when there is none."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import Project

FIELDS = {
    "name", "wave", "host", "branch", "worktree", "session", "state", "stage", "attempt", "exit_code",
    "progress", "metrics", "heartbeat_age_s", "reason",
}  # fmt: skip


def test_status_is_built_from_the_plan(planned: Project) -> None:
    planned.git("branch", "work/i3d")
    document = planned.ok("status", "--json").json
    assert document["project"] == "demo"
    assert document["daemon"] == {"running": False, "pid": None, "held": ""}
    assert [host["name"] for host in document["hosts"]] == ["local"]
    assert [w["name"] for w in document["workstreams"]] == ["shared", "i3d", "slowfast"]
    assert all(w.keys() >= FIELDS for w in document["workstreams"])
    assert [w["tip"] for w in document["workstreams"]] == [None, planned.git("rev-parse", "HEAD"), None]
    assert [(w["wave"], w["state"]) for w in document["waves"]] == [(1, "open"), (2, "open")]


def test_the_plan_is_kept_for_status_until_it_changes(planned: Project) -> None:
    planned.state.mkdir()
    kept = planned.state / "plan.pickle"
    first = planned.ok("status", "--json").json
    written = kept.read_bytes()
    assert planned.ok("status", "--json").json == first
    assert kept.read_bytes() == written
    plan = planned.root / "waves.yaml"
    plan.write_text(plan.read_text().replace("slowfast", "slowslow"))
    assert [w["name"] for w in planned.ok("status", "--json").json["workstreams"]][-1] == "slowslow"
    assert kept.read_bytes() != written
    plan.write_text(plan.read_text().replace("version: 1", "version: 7"))
    assert planned.run("status").code == 2


def test_a_kept_plan_that_is_none_is_read_again(planned: Project, tmp_path: Path) -> None:
    planned.state.mkdir()
    kept = planned.state / "plan.pickle"
    first = planned.ok("status", "--json").json
    key = kept.read_bytes()[:32]
    for content in (b"", key, key + b"no pickle", key + pickle.dumps(_Hostile(tmp_path / "made"))):
        kept.write_bytes(content)
        assert planned.ok("status", "--json").json == first
    assert not (tmp_path / "made").exists()


@dataclass
class _Hostile:
    path: Path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_status_is_plain_in_a_pipe(planned: Project) -> None:
    out = planned.ok("status").out
    assert "\x1b" not in out
    header, first, *_ = out.splitlines()
    assert header.split()[:4] == ["NAME", "WAVE", "STATE", "STAGE"]
    assert header.index("WAVE") == first.index("1")
    assert "no daemon runs" in out


def test_status_of_some(planned: Project) -> None:
    streams = planned.ok("status", "s*", "--json").json["workstreams"]
    assert [w["name"] for w in streams] == ["shared", "slowfast"]


def test_waves_and_gates(planned: Project) -> None:
    assert [w["wave"] for w in planned.ok("wave", "list", "--json").json["waves"]] == [1, 2]
    assert "shared" in planned.ok("wave", "list").out
    shown = planned.ok("wave", "show", "2", "--json").json
    assert [w["name"] for w in shown["workstreams"]] == ["i3d", "slowfast"]
    assert "work/slowfast" in planned.ok("wave", "show", "2").out
    (gate,) = planned.ok("gate", "list", "--json").json["gates"]
    assert (gate["gate"], gate["run"], gate["workstreams"]) == ("tests", "true", ["slowfast"])
    assert "1m30s" in planned.ok("gate", "list").out


def test_nothing_happened_yet(planned: Project) -> None:
    assert planned.ok("events").out == ""
    assert planned.ok("logs", "i3d").out == ""
    assert planned.ok("down").out == "nothing runs, and no daemon\n"
    assert planned.ok("stop", "i3d").out == "nothing to stop: none runs\n"
    assert not (planned.state / "state.db").exists()
    assert planned.ok("peek", "i3d").out == "== i3d ==  (no session)\n\n"
    assert planned.ok("peek", "i3d", "--json").json["workstreams"][0]["exists"] is False


def test_waiting_for_what_cannot_come(planned: Project) -> None:
    answer = planned.run("wait", "i3d")
    assert answer.code == 3
    assert "i3d is waiting" in answer.err
    assert planned.ok("wait", "i3d", "--for", "waiting").out == "i3d: waiting\n"


def test_durations_are_the_plan_s(planned: Project) -> None:
    answer = planned.run("wait", "--timeout", "5")
    assert answer.code == 2
    assert "write 30s, 5m, 2h or 1d" in answer.err


def test_a_dry_run_says_what_would_start_and_changes_nothing(planned: Project) -> None:
    forecast = planned.ok("up", "--dry-run", "--json").json["workstreams"]
    assert [(one["name"], one["action"]) for one in forecast] == [
        ("shared", "start"),
        ("i3d", "wait"),
        ("slowfast", "wait"),
    ]
    assert "for wave 1 to land" in planned.ok("up", "--dry-run").out
    assert not planned.state.exists()
    assert planned.git("branch", "--list", "work/*") == ""


def test_exec_without_a_worktree(planned: Project) -> None:
    answer = planned.run("exec", "i3d", "--", "true")
    assert answer.code == 1
    assert "orchestrator up i3d" in answer.err


def test_attach_without_a_terminal(planned: Project) -> None:
    answer = planned.run("attach", "i3d")
    assert answer.code == 3
    assert "needs a terminal" in answer.err


def test_send_without_a_session(planned: Project) -> None:
    answer = planned.run("send", "i3d", "text")
    assert answer.code == 3
    assert "demo_i3d" in answer.err


def test_doctor_says_how_to_mend(planned: Project) -> None:
    found = planned.run("doctor", "--json").json
    assert {"git", "tmux", "disk"} <= {one["subject"] for one in found["findings"]}
    assert all(one["mend"] for one in found["findings"] if one["severity"] != "ok")
