"""What a host's facts mean, and what examining real hosts finds."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import wire
from orchestrator.core.plan import LOCAL, Host, HostName
from orchestrator.doctor import GIB, Examined, Finding, examine, findings, version_in
from tests.support.sshd import Sshd

HERE = Host(name=LOCAL)
GPU = Host(name=HostName("gpu"), ssh="gpu", root="~/parallel", gpus=(0, 1))
FACTS = wire.HostFacts(
    protocol=1,
    pid=1,
    python="3.11.7",
    boot_id="b",
    user="ada",
    home="/home/ada",
    git="git version 2.39.5",
    tmux="tmux 3.3a",
)
NO_DRIVER = wire.Census(driver=False)
SICK = wire.Census(error="nvidia-smi exited with status 255: torn")
HEALTHY = wire.Inspection(
    facts=FACTS,
    rsync="rsync  version 3.2.7  protocol version 31",
    disk_free_bytes=50 * GIB,
    disk_total_bytes=100 * GIB,
    folder_writable=True,
    wall_clock=1000.0,
    lingering=True,
)


def census(*indices: int, **more: Any) -> wire.Census:
    gpus = [
        wire.Gpu(index=n, uuid=f"u{n}", name="A100", total_mb=81920, used_mb=0, free_mb=81920)
        for n in indices
    ]
    return wire.Census(**{"age_s": 0.0, "gpus": tuple(gpus), **more})


def judged(host: Host, subject: str, **changes: Any) -> list[Finding]:
    gpus = changes.pop("census", census(0, 1))
    facts = {name: changes.pop(name) for name in ("git", "tmux", "python") if name in changes}
    inspection = replace(HEALTHY, facts=replace(FACTS, **facts), **changes)
    examined = Examined(inspection=inspection, census=gpus, asked_at=999.0, answered_at=1001.0)
    return [finding for finding in findings(host, examined) if finding.subject == subject]


@pytest.mark.parametrize("host", [HERE, GPU])
def test_a_healthy_host_has_nothing_to_mend(host: Host) -> None:
    found = findings(
        host, Examined(inspection=HEALTHY, census=census(0, 1), asked_at=999.0, answered_at=1001.0)
    )
    assert {finding.severity for finding in found} == {"ok"}
    assert not [finding for finding in found if finding.mend]
    assert {"git", "tmux", "python", "rsync", "disk", "gpu", "clock", "folder"} <= {f.subject for f in found}


@pytest.mark.parametrize(
    ("host", "subject", "changes", "severity", "says", "mend"),
    [
        (HERE, "git", {"git": "git version 2.37.9"}, "error", "older than 2.38", "apt install git"),
        (HERE, "git", {"git": "git version 2.38.0"}, "ok", "2.38.0", ""),
        (GPU, "git", {"git": "git version 2.37.9"}, "ok", "2.37.9", ""),
        (
            GPU,
            "git",
            {"git": "git version 2.29.1 (Apple)"},
            "error",
            "older than 2.30",
            "brew install git",
        ),
        (GPU, "git", {"git": None}, "error", "not installed", "dnf install git"),
        (GPU, "tmux", {"tmux": None}, "error", "not installed", "apt install tmux"),
        (GPU, "tmux", {"tmux": "tmux 2.9a"}, "error", "older than 3.0", "apt install tmux"),
        (GPU, "tmux", {"tmux": "tmux next-3.6"}, "ok", "next-3.6", ""),
        (GPU, "tmux", {"tmux": "tmux master"}, "warning", "says no version", "apt install tmux"),
        (GPU, "python", {"python": "3.9.2"}, "error", "older than 3.10", "apt install python3"),
        (GPU, "rsync", {"rsync": None}, "warning", "not installed", "apt install rsync"),
        (GPU, "folder", {"folder_writable": False}, "error", "ada cannot write ~/parallel", "chown ada"),
        (GPU, "disk", {"disk_free_bytes": 5 * GIB}, "ok", "5.0 of 100 GiB", ""),
        (GPU, "disk", {"disk_free_bytes": 5 * GIB - 1}, "warning", "GiB free", "what is large"),
        (GPU, "disk", {"disk_free_bytes": GIB - 1}, "error", "GiB free", "what is large"),
        (GPU, "gpu", {"census": census(0)}, "error", "wants GPU 1; the host shows 1", "`gpus:` of gpu"),
        (GPU, "gpu", {"census": NO_DRIVER}, "error", "wants GPU 0, 1; no driver found", "nvidia-smi"),
        (GPU, "gpu", {"census": SICK}, "error", "nvidia-smi exited with status 255: torn", "nvidia-smi"),
        (HERE, "gpu", {"census": NO_DRIVER}, "ok", "0 found", ""),
        (GPU, "clock", {"wall_clock": 1061.0}, "ok", "agrees", ""),
        (GPU, "clock", {"wall_clock": 1062.0}, "warning", "61 s ahead", "timedatectl"),
        (GPU, "clock", {"wall_clock": 900.0}, "warning", "99 s behind", "timedatectl"),
        (GPU, "linger", {"lingering": False}, "warning", "systemd may end", "loginctl enable-linger ada"),
    ],
)
def test_rules(
    host: Host, subject: str, changes: dict[str, Any], severity: str, says: str, mend: str
) -> None:
    (finding,) = judged(host, subject, **changes)
    assert finding.severity == severity
    assert says in finding.message
    assert mend in finding.mend


def test_a_host_without_systemd_says_nothing_of_lingering() -> None:
    assert judged(GPU, "linger", lingering=None) == []


@pytest.mark.parametrize(("text", "version"), [("tmux 3.3a", (3, 3)), ("v10.2.1", (10, 2)), ("none", None)])
def test_versions(text: str, version: tuple[int, int] | None) -> None:
    assert version_in(text) == version


def test_real_hosts(sshd: Sshd, tmp_path: Path) -> None:
    found = examine([HERE, sshd.host()], repository=str(tmp_path))
    assert [f.host for f in found] == sorted((f.host for f in found), reverse=True)
    assert {(f.host, f.subject) for f in found} >= {
        (host, subject) for host in ("local", "gpu") for subject in ("git", "tmux", "python", "disk", "clock")
    }
    (ssh,) = [f for f in found if f.subject == "ssh"]
    assert ssh.severity == "ok"


def test_hosts_that_cannot_be_asked(sshd: Sshd, tmp_path: Path) -> None:
    (sshd.folder / "authorized_keys").write_text("")
    (refused,) = examine([sshd.host()], repository=str(tmp_path))
    assert (refused.subject, refused.severity) == ("ssh", "error")
    assert "authorized_keys" in refused.mend


def test_a_host_without_python(sshd: Sshd, tmp_path: Path) -> None:
    (finding,) = examine([sshd.host(python="no-such-python")], repository=str(tmp_path))
    assert (finding.subject, finding.severity) == ("python", "error")
    assert "`python:` of host gpu" in finding.mend


def test_hosts_that_hang_hang_together(sshd: Sshd, tmp_path: Path) -> None:
    sshd.freeze()
    hosts = [HERE, *(sshd.host(name=HostName(f"gpu{n}")) for n in range(4))]
    started = time.monotonic()
    found = examine(hosts, repository=str(tmp_path), deadline_s=1.5)
    assert time.monotonic() - started < 5
    silent = [f for f in found if f.subject == "ssh"]
    assert [f.host for f in silent] == ["gpu0", "gpu1", "gpu2", "gpu3"]
    assert all("did not answer within 1.5 s" in f.message for f in silent)
    assert any(f.host == "local" and f.subject == "git" for f in found), found
