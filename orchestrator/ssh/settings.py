"""Where a host is and how to log in: the plan's host and OpenSSH's configuration as one value."""

from __future__ import annotations

import getpass
import glob
import io
import os
import re
import shlex
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
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

# Paramiko takes the quotes off a value: these need theirs, so they are given a second pair.
_LISTS = ("userknownhostsfile", "globalknownhostsfile")

# Paramiko passes over criteria that it does not know, and so takes such a section for everybody's.
_UNKNOWN_MATCH = re.compile(r"(?:^|\s)!?(?:tagged|localnetwork|version|sessiontype|command)\b", re.IGNORECASE)
_NEVER = "Match host !*"


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
    options = load_config(user, port).lookup(address)
    jump = jump or options.get("proxyjump") or "none"
    command = options.get("proxycommand")
    known = (
        *_words("UserKnownHostsFile", options.get("userknownhostsfile", USER_KNOWN_HOSTS)),
        *_words("GlobalKnownHostsFile", options.get("globalknownhostsfile", SYSTEM_KNOWN_HOSTS)),
    )
    return Target(
        name=name or destination,
        address=options["hostname"],
        port=_number("Port", options.get("port", "22")),
        user=options.get("user") or getpass.getuser(),
        asked_identities=tuple(map(_expanded, (*identities, *options.get("identityfile", ())))),
        identities_only=options.get("identitiesonly", "no") == "yes",
        use_agent=options.get("identityagent", "") != "none",
        jumps=() if jump == "none" else tuple(part.strip() for part in jump.split(",")),
        proxy_command=None if command in (None, "none") or jump != "none" else command.replace("%%", "%"),
        key_alias=options.get("hostkeyalias"),
        known_hosts=tuple(Path(_expanded(p)) for p in known if p != "none"),
        add_unknown_key=options.get("stricthostkeychecking", "ask") in ("accept-new", "no", "off"),
        connect_timeout_s=_time(options.get("connecttimeout", "none")),
    )


def split_destination(text: str) -> tuple[str | None, str, int | None]:
    """`[user@]host[:port]`; an IPv6 address needs brackets where a port follows it."""
    user, _, place = text.removeprefix("ssh://").rstrip("/").rpartition("@")
    bracketed = re.fullmatch(r"\[([^]]+)](?::(\d+))?", place)
    plain = re.fullmatch(r"([^:]+)(?::(\d+))?", place)
    found = bracketed or plain
    address, port = found.groups() if found else (place, None)
    return user or None, address, int(port) if port else None


class _Config(paramiko.SSHConfig):
    """With the tokens of ssh_config(5) that paramiko leaves as they are."""

    def __init__(self) -> None:
        super().__init__()
        tokens = ["%d", "%h", "%L", "%l", "%n", "%p", "%r", "%u"]
        self.TOKENS_BY_CONFIG_KEY = {
            **self.TOKENS_BY_CONFIG_KEY,
            "proxycommand": ["~", *tokens],
            "userknownhostsfile": tokens,
        }


def load_config(user: str | None = None, port: int | None = None) -> paramiko.SSHConfig:
    """OpenSSH's configuration; `ORCHESTRATOR_SSH_CONFIG` names one file to use instead.

    A `user` and a `port` that were asked for come first, and so count in `Match` and for `%r` and `%p`.
    """
    instead = os.environ.get("ORCHESTRATOR_SSH_CONFIG")
    paths = [instead] if instead else ["~/.ssh/config", "/etc/ssh/ssh_config"]
    asked = "Host *\n" + (f"User {user}\n" if user else "") + (f"Port {port}\n" if port else "")
    text = asked + "\n".join("\n".join(("Host *", *_lines(Path(_expanded(path)), 0))) for path in paths)
    config = _Config()
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
            line = section = _NEVER if word.lower() == "match" and _UNKNOWN_MATCH.search(rest) else line
        if word.lower() in _LISTS:
            line = f'{word} "{rest.strip()}"'
        if word.lower() != "include":
            yield line
            continue
        if depth < _INCLUDE_DEPTH:
            for pattern in _words("Include", rest):
                found = glob.glob(str(path.parent / _expanded(pattern)))  # noqa: PTH207 - may be absolute
                for included in sorted(found):
                    yield from _lines(Path(included), depth + 1)
        yield section


def _expanded(path: str) -> str:
    named = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], found[0]), path.strip('"'))
    return str(Path(named.replace("%d", "~")).expanduser())


def _words(keyword: str, value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError:
        raise _wrong(keyword, value) from None


def _number(keyword: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise _wrong(keyword, value) from None


def _time(value: str) -> float | None:
    """Seconds, as sshd_config(5) writes times: `90`, `1m30s`."""
    parts = re.findall(r"(\d+)([smhdw]?)", value.lower())
    if value == "none":
        return None
    if "".join(map("".join, parts)) != value.lower():
        raise _wrong("ConnectTimeout", value)
    return float(sum(int(number) * _UNITS_S[unit] for number, unit in parts))


def _wrong(keyword: str, value: str) -> OrchestratorError:
    return OrchestratorError(f"{keyword} {value} in the configuration of ssh is no value of that kind")
