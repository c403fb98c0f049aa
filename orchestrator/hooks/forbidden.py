"""The forbidden patterns of the components that a branch claims, and the added lines that hold one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import git
from orchestrator.git import AddedLine, Git
from orchestrator.source.listing import is_test

SPEC_FILE = ".component_spec.yaml"
BRANCHES_FILE = ".branch_specifications.json"

_FORM = b"1"
_PROSE = (".md", ".rst", ".txt", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".csv", ".lock", ".svg")
"""Words about code, and the description of what is forbidden itself."""
_LONGEST_LINE = 10_000
_ALLOWED = re.compile(r"orchestrator:\s*allow\s+(components/)?forbidden-pattern\s+because\s+\S")


@dataclass(frozen=True, slots=True)
class Forbidden:
    component: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Hit:
    line: AddedLine
    forbidden: Forbidden

    def words(self) -> str:
        of, text = self.forbidden, self.line.text.strip()[:80]
        place = f"{self.line.path}:{self.line.number}"
        return f"{place}: the forbidden pattern {of.pattern!r} of {of.component} stands here: {text}"


def is_judged(path: str) -> bool:
    """Whether it is code that a branch would pass off as its work: no test, no prose, no data."""
    return not path.endswith(_PROSE) and not is_test(path)


def hits(patterns: Sequence[Forbidden], lines: Iterable[AddedLine]) -> Iterator[Hit]:
    compiled = [(one, re.compile(one.pattern, re.MULTILINE)) for one in patterns]
    before: AddedLine | None = None
    for line in lines:
        beside = before is not None and (before.path, before.number) == (line.path, line.number - 1)
        reasons = [line.text, *([before.text] if before is not None and beside else [])]
        before = line
        if len(line.text) >= _LONGEST_LINE or any(_ALLOWED.search(text) for text in reasons):
            continue
        yield from (Hit(line, one) for one, pattern in compiled if pattern.search(line.text))


def claimed_patterns(
    repository: Git, branch: str, claims: Sequence[str], *, tree: str, bases: Sequence[str], kept: Path
) -> tuple[Forbidden, ...]:
    """What the components of a branch forbid; base's description counts before that in `tree`.

    `tree` is a commit, or empty for the index. The answer is kept in the file `kept` where its folder is
    there: to read the description anew takes longer than the rest of a hook. Flaws of the description
    are left to the component check.
    """
    places = [f"{place}:{name}" for name in (BRANCHES_FILE, SPEC_FILE) for place in (*bases, tree)]
    found = git.read_blobs(repository, list(dict.fromkeys(places)))
    own = (found.get(f"{tree}:{BRANCHES_FILE}"), *(found.get(f"{base}:{BRANCHES_FILE}") for base in bases))
    specs = [found[place] for base in bases if (place := f"{base}:{SPEC_FILE}") in found][:1]
    specs += [found[place] for place in (f"{tree}:{SPEC_FILE}",) if place in found]
    texts = [next((text for text in own if text is not None), b""), *specs]
    key = _key(branch, claims, texts)
    known = _load(kept)
    entry = known.get(branch)
    if not isinstance(entry, dict) or entry.get("key") != key:
        patterns = _read(branch, claims, texts) if specs else ()
        entry = {"key": key, "patterns": [[one.component, one.pattern] for one in patterns]}
        _save(kept, {**known, branch: entry})
    return tuple(Forbidden(component, pattern) for component, pattern in entry["patterns"])


def _key(branch: str, claims: Sequence[str], texts: Sequence[bytes]) -> str:
    parts = [_FORM, branch.encode(), *(claim.encode() for claim in claims), b"", *texts]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _read(branch: str, claims: Sequence[str], texts: Sequence[bytes]) -> tuple[Forbidden, ...]:
    from orchestrator.checks.claims import Component, parse_branches, parse_spec
    from orchestrator.plan_file.problems import PlanErrors

    branches, *specs = (text.decode("utf-8-sig", "replace") for text in texts)
    names = dict.fromkeys(claims)
    components: dict[str, Component] = {}
    with suppress(PlanErrors):
        known = parse_branches(BRANCHES_FILE, branches).get(branch) if branches else None
        names |= dict.fromkeys(known.components if known else ())
    for spec in reversed(specs):
        with suppress(PlanErrors):
            components |= parse_spec(SPEC_FILE, spec)
    return tuple(
        Forbidden(name, pattern.pattern)
        for name in names
        if name in components
        for pattern in components[name].forbidden
    )


def _load(kept: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(kept.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _save(kept: Path, content: Mapping[str, Any]) -> None:
    if kept.parent.is_dir():
        from orchestrator.supervise.records import replace_file  # loads more than the whole hook

        with suppress(OSError):  # a full disk, a state of another user: it is read again next time
            replace_file(str(kept), json.dumps(content).encode())
