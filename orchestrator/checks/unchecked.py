"""Types that mypy is told not to check: by a comment in a file, or by settings that the branch relaxed."""

from __future__ import annotations

import configparser
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomllib

from orchestrator import git
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.source.naming import words_of

_COMMENT = re.compile(
    r"""
    ^[ \t]*\#[ \t]*(?: mypy:[ \t]*(?P<said>[^\n]*)
                     | type:[ \t]*ignore[ \t]*(?=\n[ \t]*(?:import|from|"|\#|\n)) )
    | ^[ \t]*@(?:\w+\.)*no_type_check\b
    """,
    re.MULTILINE | re.VERBOSE,
)
_SETTINGS = words_of("mypy.ini .mypy.ini pyproject.toml setup.cfg")
_EXCUSES = words_of(
    "ignore_errors exclude exclude_gitignore disable_error_code implicit_optional allow_redefinition"
)
_EXCUSES |= words_of("allow_untyped_globals allow_untyped_defs allow_incomplete_defs allow_any_generics")
_STRICT = words_of("strict strict_optional strict_equality check_untyped_defs strict_bytes extra_checks")
_SAYS_NO = words_of("false 0 no off")
_NOTHING = ("", "[]", *_SAYS_NO)

Said = Mapping[tuple[str, str], str]
"""By section and key, what a file of settings says."""


def unchecked(subject: Subject, arguments: Sequence[str]) -> Iterator[Finding]:
    """What base itself leaves unchecked is base's choice. `arguments` may name another file of settings."""
    fork = git.merge_base(subject.git, subject.base, subject.commit) or subject.base
    changes = git.changed_paths(subject.git, fork, subject.commit)
    changed, named = [change.path for change in changes], frozenset(_settings_in(arguments))
    yield from _covered(subject, [change.path for change in changes if change.kind == "A"])
    asked = [p for p in changed if p.endswith((".py", ".pyi")) or _holds_settings(p, named)]
    names = [f"{commit}:{path}" for path in asked for commit in (fork, subject.commit)]
    contents = git.read_blobs(subject.git, names)
    for path in asked:
        before, after = (
            contents.get(f"{commit}:{path}", b"").decode("utf-8", "replace")
            for commit in (fork, subject.commit)
        )
        for line, how in relaxed_lines(path, before, after):
            yield finding(subject, "mypy/relaxed", how, path, line)


def _settings_in(arguments: Sequence[str]) -> Iterator[str]:
    for flag, value in zip(arguments, (*arguments[1:], ""), strict=True):
        if flag.startswith("--config-file"):
            yield posixpath.normpath(flag.partition("=")[2] or value)


def _holds_settings(path: str, named: frozenset[str]) -> bool:
    return path in named or posixpath.basename(path) in _SETTINGS


def _covered(subject: Subject, added: Sequence[str]) -> Iterator[Finding]:
    """A stub beside a module: mypy reads that, and never the module."""
    for stub in (path for path in added if path.endswith(".pyi")):
        if git.find_entry(subject.git, subject.commit, stub.removesuffix("i")) is not None:
            text = f"{posixpath.basename(stub)[:-1]} is not checked where this stub stands beside it"
            yield finding(subject, "mypy/relaxed", text, stub, 1)


def relaxed_lines(path: str, before: str, after: str) -> Iterator[tuple[int, str]]:
    """The lines of a file of code or settings that ask less of mypy than it did before, and how."""
    judge = _in_code if path.endswith((".py", ".pyi")) else _in_settings
    yield from judge(path, before, after)


def _in_code(path: str, before: str, after: str) -> Iterator[tuple[int, str]]:
    old = {match[0].strip() for match in _COMMENT.finditer(before)}
    for match in _COMMENT.finditer(after):
        said = match["said"]
        what = "what follows" if "no_type_check" in match[0] and said is None else "this file"
        if match[0].strip() in old or not (said is None or _relaxes_here(said)):
            continue
        yield (
            after.count("\n", 0, match.start()) + 1,
            f"{match[0].strip()[:60]}: the branch keeps mypy off {what}",
        )


def _relaxes_here(said: str) -> bool:
    """Of `ignore-errors, disallow-any-expr=False` any one."""
    for one in re.split(r"[, ]+(?=[a-z-]+(?:[=, ]|$))", said.strip()):
        key, _, value = one.partition("=")
        name, wanted = key.strip().replace("-", "_"), value.strip(' "').lower() not in _SAYS_NO
        is_strict = _is_strict(name) or _is_strict(name.removeprefix("no_"))
        if (name in _EXCUSES and wanted) or (is_strict and wanted == name.startswith("no_")):
            return True
    return False


def _in_settings(path: str, before: str, after: str) -> Iterator[tuple[int, str]]:
    old, new = _said(path, before), _said(path, after)
    for (section, key), value in new.items():
        if old.get((section, key)) != value and _relaxes(key, value):
            yield (
                _line_of(after, key, value),
                f"{key} = {value[:60]} in {section}: the branch asks less of mypy",
            )
    for (section, key), value in old.items():
        if (section, key) not in new and _is_strict(key) and value.lower() not in _SAYS_NO:
            yield 1, f"{key} = {value} is gone from {section}: the branch asks less of mypy"


def _relaxes(key: str, value: str) -> bool:
    said = value.strip().lower()
    if key in _EXCUSES:
        return said not in _NOTHING
    if key == "plugins":  # one of the branch's own may say whatever it likes
        return ".py" in said
    if key == "follow_imports":
        return said in {"skip", "silent"}
    return _is_strict(key) and said in _SAYS_NO


def _is_strict(key: str) -> bool:
    return key in _STRICT or key.startswith(("disallow_", "warn_", "no_implicit_"))


def _line_of(text: str, key: str, value: str) -> int:
    """The last line that sets the key, since what was added stands after what was there as a rule."""
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip().startswith(key)]
    exact = [n for n in lines if value.lower() in text.splitlines()[n - 1].lower()]
    return (exact or lines or [1])[-1]


def _said(path: str, text: str) -> Said:
    """What cannot be read says nothing: mypy speaks of it itself."""
    if path.endswith(".toml"):
        try:
            tool: Any = tomllib.loads(text).get("tool", {})
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}
        return dict(_of_toml(tool.get("mypy", {}) if isinstance(tool, dict) else {}))
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    sections = [s for s in parser.sections() if s.split("-")[0] == "mypy"]
    return {(s, key): value for s in sections for key, value in parser.items(s)}


def _of_toml(table: Any) -> Iterator[tuple[tuple[str, str], str]]:
    if not isinstance(table, dict):
        return
    for key, value in table.items():
        if key != "overrides":
            yield ("tool.mypy", key), str(value)
    for one in table.get("overrides", ()) if isinstance(table.get("overrides", ()), list) else ():
        if isinstance(one, dict):
            section = f"tool.mypy of {one.get('module', '?')}"
            yield from (((section, key), str(value)) for key, value in one.items() if key != "module")
