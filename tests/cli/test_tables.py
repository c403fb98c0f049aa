from __future__ import annotations

import math
from pathlib import Path

import pytest

from orchestrator.cli.printing import aligned, one_line, width
from orchestrator.cli.sessions import attach_line
from orchestrator.cli.status_table import HEADER, duration, footer, rows
from orchestrator.core.plan import Plan
from orchestrator.plan_file import load_plan


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (60, "1m"),
        (200, "3m20s"),
        (7500, "2h5m"),
        (273600, "3d4h"),
        (math.inf, "-"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = aligned([("a", "b", "c"), ("日本", "\x1b[1mx\x1b[0m", "rest of the line")])
    assert lines == ["a     b  c", "日本  \x1b[1mx\x1b[0m  rest of the line"]
    assert width("e\u0301") == 1


def test_text_of_others_moves_no_cursor() -> None:
    assert one_line("a\x1b[2Jb\r\nc\t") == "a [2Jb  c"


def test_a_row_says_what_is_known() -> None:
    row = {
        "name": "i3d",
        "wave": 2,
        "state": "running",
        "stage": "full",
        "attempt": 2,
        "restarts": 1,
        "reason": "",
        "last_line": "epoch 3",
        "heartbeat_age_s": 4.2,
        "progress": {"step": 3, "total": 12, "unit": "epoch", "eta_s": 90, "message": ""},
        "metrics": {"loss": 0.123456, "acc": 1, "f1": 2, "auc": 3},
    }
    (cells,) = rows({"workstreams": [row]})
    assert dict(zip(HEADER, cells, strict=True)) == {
        "NAME": "i3d",
        "WAVE": "2",
        "STATE": "running",
        "STAGE": "full #2",
        "PROGRESS": "epoch 3/12 25%",
        "METRICS": "loss=0.1235 acc=1 f1=2 +1",
        "BEAT": "4s",
        "ETA": "1m30s",
        "RESTARTS": "1",
        "LAST OUTPUT": "epoch 3",
    }


@pytest.mark.parametrize(
    ("daemon", "said"),
    [
        ({"running": True, "pid": 1, "held": "no\nroom"}, ["goes on by itself: no room"]),
        ({"running": True, "pid": 1, "held": ""}, []),
        ({"running": True, "pid": 1}, []),  # of an earlier version
        ({"running": False, "pid": None, "held": ""}, ["orchestrator up"]),
    ],
)
def test_the_last_line_says_what_the_daemon_does(daemon: dict[str, object], said: list[str]) -> None:
    lines = footer({"daemon": daemon, "workstreams": [], "waves": [], "hosts": []})
    assert [line.endswith(end) for line, end in zip(lines[1:], said, strict=True)] == [True] * len(said)


def plan_with(tmp_path: Path, hosts: str = "", tmux: str = "", host: str = "local") -> Plan:
    path = tmp_path / "waves.yaml"
    path.write_text(
        f"version: 1\nproject: p\nbase: main\n{hosts}{tmux}"
        f"waves: {{1: {{workstreams: {{a: {{branch: w/a, run: x, host: {host}}}}}}}}}\n"
    )
    return load_plan(path)


def test_the_attach_line_is_quoted_for_every_shell(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, tmux="tmux: {socket: mine}\n")
    (workstream,) = plan.workstreams.values()
    assert attach_line(plan, workstream) == "tmux -L mine attach -t '=p_a'"


def test_the_attach_line_of_a_remote_session_goes_through_ssh(tmp_path: Path) -> None:
    hosts = "hosts: {gpu: {ssh: 'ubuntu@box:2222', identity: ~/keys/k}}\n"
    plan = plan_with(tmp_path, hosts=hosts, host="gpu")
    (workstream,) = plan.workstreams.values()
    line = attach_line(plan, workstream)
    assert line.startswith("ssh -t -p 2222 -i ")
    assert line.endswith("""ubuntu@box 'tmux attach -t '"'"'=p_a'"'"''""")
