"""Reaching a host, and the one line that says why it was not reached."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import HostUnreachable, OrchestratorError
from orchestrator.link import open_link
from orchestrator.ssh import HostKeyChanged, HostKeyUnknown, LoginRefused, connect
from orchestrator.ssh.settings import resolve, split_destination
from orchestrator.wire import Hello
from tests.support.eventually import eventually
from tests.support.sshd import Sshd, make_key, run_sshd


def says(sshd: Sshd, word: str = "hello", **overrides: object) -> str:
    """What a command prints on the host."""
    with connect(sshd.host(**overrides), deadline_s=10) as connection:
        channel = connection.transport.open_session(timeout=5)
        channel.exec_command(f"echo {word}")
        return channel.makefile().read().decode().strip()


def failure(sshd: Sshd, kind: type[HostUnreachable], deadline_s: float = 10, **overrides: object) -> str:
    """The message and hint of a refused connection; the message is one line."""
    with pytest.raises(kind) as caught:
        connect(sshd.host(**overrides), deadline_s=deadline_s)
    assert "\n" not in caught.value.message
    return f"{caught.value.message}\n{caught.value.hint}"


def test_an_alias_of_the_configuration(sshd: Sshd) -> None:
    assert says(sshd) == "hello"


def test_an_address_and_a_key_of_the_plan(sshd: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    (sshd.folder / "authorized_keys").write_text((tmp_path / "other.pub").read_text())
    sshd.config.write_text(f"UserKnownHostsFile {sshd.known_hosts}\nIdentityAgent none\n")
    assert says(sshd, ssh=f"127.0.0.1:{sshd.port}", identity=str(other)) == "hello"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu", (None, "gpu", None)),
        ("ubuntu@ec2-gpu", ("ubuntu", "ec2-gpu", None)),
        ("ubuntu@ec2-gpu:2222", ("ubuntu", "ec2-gpu", 2222)),
        ("me@corp@gpu", ("me@corp", "gpu", None)),
        ("u@[fe80::1%eth0]:22", ("u", "fe80::1%eth0", 22)),
        ("[::1]", (None, "::1", None)),
        ("2001:db8::1", (None, "2001:db8::1", None)),
        ("ssh://u@gpu:22/", ("u", "gpu", 22)),
    ],
)
def test_destinations(text: str, expected: tuple[str | None, str, int | None]) -> None:
    assert split_destination(text) == expected


def test_the_plan_wins_over_the_configuration(sshd: Sshd) -> None:
    target = resolve("someone@gpu:99", jump="bastion, inner", identities=("~/k",))
    assert (target.user, target.address, target.port) == ("someone", "127.0.0.1", 99)
    assert target.jumps == ("bastion", "inner")
    assert target.asked_identities == (str(Path("~/k").expanduser()), str(sshd.folder / "id"))


def test_included_files_are_read(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "one.conf").write_text(sshd.config.read_text())
    sshd.config.write_text(f"Include {tmp_path}/parts/*.conf\nHost *\n  ConnectTimeout 5\n")
    assert says(sshd) == "hello"
    assert resolve("gpu").connect_timeout_s == 5


@pytest.mark.parametrize(
    ("text", "typed", "found", "expected"),
    [
        ("ConnectTimeout 1m30s", "gpu", "connect_timeout_s", 90.0),
        ("ConnectTimeout none", "gpu", "connect_timeout_s", None),
        ("ProxyCommand nc %h %p %r %n 100%%", "ada@gpu:2222", "proxy_command", "nc gpu 2222 ada gpu 100%"),
        ("Match user ada\n  Port 7", "ada@gpu", "port", 7),
        ("Port 7", "gpu:8", "port", 8),
        ("Match tagged x\n  Port 7", "gpu", "port", 22),
        ("Match host gpu localnetwork 10.0.0.0/8\n  Port 7\nHost *\n  Port 8", "gpu", "port", 8),
        ('UserKnownHostsFile "/a b/c" "/d/%h" ${KEYS}/e', "gpu", "known_hosts", ("/a b/c", "/d/gpu", "/k/e")),
        ('UserKnownHostsFile "/a b/c"', "gpu", "known_hosts", ("/a b/c",)),
        ("IdentityFile ${KEYS}/id", "gpu", "asked_identities", ("/k/id",)),
    ],
)
def test_values_as_openssh_reads_them(
    text: str, typed: str, found: str, expected: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_SSH_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("KEYS", "/k")
    (tmp_path / "config").write_text(f"{text}\nHost *\n  GlobalKnownHostsFile none\n")
    value = getattr(resolve(typed), found)
    assert (tuple(map(str, value)) if isinstance(value, tuple) else value) == expected


@pytest.mark.parametrize("text", ["Port ssh", "ConnectTimeout soon", 'Include "a', 'UserKnownHostsFile "a b'])
def test_a_value_that_is_none_is_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_SSH_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").write_text(text)
    with pytest.raises(OrchestratorError, match=text.split()[0]):
        resolve("gpu")


def test_a_broken_configuration_is_named(sshd: Sshd) -> None:
    sshd.config.write_text("Host gpu\n  nonsense\n")
    with pytest.raises(Exception, match=f"{sshd.config}.*nonsense"):
        resolve("gpu")


def test_refused(sshd: Sshd) -> None:
    sshd.stop()
    assert f"refused the connection to 127.0.0.1 port {sshd.port}" in failure(sshd, HostUnreachable)


def test_no_such_name(sshd: Sshd) -> None:
    text = failure(sshd, HostUnreachable, ssh="no-such-host.invalid", deadline_s=5)
    assert "there is no machine called 'no-such-host.invalid'" in text or "resolving its name" in text


def test_a_wrong_key_is_named(sshd: Sshd) -> None:
    (sshd.folder / "authorized_keys").write_text("")
    text = failure(sshd, LoginRefused)
    assert f"tried {sshd.folder}/id" in text
    assert "authorized_keys" in text


def test_a_missing_identity_is_named(sshd: Sshd) -> None:
    sshd.config.write_text(sshd.config.read_text().replace("/id\n", "/gone\n"))
    text = failure(sshd, LoginRefused)
    assert f"{sshd.folder}/gone does not exist" in text
    assert "there was no key to try" in text


def test_an_encrypted_key_needs_the_agent(sshd: Sshd) -> None:
    encrypt(sshd.folder / "id")
    text = failure(sshd, LoginRefused)
    assert "is encrypted and no ssh agent holds it" in text
    assert f"ssh-add {sshd.folder}/id" in text


def test_the_agent_holds_an_encrypted_key(sshd: Sshd, ssh_agent: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(sshd.folder / "id")], check=True)
    encrypt(sshd.folder / "id")
    sshd.configure("Host gpu\n  IdentityAgent SSH_AUTH_SOCK")
    assert says(sshd) == "hello"


def test_an_agent_with_too_many_keys(sshd: Sshd, ssh_agent: Path, tmp_path: Path) -> None:
    (sshd.folder / "authorized_keys").write_text("")
    for number in range(8):
        subprocess.run(["ssh-add", "-q", str(make_key(tmp_path / f"k{number}"))], check=True)
    sshd.configure("Host gpu\n  IdentityAgent SSH_AUTH_SOCK\n  IdentitiesOnly no")
    text = failure(sshd, LoginRefused)
    assert "the server then hung up" in text
    assert "IdentitiesOnly yes" in text


def test_an_unknown_host_key_is_never_accepted(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    text = failure(sshd, HostKeyUnknown)
    assert re.search(r"it shows \S+ SHA256:", text)
    assert f"ssh-keyscan -p {sshd.port} 127.0.0.1 >> {sshd.known_hosts}" in text
    assert sshd.known_hosts.read_text() == ""


def test_accept_new_writes_the_key_down(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    sshd.configure("Host gpu\n  StrictHostKeyChecking accept-new")
    assert says(sshd) == "hello"
    sshd.configure("Host gpu\n  StrictHostKeyChecking yes")
    assert says(sshd) == "hello"


@pytest.mark.parametrize("checking", ["yes", "accept-new", "no"])
def test_a_changed_host_key_is_loud(sshd: Sshd, checking: str) -> None:
    sshd.know("id")
    sshd.configure(f"Host gpu\n  StrictHostKeyChecking {checking}")
    text = failure(sshd, HostKeyChanged)
    assert "THE HOST KEY OF gpu" in text
    assert f"{sshd.known_hosts}:1 holds another" in text
    assert f"ssh-keygen -f {sshd.known_hosts} -R '[127.0.0.1]:{sshd.port}'" in text


def test_a_revoked_key(sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"@revoked {sshd.known_hosts.read_text()}")
    assert "revoked" in failure(sshd, HostKeyChanged)


def test_the_known_one_of_several_host_keys_is_asked_for(sshd: Sshd) -> None:
    sshd.know("host_key_ecdsa")
    assert says(sshd) == "hello"


def test_hashed_names(sshd: Sshd) -> None:
    subprocess.run(["ssh-keygen", "-H", "-f", str(sshd.known_hosts)], check=True, capture_output=True)
    assert sshd.known_hosts.read_text().startswith("|1|")
    assert says(sshd) == "hello"


@pytest.mark.parametrize(
    ("names", "known"),
    [("[127.*]:*", True), ("127.0.0.1", True), ("!127.0.0.1,127.*", False), ("10.*", False)],
)
def test_patterns_of_names(sshd: Sshd, names: str, known: bool) -> None:
    key = (sshd.folder / "host_key.pub").read_text()
    sshd.known_hosts.write_text(f"# a comment\n\ndamaged\n|1|no|hash x y\n{names} {key}")
    if known:
        assert says(sshd) == "hello"
    else:
        failure(sshd, HostKeyUnknown)


def test_a_key_filed_under_an_alias(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("the-gpu " + (sshd.folder / "host_key.pub").read_text())
    sshd.configure("Host gpu\n  HostKeyAlias the-gpu")
    assert says(sshd) == "hello"


def test_a_frozen_host_costs_no_more_than_the_deadline(sshd: Sshd) -> None:
    sshd.freeze()
    started = time.monotonic()
    text = failure(sshd, HostUnreachable, deadline_s=0.8)
    assert time.monotonic() - started < 2.5
    assert "gpu did not answer within 0.8 s (the SSH handshake)" in text


def test_what_does_not_speak_ssh(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        pid = os.fork()
        if pid == 0:
            client, _ = server.accept()
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.close()
            os._exit(0)
        text = failure(sshd, HostUnreachable, ssh=f"127.0.0.1:{port}")
        os.waitpid(pid, 0)
    assert "does not speak SSH with us" in text


def test_through_jump_hosts(sshd: Sshd, tmp_path: Path) -> None:
    with run_sshd(tmp_path / "inner", "inner") as inner:
        sshd.configure(inner.config.read_text())
        assert says(inner, jump="gpu") == "hello"
        assert says(inner, jump="gpu,inner") == "hello"
        sshd.configure("Host inner\n  ProxyJump gpu")
        assert says(inner) == "hello"
        sshd.stop()
        assert "gpu refused the connection" in failure(inner, HostUnreachable)


def test_a_jump_host_that_cannot_reach_the_target(sshd: Sshd) -> None:
    text = failure(sshd, HostUnreachable, ssh="127.0.0.1:1", jump="gpu")
    assert "jump host gpu cannot reach 127.0.0.1 port 1" in text


@pytest.mark.parametrize("way", ["ProxyJump gpu,middle", "ProxyJump middle\nHost middle\n  ProxyJump gpu"])
def test_an_agent_behind_two_jump_hosts(sshd: Sshd, tmp_path: Path, way: str) -> None:
    with run_sshd(tmp_path / "m", "middle") as middle, run_sshd(tmp_path / "i", "inner") as inner:
        sshd.configure(f"Host inner\n  {way}\n{middle.config.read_text()}\n{inner.config.read_text()}")
        with open_link(inner.host(python=sys.executable), deadline_s=15) as link:
            assert link.facts.home == str(inner.home)
            assert [server.log.count("Accepted publickey") for server in (sshd, middle, inner)] == [1, 1, 1]
            middle.kill_connections()
            with pytest.raises(HostUnreachable, match="lost the agent on inner"):
                link.call(Hello(), deadline_s=10)
        middle.freeze()
        text = failure(inner, HostUnreachable, deadline_s=1.5)
        assert "jump host middle did not answer within 1.5 s" in text


def test_jump_hosts_in_a_circle(sshd: Sshd) -> None:
    sshd.configure("Host gpu\n  ProxyJump gpu")
    assert "jump hosts" in failure(sshd, HostUnreachable)


def test_through_a_command(sshd: Sshd, tmp_path: Path) -> None:
    with run_sshd(tmp_path / "inner", "inner") as inner:
        sshd.configure(
            f"Host inner\n  ProxyCommand ssh -F {sshd.config} -W %h:%p gpu\n{inner.config.read_text()}"
        )
        assert says(inner) == "hello"
        sshd.configure("Host inner\n  ProxyCommand exit 1")
        failure(inner, HostUnreachable)


def encrypt(key: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(key)], check=True)


@pytest.fixture
def ssh_agent(tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = sshd.tmux_folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    eventually(place.exists, message="ssh-agent listens")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    yield place
    process.send_signal(signal.SIGTERM)
    process.wait()
