"""Proving who we are: the keys of the plan, the configuration and the ssh agent, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import paramiko

from orchestrator.ssh.deadline import Deadline, within
from orchestrator.ssh.problems import LoginRefused
from orchestrator.ssh.settings import DEFAULT_IDENTITIES, Target


@dataclass(frozen=True, slots=True)
class Candidate:
    label: str
    key: paramiko.PKey


@dataclass(frozen=True, slots=True)
class Unusable:
    """A key file that cannot be tried; `path` is None when the reason is not a file's."""

    path: str
    reason: str
    hint: str


def log_in(transport: paramiko.Transport, target: Target, deadline: Deadline) -> None:
    """Authenticate on a transport whose host key was checked.

    Raises:
        LoginRefused: no key was taken; the message says which were tried.
        HostUnreachable: the deadline passed or the connection broke.
    """
    with closing(_open_agent(target, deadline)) as agent:
        _try_keys(transport, target, agent.get_keys(), deadline)


def _try_keys(
    transport: paramiko.Transport,
    target: Target,
    agent_keys: tuple[paramiko.AgentKey, ...],
    deadline: Deadline,
) -> None:
    tried: list[str] = []
    unusable: list[Unusable] = []
    for found in _candidates(target, agent_keys):
        if isinstance(found, Unusable):
            unusable.append(found)
            continue
        tried.append(found.label)
        try:
            if _accepted(transport, target, found, deadline):
                return
        except paramiko.BadAuthenticationType as error:
            allowed = ", ".join(error.allowed_types)
            raise LoginRefused(
                f"{target.where} takes no keys, only {allowed}", "allow public keys in its sshd_config"
            ) from error
        if not transport.is_active():
            break
    raise _refused(target, tried, unusable, cut_off=not transport.is_active())


def _accepted(
    transport: paramiko.Transport, target: Target, candidate: Candidate, deadline: Deadline
) -> bool:
    transport.auth_timeout = deadline.left_s("logging in")
    try:
        more = transport.auth_publickey(target.user, candidate.key)
    except paramiko.BadAuthenticationType:
        raise
    except paramiko.SSHException:
        deadline.left_s("logging in")  # paramiko reports its time-out as a refusal
        return False
    if more:
        raise LoginRefused(
            f"{target.where} took {candidate.label} and wants more: {', '.join(more)}",
            "a daemon cannot answer a second factor: allow this key alone for the machine it runs on",
        )
    return True


def _candidates(target: Target, agent_keys: tuple[paramiko.AgentKey, ...]) -> Iterator[Candidate | Unusable]:
    """Keys that were asked for, then the agent's, then the usual files; none twice."""
    seen: set[bytes] = set()
    usual = () if target.asked_identities else DEFAULT_IDENTITIES
    asked = [_from_file(path, agent_keys) for path in target.asked_identities]
    from_agent = [Candidate(f"{_comment(key)} of the ssh agent", key) for key in agent_keys]
    existing = [_from_file(path, agent_keys) for path in usual if Path(path).expanduser().exists()]
    for found in (*asked, *(() if target.identities_only else from_agent), *existing):
        if isinstance(found, Candidate):
            blob = found.key.asbytes()
            if blob in seen:
                continue
            seen.add(blob)
        yield found


def _from_file(path: str, agent_keys: tuple[paramiko.AgentKey, ...]) -> Candidate | Unusable:
    held = _held_by_agent(path, agent_keys)
    if held is not None:
        return held
    try:
        return Candidate(path, paramiko.PKey.from_path(path))
    except FileNotFoundError:
        return Unusable(path, "does not exist", f"check `identity:` and IdentityFile: {path}")
    except OSError as error:
        return Unusable(path, error.strerror or "cannot be read", f"ls -l {path}")
    except (TypeError, paramiko.PasswordRequiredException):
        return Unusable(path, "is encrypted and no ssh agent holds it", f"ssh-add {path}")
    except (paramiko.SSHException, ValueError) as error:
        return Unusable(path, f"is no private key ({str(error)[:60]})", f"ssh-keygen -y -f {path}")


def _held_by_agent(path: str, agent_keys: tuple[paramiko.AgentKey, ...]) -> Candidate | None:
    """The agent's half of an identity, told by the public file beside it."""
    try:
        blob = Path(f"{path}.pub").read_text(encoding="utf-8").split()[1]
    except (OSError, IndexError, UnicodeDecodeError):
        return None
    for key in agent_keys:
        if key.get_base64() == blob:
            return Candidate(f"{path} (ssh agent)", key)
    return None


def _open_agent(target: Target, deadline: Deadline) -> paramiko.Agent | _NoAgent:
    if not target.use_agent:
        return _NoAgent()
    try:
        return within(deadline, "asking the ssh agent", paramiko.Agent)
    except (paramiko.SSHException, OSError):
        return _NoAgent()


class _NoAgent:
    def get_keys(self) -> tuple[paramiko.AgentKey, ...]:
        return ()

    def close(self) -> None: ...


def _comment(key: paramiko.AgentKey) -> str:
    return str(getattr(key, "comment", "")) or key.get_name()


def _refused(target: Target, tried: list[str], unusable: list[Unusable], *, cut_off: bool) -> LoginRefused:
    parts = [f"tried {', '.join(tried)}" if tried else "there was no key to try"]
    parts += [f"{key.path} {key.reason}" for key in unusable]
    if cut_off:
        parts.append("the server then hung up")
        hint = "too many keys: name one with `identity:` and set IdentitiesOnly yes in ~/.ssh/config"
    elif unusable:
        hint = unusable[0].hint
    elif tried:
        hint = f"add the public half to ~/.ssh/authorized_keys of {target.user} on {target.address}"
    else:
        hint = "name a key with `identity:` in the plan, or ssh-add one"
    return LoginRefused(f"{target.where} refused to let us in: {'; '.join(parts)}", hint)
