"""Where a host is and how to log in: the plan's host and OpenSSH's configuration as one value."""

from __future__ import annotations

import getpass
import glob
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko

from orchestrator.core.plan import Host
from orchestrator.errors import OrchestratorError

DEFAULT_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_INCLUDE_DEPTH = 16  # OpenSSH's own limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`name` is what messages call it. `jumps` are passed in order, the first is nearest to us.

    `asked_identities` come from the plan or the configuration; the usual ones are only tried when
    they exist. `known_hosts` are the user's files, of which the first is written, then the system's.
    """

    name: str
    address: str
    port: int
    user: str
    asked_identities: tuple[str, ...] = ()
    identities_only: bool = False
    use_agent: bool = True
    jumps: tuple[str, ...] = ()
    proxy_command: str | None = None
    key_alias: str | None = None
    known_hosts: tuple[Path, ...] = ()
    add_unknown_key: bool = False
    connect_timeout_s: float | None = None

    @property
    def known_name(self) -> str:
        """The name its key is filed under."""
        if self.key_alias is not None:
            return self.key_alias
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    @property
    def where(self) -> str:
        place = f"{self.address}:{self.port}" if ":" not in self.address else f"[{self.address}]:{self.port}"
        return f"{self.user}@{place}"


def target_of(host: Host) -> Target:
    """The target `host.ssh` names; what the plan says wins over the configuration."""
    assert host.ssh is not None, f"{host.name} is this machine"
    identities = () if host.identity is None else (host.identity,)
    return resolve(host.ssh, name=host.name, identities=identities, jump=host.jump)


def resolve(
    destination: str, *, name: str | None = None, identities: tuple[str, ...] = (), jump: str | None = None
) -> Target:
    user, address, port = split_destination(destination)
    options = load_config().lookup(address)
    jump = jump or options.get("proxyjump") or "none"
    command = options.get("proxycommand")
    timeout = options.get("connecttimeout", "none")
    configured = tuple(_expanded(p) for p in options.get("identityfile", ()))
    known = " ".join(
        (
            options.get("userknownhostsfile", USER_KNOWN_HOSTS),
            options.get("globalknownhostsfile", SYSTEM_KNOWN_HOSTS),
        )
    )
    return Target(
        name=name or destination,
        address=options["hostname"],
        port=port or int(options.get("port", 22)),
        user=user or options.get("user") or getpass.getuser(),
        asked_identities=(*map(_expanded, identities), *configured),
        identities_only=options.get("identitiesonly", "no") == "yes",
        use_agent=options.get("identityagent", "") != "none",
        jumps=() if jump == "none" else tuple(part.strip() for part in jump.split(",")),
        proxy_command=None if command in (None, "none") or jump != "none" else command,
        key_alias=options.get("hostkeyalias"),
        known_hosts=tuple(Path(_expanded(p)) for p in known.split() if p != "none"),
        add_unknown_key=options.get("stricthostkeychecking", "ask") in ("accept-new", "no", "off"),
        connect_timeout_s=float(timeout) if timeout != "none" else None,
    )


def split_destination(text: str) -> tuple[str | None, str, int | None]:
    """`[user@]host[:port]`; an IPv6 address needs brackets where a port follows it."""
    user, _, place = text.removeprefix("ssh://").rstrip("/").rpartition("@")
    bracketed = re.fullmatch(r"\[([^]]+)](?::(\d+))?", place)
    plain = re.fullmatch(r"([^:]+)(?::(\d+))?", place)
    found = bracketed or plain
    address, port = found.groups() if found else (place, None)
    return user or None, address, int(port) if port else None


def load_config() -> paramiko.SSHConfig:
    """OpenSSH's configuration; `ORCHESTRATOR_SSH_CONFIG` names one file to use instead."""
    instead = os.environ.get("ORCHESTRATOR_SSH_CONFIG")
    paths = [instead] if instead else ["~/.ssh/config", "/etc/ssh/ssh_config"]
    text = "\n".join("\n".join(("Host *", *_lines(Path(_expanded(path)), 0))) for path in paths)
    config = paramiko.SSHConfig()
    try:
        config.parse(io.StringIO(text))
    except paramiko.ConfigParseError as error:
        raise OrchestratorError(f"{' or '.join(paths)}: {error}", "ssh -G HOST shows the line") from error
    return config


def _lines(path: Path, depth: int) -> Iterator[str]:
    """The file's lines with `Include` carried out, which paramiko passes over in silence."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    section = "Host *"
    for line in text.splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() in ("host", "match"):
            section = line
        if word.lower() != "include":
            yield line
            continue
        if depth < _INCLUDE_DEPTH:
            for pattern in rest.split():
                found = glob.glob(str(path.parent / _expanded(pattern)))  # noqa: PTH207 - may be absolute
                for included in sorted(found):
                    yield from _lines(Path(included), depth + 1)
        yield section


def _expanded(path: str) -> str:
    return str(Path(path.strip('"').replace("%d", "~")).expanduser())
