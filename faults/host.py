"""A host that can fail: a real sshd behind a link of ours, in namespaces of its own where that can be."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults import victims
from faults.link import Link, Pair, Relay
from faults.namespace import namespace
from tests.support.sshd import Sshd, run_sshd

# The machine's first process: starts sshd, again after its end unless it is to stay down.
_INIT = 'while :; do if [ -e "$0.down" ]; then sleep 0.1; else "$@"; fi; done'
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """`boot` holds what the machine shows as its boot id; None where it shows this machine's own."""

    name: str
    sshd: Sshd
    link: Link
    boot: Path | None

    @property
    def root(self) -> Path:
        return self.sshd.home / "clones"

    def plan_line(self, more: str = "") -> str:
        return f"  {self.name}: {{ssh: {self.name}, root: {self.root}, python: {sys.executable}{more}}}"

    def freeze(self) -> None:
        """Its kernel goes on to accept and acknowledge."""
        victims.kill(self._sshds(), signal.SIGSTOP)

    def thaw(self) -> None:
        victims.kill(self._sshds(), signal.SIGCONT)

    def drop(self) -> None:
        """End every connection without a word."""
        listed = self._sshds()
        pids = {one.pid for one in listed}
        victims.kill(one for one in listed if one.parent in pids)

    def kill_sshd(self) -> None:
        """And let nobody listen until `revive`."""
        self._down.touch()
        victims.kill(self._sshds())

    def revive(self) -> None:
        self._down.unlink(missing_ok=True)

    def crash(self) -> None:
        """Every process ends at once, as when the power goes."""
        assert self.boot is not None, "only a machine with namespaces of its own can crash"
        self.sshd.stop()

    def boot_again(self) -> None:
        assert self.boot is not None
        self.boot.write_text(f"{uuid.uuid4()}\n")
        self.sshd.start()

    @property
    def _down(self) -> Path:
        return self.sshd.folder / "machine.down"

    def _sshds(self) -> list[victims.Process]:
        family, listed = {self.sshd.pid}, victims.processes()
        while more := {one.pid for one in listed if one.parent in family} - family:
            family |= more
        return [one for one in listed if one.pid in family and one.name.startswith("sshd")]


@contextmanager
def host(
    folder: Path, name: str, *, namespaces: bool, env: Mapping[str, str] | None = None
) -> Iterator[Host]:
    """A machine; `env` is what every session on it sees."""
    kind = _in_namespaces if namespaces else _on_loopback
    with kind(folder, name, env or {}) as made:
        yield made


@contextmanager
def _in_namespaces(folder: Path, name: str, env: Mapping[str, str]) -> Iterator[Host]:
    folder.mkdir(parents=True)
    boot = folder / "machine"
    boot.write_text(f"{uuid.uuid4()}\n")
    with namespace() as space:
        own = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
        begun = f'mount --bind "$0" {_BOOT_ID} && {_INIT}'
        within = ["nsenter", f"--net=/run/netns/{space.name}", *own, "sh", "-c", begun, str(boot)]
        with run_sshd(folder, name, address=space.address, within=within, env=env) as sshd:
            yield Host(name=name, sshd=sshd, link=Pair(space.device), boot=boot)


@contextmanager
def _on_loopback(folder: Path, name: str, env: Mapping[str, str]) -> Iterator[Host]:
    within = ["sh", "-c", _INIT, str(folder / "machine")]
    with run_sshd(folder, name, within=within, env=env) as sshd:
        relay = Relay(sshd.port)
        key = (folder / "host_key.pub").read_text()
        sshd.known_hosts.write_text(f"[127.0.0.1]:{relay.port} {key}")
        sshd.configure(f"Host {name}\n  Port {relay.port}\n")
        try:
            yield Host(name=name, sshd=sshd, link=relay, boot=None)
        finally:
            relay.close()


def environment_of(hosts: list[Host], folder: Path) -> dict[str, str]:
    """What makes a daemon know these hosts."""
    config = folder / "ssh_config"
    config.write_text("\n".join(one.sshd.config.read_text() for one in hosts))
    return {"ORCHESTRATOR_SSH_CONFIG": str(config)}


def quoted(*words: object) -> str:
    return shlex.join(os.fspath(word) if isinstance(word, Path) else str(word) for word in words)
