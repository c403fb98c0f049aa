"""Starting the agent on a host, whatever its login shell prints and its cache holds."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from orchestrator import wire
from orchestrator.errors import HostUnreachable
from orchestrator.link import Link, open_link
from orchestrator.shipping import agent_shipment
from orchestrator.ssh import PythonUnusable
from orchestrator.ssh.agent import loader_command
from tests.support.eventually import eventually
from tests.support.sshd import Sshd

SHELLS = ("sh", "bash", "dash", "ksh", "zsh", "fish", "tcsh")
LOUD = """
echo "Welcome to the cluster"; echo "quota: 93 %" >&2
printf '\\000orc\\000\\000\\000\\002{}'
head -c 300000 /dev/zero | tr '\\0' x
"""


def link_to(sshd: Sshd, deadline_s: float = 20, **overrides: object) -> Link:
    return open_link(sshd.host(**overrides), deadline_s=deadline_s)


def cached_zip(sshd: Sshd) -> Path:
    return sshd.home / ".cache" / "orchestrator" / "agent" / agent_shipment().file_name


def test_the_agent_is_shipped_once(sshd: Sshd) -> None:
    with link_to(sshd) as link:
        assert link.facts.home == str(sshd.home)
    path = cached_zip(sshd)
    assert path.read_bytes() == agent_shipment().content
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    written = path.stat().st_mtime_ns
    with link_to(sshd) as link:
        link.call(wire.Hello(), deadline_s=5)
    assert path.stat().st_mtime_ns == written


def test_a_damaged_zip_is_shipped_again(sshd: Sshd) -> None:
    path = cached_zip(sshd)
    path.parent.mkdir(parents=True)
    path.write_bytes(agent_shipment().content[:-1])
    link_to(sshd).close()
    assert path.read_bytes() == agent_shipment().content
    assert not list(path.parent.glob("*.part"))


def test_a_loud_login_shell(sshd: Sshd) -> None:
    sshd.write_bashrc(LOUD)
    with link_to(sshd) as link:
        assert link.call(wire.Hello(), deadline_s=5).user == link.facts.user


def test_an_endless_login_shell(sshd: Sshd) -> None:
    sshd.write_bashrc("yes")
    with pytest.raises(HostUnreachable, match="prints without end"):
        link_to(sshd)


def test_a_login_shell_that_hangs(sshd: Sshd) -> None:
    sshd.write_bashrc("exec sleep 100")
    started = time.monotonic()
    with pytest.raises(HostUnreachable, match="did not answer within 1 s"):
        link_to(sshd, deadline_s=1)
    assert time.monotonic() - started < 3


def test_no_python(sshd: Sshd) -> None:
    with pytest.raises(PythonUnusable, match=r"did not start on gpu: .*No such file") as caught:
        link_to(sshd, python="/no/such/python")
    assert "set `python:` of host gpu" in str(caught.value.hint)


def test_an_old_python(sshd: Sshd) -> None:
    old = sshd.home / "my python"
    old.write_text(
        "#!/bin/sh\nshift 3\n"
        "exec python3 -S -E -c 'import sys; sys.version_info = (3, 8, 20); exec(sys.argv[1])' \"$@\"\n"
    )
    old.chmod(0o755)
    with pytest.raises(PythonUnusable, match=r"is Python 3\.8, older than 3\.10"):
        link_to(sshd, python=str(old))


def test_a_cache_that_cannot_be_written(sshd: Sshd) -> None:
    (sshd.home / ".cache").write_text("a file")
    with pytest.raises(HostUnreachable, match=r"the agent cannot be written on gpu: .*Not a directory"):
        link_to(sshd)


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell)])
def test_the_loader_needs_no_quoting(shell: str, tmp_path: Path) -> None:
    command = loader_command("python3", agent_shipment(), "mark ")
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([shell, "-c", command], env=environment, capture_output=True, input=b"")
    assert done.stdout.splitlines() == [b"mark SEND", b"mark FAIL the agent was damaged on its way"]
    assert not list(tmp_path.rglob("*.*"))


def test_a_killed_connection_ends_every_call_and_the_agent(sshd: Sshd) -> None:
    with link_to(sshd) as link:
        sshd.kill_connections()
        with pytest.raises(HostUnreachable, match="lost the agent on gpu"):
            link.call(wire.Hello(), deadline_s=10)
        assert not link.alive
        eventually(lambda: not Path(f"/proc/{link.facts.pid}").exists(), message="the agent ends")


def test_a_frozen_host_is_known_by_the_deadline(sshd: Sshd) -> None:
    with link_to(sshd) as link:
        sshd.freeze()
        started = time.monotonic()
        with pytest.raises(HostUnreachable, match=r"gpu did not answer Hello within 0\.5 s"):
            link.call(wire.Hello(), deadline_s=0.5)
        assert time.monotonic() - started < 2
    sshd.thaw()
    with link_to(sshd) as link:
        assert link.alive


def test_a_frozen_host_that_is_sent_much(sshd: Sshd) -> None:
    with link_to(sshd) as link:
        sshd.freeze()
        started = time.monotonic()
        with pytest.raises(HostUnreachable, match="did not answer"):
            link.call(wire.Inspect(folder="x" * 30_000_000), deadline_s=1)
        assert time.monotonic() - started < 6


def test_nothing_is_left_behind(sshd: Sshd) -> None:
    link_to(sshd).close()
    threads = threading.active_count()
    link_to(sshd).close()
    eventually(lambda: threading.active_count() <= threads, message="threads end")
    eventually(lambda: not sshd.connections(), message="connections end")
