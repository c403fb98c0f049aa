"""Is this the machine we know? OpenSSH's known_hosts files, hashed names and patterns included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import paramiko

from orchestrator.ssh.problems import HostKeyChanged, HostKeyUnknown
from orchestrator.ssh.settings import Target


@dataclass(frozen=True, slots=True)
class KnownKey:
    """`key` is base64, as in the file."""

    file: Path
    line: int
    kind: str
    key: str
    revoked: bool


def known_keys(files: Iterable[Path], name: str) -> tuple[KnownKey, ...]:
    return tuple(key for file in files for key in _keys_in(file, name.lower()))


def check_host_key(target: Target, key: paramiko.PKey, known: tuple[KnownKey, ...]) -> None:
    """Accept `key` as that of `target`, or raise.

    Raises:
        HostKeyChanged: another key is known, or this one is revoked.
        HostKeyUnknown: none is known, and the configuration does not say to accept new ones.
    """
    same = [k for k in known if k.key == key.get_base64()]
    if any(k.revoked for k in same):
        raise HostKeyChanged(f"the key that {target.name} shows is marked as revoked", f"see {same[0].file}")
    if same or _known_without_port(target, key):
        return
    others = [k for k in known if not k.revoked]
    if others:
        raise _changed(target, key, others[0])
    if not target.add_unknown_key:
        raise _unknown(target, key)
    _add(target, key)


def _keys_in(file: Path, name: str) -> Iterator[KnownKey]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker == "@cert-authority":
            continue
        if _names(fields[0], name):
            yield KnownKey(file, number, fields[1], fields[2], marker == "@revoked")


def _names(patterns: str, name: str) -> bool:
    if patterns.startswith("|"):
        return _is_hash_of(patterns, name)
    found = False
    for pattern in patterns.lower().split(","):
        # Brackets are literal in known_hosts, a class of characters in fnmatch.
        if fnmatchcase(name, pattern.lstrip("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        return paramiko.HostKeys.hash_host(name, hashed) == hashed
    except (ValueError, IndexError, AssertionError):
        return False  # a damaged line names nobody


def _known_without_port(target: Target, key: paramiko.PKey) -> bool:
    """OpenSSH takes a key filed under the bare name for any port."""
    return target.key_alias is None and any(
        k.key == key.get_base64() and not k.revoked for k in known_keys(target.known_hosts, target.address)
    )


def _changed(target: Target, key: paramiko.PKey, known: KnownKey) -> HostKeyChanged:
    return HostKeyChanged(
        f"THE HOST KEY OF {target.name} ({target.known_name}) HAS CHANGED: it shows {_print(key)}, "
        f"{known.file}:{known.line} holds another; someone may be listening in",
        f"if the machine was rebuilt: ssh-keygen -f {known.file} -R '{target.known_name}'"
        f", then ssh {_ssh_words(target)}",
    )


def _unknown(target: Target, key: paramiko.PKey) -> HostKeyUnknown:
    return HostKeyUnknown(
        f"the host key of {target.name} ({target.known_name}) is not known: it shows {_print(key)}",
        f"run `ssh {_ssh_words(target)}` once and compare the fingerprint, or, on a network you trust: "
        f"ssh-keyscan -p {target.port} {target.address} >> {target.known_hosts[0]}",
    )


def _add(target: Target, key: paramiko.PKey) -> None:
    file = target.known_hosts[0]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(f"{target.known_name} {key.get_name()} {key.get_base64()}\n")


def _ssh_words(target: Target) -> str:
    return f"{target.user}@{target.address}" + ("" if target.port == 22 else f" -p {target.port}")


def _print(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"
