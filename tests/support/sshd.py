"""A real sshd on a loopback port, whose sessions see a home, a cache and a tmux folder of their own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.plan import Host, HostName
from tests.support.eventually import eventually

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_SERVER_CONFIG = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
HostKey {folder}/host_key_ecdsa
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
UseDNS no
StrictModes no
MaxStartups 100
PermitRootLogin yes
PasswordAuthentication no
Subsystem sftp internal-sftp
SetEnv HOME={home} XDG_CACHE_HOME={home}/.cache TMUX_TMPDIR={tmux}{env}
"""
_CLIENT_CONFIG = """\
Host {alias}
  HostName {address}
  Port {port}
  User {user}
  IdentityFile {folder}/id
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
"""


@dataclass
class Sshd:
    """`home` is the home its sessions see, `alias` its name in the client's configuration.

    `within` starts each of its lives: a command that runs another one, in a namespace say.
    """

    alias: str
    folder: Path
    home: Path
    tmux_folder: Path
    port: int
    address: str = "127.0.0.1"
    within: Sequence[str] = ()
    _server: subprocess.Popen[bytes] = field(init=False, repr=False)

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def pid(self) -> int:
        """Its first process."""
        return self._server.pid

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text()

    def host(self, **overrides: Any) -> Host:
        return Host(**{"name": HostName(self.alias), "ssh": self.alias, "root": str(self.home), **overrides})

    def configure(self, lines: str) -> None:
        """Add lines to the client's configuration, before the host's own: the first value counts."""
        self.config.write_text(f"{lines}\n{self.config.read_text()}")

    def know(self, key: str) -> None:
        """Make this public key the only known one of the server."""
        public = (self.folder / f"{key}.pub").read_text()
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {public}")

    def tmux(self, *arguments: str) -> None:
        """As somebody who logged in there types it."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TMUX_TMPDIR": str(self.tmux_folder)}
        subprocess.run(["tmux", *arguments], env=env, check=True, timeout=20)

    def rotate_host_key(self) -> None:
        """Show another key from the next connection on, as after a rebuild."""
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink()
        make_key(self.folder / "host_key")
        self._server.send_signal(signal.SIGHUP)
        eventually(
            lambda: self.log.count("Server listening") > 1 and _listens(self.address, self.port),
            message="listens again",
        )

    def write_bashrc(self, text: str) -> None:
        (self.home / ".bashrc").write_text(text)

    def freeze(self) -> None:
        """Stop every process of the server; its kernel goes on to accept and acknowledge."""
        self._signal(self._processes(), signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(self._processes(), signal.SIGCONT)

    def kill_connections(self) -> None:
        """End every connection without a word; the server itself goes on."""
        self._signal(self.connections(), signal.SIGKILL)

    def connections(self) -> list[int]:
        """The server's processes that serve connections."""
        return [pid for pid in self._processes() if pid != self._server.pid]

    def start(self) -> None:
        """Listen where it always did; also again, after `stop`."""
        assert SSHD is not None
        with (self.folder / "sshd.log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self.within, SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(lambda: _listens(self.address, self.port) or self._ended(), message="sshd listens")
        assert not self._ended(), self.log

    def _ended(self) -> bool:
        return self._server.poll() is not None

    def stop(self) -> None:
        """Kill the server, its connections and what they run."""
        family = _family(self._server.pid)
        self._server.kill()
        self._server.wait()
        self._signal([pid for pid in family if pid != self._server.pid], signal.SIGKILL)

    def _processes(self) -> list[int]:
        return [pid for pid, name in _family(self._server.pid).items() if name.startswith("sshd")]

    def _signal(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True)
    return path


@contextmanager
def run_sshd(
    folder: Path,
    alias: str = "gpu",
    *,
    address: str = "127.0.0.1",
    within: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Sshd]:
    """A server on `address`; its sessions see `env`, too."""
    if SSHD is None:
        pytest.skip("sshd is not installed")
    home = folder / "home"
    home.mkdir(parents=True)
    for kind, name in (("ed25519", "host_key"), ("ecdsa", "host_key_ecdsa"), ("ed25519", "id")):
        make_key(folder / name, kind)
    shutil.copy(folder / "id.pub", folder / "authorized_keys")
    # A socket's path has 108 bytes: pytest's folders are too deep for tmux.
    with tempfile.TemporaryDirectory(prefix="orc-", dir="/tmp") as tmux:
        sshd = Sshd(alias, folder, home, Path(tmux), _free_port(), address, within)
        _configure(sshd, env or {})
        sshd.know("host_key")
        sshd.start()
        try:
            yield sshd
        finally:
            sshd.stop()
            subprocess.run(
                ["tmux", "kill-server"], env={**os.environ, "TMUX_TMPDIR": tmux}, capture_output=True
            )


@pytest.fixture(name="sshd")
def sshd_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A host `gpu` that the client's configuration names, with its key known."""
    with run_sshd(tmp_path / "gpu") as server:
        monkeypatch.setenv("ORCHESTRATOR_SSH_CONFIG", str(server.config))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        yield server


def _configure(sshd: Sshd, env: Mapping[str, str]) -> None:
    values = {"folder": sshd.folder, "address": sshd.address, "port": sshd.port}
    given = "".join(f" {name}={value}" for name, value in env.items())
    server = _SERVER_CONFIG.format(home=sshd.home, tmux=sshd.tmux_folder, env=given, **values)
    (sshd.folder / "sshd_config").write_text(server)
    client = _CLIENT_CONFIG.format(alias=sshd.alias, user=getpass.getuser(), **values)
    sshd.config.write_text(client)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd ends without it


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _listens(address: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1.0)
        return sock.connect_ex((address, port)) == 0


def _family(root: int) -> dict[int, str]:
    """The process and its descendants, with their programs' names."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    table = [(int(pid), int(parent), name) for pid, parent, name in rows]
    found = {pid: name for pid, _, name in table if pid == root}
    while more := {p: name for p, parent, name in table if parent in found and p not in found}:
        found |= more
    return found
