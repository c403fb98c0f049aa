"""Where messages go. The plan names secrets, or where they are kept; nothing here prints one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from orchestrator.errors import UsageError

FILE_LIMIT_BYTES = 64 * 1024
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PART = re.compile(r"[^/:@?&=,;#\s]{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One entry of `notify.urls`: `id` and `label` say nothing that is secret."""

    id: str
    label: str
    spec: str = field(repr=False)


def services(specs: Iterable[str]) -> tuple[Service, ...]:
    return tuple(
        Service(
            id=hashlib.sha256(spec.encode()).hexdigest()[:16], label=f"{number} ({_kind(spec)})", spec=spec
        )
        for number, spec in enumerate(specs, 1)
    )


def _kind(spec: str) -> str:
    """`env:NAME` and files as they are; of a URL its scheme only, for the rest may be a token."""
    if spec.startswith(("env:", "file:")):
        return spec
    scheme = spec.partition("://")[0]
    return scheme if re.fullmatch(r"[a-z][a-z0-9+]*", scheme) else "url"


def urls_of(spec: str, env: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """The URLs that an entry of the plan stands for; paths are those beside the plan.

    Raises:
        UsageError: a variable is not set, or a file cannot be read.
    """
    if spec.startswith("env:"):
        return tuple(_variable(spec.removeprefix("env:"), env).split())
    if spec.startswith("file:"):
        return _in_file(folder / Path(spec.removeprefix("file:")).expanduser())
    return (_VARIABLE.sub(lambda match: _variable(match[1], env), spec),)


def variables_of(spec: str) -> tuple[str, ...]:
    """The names of the variables that an entry of the plan is read from."""
    return (spec.removeprefix("env:"),) if spec.startswith("env:") else tuple(_VARIABLE.findall(spec))


def _variable(name: str, env: Mapping[str, str]) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise UsageError(f"the variable {name} is not set.", f"export {name}, then: orchestrator up")
    return value


def _in_file(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_LIMIT_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{path} cannot be read: {why}.", "one URL a line; # begins a comment") from None
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if not found:
        raise UsageError(f"{path} holds no URL.", "one URL a line; # begins a comment")
    return found


def without_secrets(text: str, urls: Iterable[str]) -> str:
    """`text` with every part of the URLs that could be a secret taken out."""
    parts = {
        part for url in urls for part in (url, unquote(url), *_PART.findall(url.partition("://")[2] or url))
    }
    parts |= {unquote(part) for part in parts}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "***")
    return text
