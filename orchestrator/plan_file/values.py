"""The kinds of value a key may hold: how each is read, and what an editor is told about it.

Readers raise ValueError with the words that the user is to see.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from orchestrator.core.events import Event
from orchestrator.core.stages import parse_requirement
from orchestrator.plan_file.durations import parse_duration
from orchestrator.plan_file.names import address_fault, branch_fault, path_fault
from orchestrator.plan_file.problems import quoted, unknown
from orchestrator.plan_file.tree import Unquoted, found

PROJECT = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
WORKSTREAM = r"[a-z0-9][a-z0-9_-]{0,63}"
LABEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
BANDWIDTH = r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?([KMG])B(?:/s)?"
WAVE = r"[1-9][0-9]{0,5}"
SERVICE = "a URL of Apprise such as json://host/path, env:NAME or file:PATH is wanted"
QUIET = "hours of a day are wanted, such as '22:00-07:00'"
LISTEN = "a port such as 9470, or '127.0.0.1:9470', is wanted"
LOOPBACK = "127.0.0.1"
SIZE_UNITS = {"MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
SIZE_PATTERN = r"([0-9]+(?:\.[0-9]+)?) ?(MiB|GiB|TiB)"
SIZE = "a size such as 500MiB, 2GiB or 1TiB is wanted"
DURATION = "a duration such as 30s, 5m, 2h or 1d is wanted"
BUILT_IN_CHECKS = [
    "components",
    "redflags",
    "clones",
    "independence",
    "tdd",
    "metrics",
    "benchmarks",
    "docs",
    "paths",
    "clean-merge",
    "silent-revert",
    "review",
    "pytest",
    "mypy",
    "ruff",
    "pre-commit",
]
EVENT_NAMES = [event.value for event in Event]
SCOPES = ["tree", "diff", "commits", "wave"]
SEVERITIES = ["block", "warn"]
PROVIDED_VARIABLES = {
    f"ORCHESTRATOR_{name}" for name in ("WORKSTREAM", "WAVE", "STAGE", "ATTEMPT", "RESULTS", "PORT")
}
# A typing error must not make a list of a billion devices.
MOST_GPUS = 1024
MOST = 1_000_000


def read_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{found(value)}; text is wanted{_quote_it(value)}")


def read_command(value: object) -> str:
    text = read_text(value)
    if not text.strip():
        raise ValueError("an empty command; leave the key out")
    return text


def read_flag(value: object) -> bool:
    if isinstance(value, Unquoted) and isinstance(value.value, bool):
        return value.value
    raise ValueError(f"{found(value)}; true or false is wanted")


def read_whole(value: object) -> int:
    number = value.value if isinstance(value, Unquoted) else None
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    unquote = "; leave the quotes out" if isinstance(value, str) and value.isdecimal() else ""
    raise ValueError(f"{found(value)}; a whole number is wanted{unquote}")


def read_version(value: object) -> int:
    number = read_whole(value)
    if number != 1:
        raise ValueError(f"version {number}; this program reads version 1")
    return number


def read_duration(value: object) -> float:
    written = value.raw if isinstance(value, Unquoted) and value.kind == "a number" else value
    if not isinstance(written, str):
        raise ValueError(f"{found(value)}; {DURATION}")
    try:
        return parse_duration(written)
    except ValueError as error:
        bare = re.fullmatch(r"[0-9.]+", written)
        unit = f"; add a unit: {written}s" if bare else ""
        raise ValueError(f"{quoted(written)} is no duration; {DURATION}{unit}") from error


def read_positive_duration(value: object) -> float:
    seconds = read_duration(value)
    if seconds <= 0:
        raise ValueError(f"{quoted(str(value))} is no time at all; {DURATION}")
    return seconds


def read_bandwidth(value: object) -> int:
    """Bytes a second."""
    written = value.raw if isinstance(value, Unquoted) and value.kind == "a number" else value
    match = re.fullmatch(BANDWIDTH, written) if isinstance(written, str) else None
    if match is None:
        raise ValueError(f"{found(value)}; bytes a second are wanted, such as 500KB or 10MB")
    return max(1000, round(float(match[1]) * {"K": 1e3, "M": 1e6, "G": 1e9}[match[2]]))


def read_size(value: object) -> int:
    """Bytes."""
    if isinstance(value, Unquoted) and value.kind == "a number":
        raise ValueError(f"{quoted(value.raw)} is no size; {SIZE}; add a unit: {value.raw}GiB")
    if not isinstance(value, str):
        raise ValueError(f"{found(value)}; {SIZE}")
    match = re.fullmatch(SIZE_PATTERN, value)
    if match is None:
        raise ValueError(f"{quoted(value)} is no size; {SIZE}")
    return int(float(match[1]) * SIZE_UNITS[match[2]])


def read_gpus(value: object) -> tuple[int, ...]:
    """A count names the first devices, a list the devices themselves."""
    if not isinstance(value, list):
        return tuple(range(_within(read_whole(value), 0, MOST_GPUS)))
    indices = tuple(_within(read_whole(item), 0, MOST_GPUS) for item in value)
    if len(set(indices)) < len(indices):
        raise ValueError("a device is listed twice")
    return indices


def read_need(value: object) -> str | int:
    """A workstream by name, or a wave by number."""
    if isinstance(value, str):
        return value
    if isinstance(value, Unquoted) and re.fullmatch(WAVE, value.raw):
        return read_whole(value)
    raise ValueError(f"{found(value)}; a workstream's name or a wave's number is wanted{_quote_it(value)}")


def read_wave_number(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(WAVE, value):
        return int(value)
    raise ValueError(f"{quoted(str(value))} is no wave; waves are numbered from 1")


def read_variable(value: object) -> str:
    name = _named(VARIABLE, "a variable's name", "letters, digits and _, not beginning with a digit")(value)
    if name in PROVIDED_VARIABLES:
        raise ValueError(f"{quoted(name)} is set by the orchestrator; choose another name")
    return name


def read_branch(value: object) -> str:
    name = read_text(value)
    fault = branch_fault(name)
    if fault:
        raise ValueError(f"{quoted(name)} cannot be a branch: {fault}")
    return name


def read_integration(value: object) -> str:
    template = read_text(value)
    if "{wave}" not in template:
        raise ValueError(f"{quoted(template)} lacks '{{wave}}', which stands for the wave's number")
    read_branch(template.replace("{wave}", "1"))
    return template


def read_path(value: object) -> str:
    text = read_text(value)
    fault = path_fault(text)
    if fault:
        raise ValueError(f"the path {quoted(text)} {fault}; a path inside the repository is wanted")
    return text


def read_directory(value: object) -> str:
    path = posixpath.normpath(read_path(value))
    if path == ".":
        raise ValueError("the worktree itself; a directory in it is wanted, such as 'results'")
    return path


def read_worktree(value: object) -> str:
    text = read_text(value)
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{quoted(text)} is no path")
    return text


def read_address(value: object) -> str:
    text = read_text(value)
    fault = address_fault(text)
    if fault:
        raise ValueError(
            f"{quoted(text)} {fault}; user@host, user@host:port or an alias of ~/.ssh/config is wanted"
        )
    return text


def read_requirement(value: object) -> str:
    text = read_text(value)
    parse_requirement(text)
    return text


def read_pattern(value: object) -> str:
    text = read_text(value)
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{quoted(text)} is no regular expression: {error}") from error
    return text


def read_service(value: object) -> str:
    """What is wrong is said without the text: it may be a secret."""
    if not isinstance(value, str):
        raise ValueError(f"{_kind(value)}; {SERVICE}")
    if value.startswith("env:"):
        if not re.fullmatch(VARIABLE, value.removeprefix("env:")):
            raise ValueError("no variable's name behind env:; letters, digits and _ are allowed")
    elif not value.removeprefix("file:").strip() or not re.match(r"[a-z][a-z0-9+]*://|\$\{|file:", value):
        raise ValueError(f"no address that can be told; {SERVICE}")
    return value


def _kind(value: object) -> str:
    return "found a list" if isinstance(value, list) else "found no text"


def read_quiet(value: object) -> tuple[int, int]:
    """Minutes after midnight."""
    written = value.raw if isinstance(value, Unquoted) else value
    if not isinstance(written, str):
        raise ValueError(f"{found(value)}; {QUIET}")
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d) ?[-–] ?([01]?\d|2[0-3]):([0-5]\d)", written)
    if not match:
        raise ValueError(f"{quoted(written)} is no part of a day; {QUIET}")
    begins, ends = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if begins == ends:
        raise ValueError(f"{quoted(written)} is no time at all, or all day; {QUIET}")
    return begins, ends


def read_listen(value: object) -> tuple[str, int]:
    """Host and port; a port alone is one of this machine's own."""
    written = value.raw if isinstance(value, Unquoted) else value
    match = re.fullmatch(r"(?:([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):)?(\d{1,5})", str(written))
    if not match or isinstance(written, (list, dict)) or not 0 < int(match[2]) < 65536:
        raise ValueError(f"{found(value)}; {LISTEN}")
    return (match[1] or LOOPBACK).strip("[]"), int(match[2])


def _quote_it(value: object) -> str:
    if not isinstance(value, Unquoted):
        return ""
    return f"; quote it: {quoted(value.raw)}" if value.raw else "; leave the key out"


def _within(number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise ValueError(f"{number} is out of range; a number from {least} to {most} is wanted")
    return number


def _whole(least: int, most: int) -> Callable[[object], int]:
    return lambda value: _within(read_whole(value), least, most)


def _named(pattern: str, what: str, allowed: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        name = read_text(value)
        if not re.fullmatch(pattern, name):
            raise ValueError(f"{quoted(name)} cannot be {what}; allowed: {allowed}")
        return name

    return read


def _one_of(kind: str, allowed: list[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = read_text(value)
        if text not in allowed:
            raise ValueError(unknown(kind, text, allowed, "allowed"))
        return text

    return read


def _text_schema(pattern: str | None = None) -> WithJsonSchema:
    return WithJsonSchema({"type": "string"} | ({"pattern": f"^{pattern}$"} if pattern else {}))


def _whole_schema(least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


_LOWER = "a-z, 0-9, - and _, at most 64, not beginning with - or _"
_ANY_CASE = "letters, digits, - and _, at most 64, not beginning with - or _"
_DOTTED = "letters, digits, '.', - and _, at most 64, beginning with a letter or digit"
_DURATION_SCHEMA = _text_schema(r"[0-9]+(\.[0-9]+)? ?[smhd]")
_INDICES = {"type": "array", "items": {"type": "integer", "minimum": 0}, "uniqueItems": True}

Text = Annotated[str, PlainValidator(read_text), _text_schema()]
Command = Annotated[str, PlainValidator(read_command), _text_schema()]
Flag = Annotated[bool, PlainValidator(read_flag), WithJsonSchema({"type": "boolean"})]
Version = Annotated[int, PlainValidator(read_version), WithJsonSchema({"const": 1})]
Duration = Annotated[float, PlainValidator(read_duration), _DURATION_SCHEMA]
PositiveDuration = Annotated[float, PlainValidator(read_positive_duration), _DURATION_SCHEMA]
Bandwidth = Annotated[int, PlainValidator(read_bandwidth), _text_schema(BANDWIDTH)]
Size = Annotated[int, PlainValidator(read_size), _text_schema(r"[0-9]+(\.[0-9]+)? ?(MiB|GiB|TiB)")]
Limit = Annotated[int, PlainValidator(_whole(0, MOST)), _whole_schema(0, MOST)]
PositiveLimit = Annotated[int, PlainValidator(_whole(1, MOST)), _whole_schema(1, MOST)]
GpuCount = Annotated[int, PlainValidator(_whole(0, MOST_GPUS)), _whole_schema(0, MOST_GPUS)]
PortCount = Annotated[int, PlainValidator(_whole(0, 100)), _whole_schema(0, 100)]
Priority = Annotated[int, PlainValidator(_whole(-MOST, MOST)), _whole_schema(-MOST, MOST)]
Gpus = Annotated[
    tuple[int, ...],
    PlainValidator(read_gpus),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": MOST_GPUS}, _INDICES]}),
]
ProjectName = Annotated[str, PlainValidator(_named(PROJECT, "a project", _ANY_CASE)), _text_schema(PROJECT)]
WorkstreamKey = Annotated[
    str, PlainValidator(_named(WORKSTREAM, "a workstream", _LOWER)), _text_schema(WORKSTREAM)
]
Label = Annotated[str, PlainValidator(_named(LABEL, "a name", _DOTTED)), _text_schema(LABEL)]
WaveKey = Annotated[int, PlainValidator(read_wave_number), _text_schema(WAVE)]
Variable = Annotated[str, PlainValidator(read_variable), _text_schema(VARIABLE)]
Branch = Annotated[str, PlainValidator(read_branch), _text_schema()]
Integration = Annotated[str, PlainValidator(read_integration), _text_schema(r".*\{wave\}.*")]
RepositoryPath = Annotated[str, PlainValidator(read_path), _text_schema()]
Directory = Annotated[str, PlainValidator(read_directory), _text_schema()]
Worktree = Annotated[str, PlainValidator(read_worktree), _text_schema()]
Address = Annotated[str, PlainValidator(read_address), _text_schema()]
Service = Annotated[str, PlainValidator(read_service), _text_schema()]
EventName = Annotated[
    str, PlainValidator(_one_of("event", EVENT_NAMES)), WithJsonSchema({"enum": EVENT_NAMES})
]
Quiet = Annotated[
    tuple[int, int],
    PlainValidator(read_quiet),
    _text_schema(r"[0-9]{1,2}:[0-9]{2} ?[-–] ?[0-9]{1,2}:[0-9]{2}"),
]
Listen = Annotated[
    tuple[str, int],
    PlainValidator(read_listen),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1, "maximum": 65535}]}),
]
RequirementText = Annotated[str, PlainValidator(read_requirement), _text_schema()]
Pattern = Annotated[str, PlainValidator(read_pattern), _text_schema()]
Need = Annotated[
    str | int,
    PlainValidator(read_need),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]}),
]
Check = Annotated[
    str, PlainValidator(_one_of("check", BUILT_IN_CHECKS)), WithJsonSchema({"enum": BUILT_IN_CHECKS})
]
Scope = Annotated[str, PlainValidator(_one_of("scope", SCOPES)), WithJsonSchema({"enum": SCOPES})]
Severity = Annotated[
    str, PlainValidator(_one_of("severity", SEVERITIES)), WithJsonSchema({"enum": SEVERITIES})
]
