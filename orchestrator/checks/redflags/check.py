"""`redflags`: signs that a branch only looks like work. Those it brings itself count, not what base had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from orchestrator.checks.allowed import with_allowances
from orchestrator.checks.asked import Settings
from orchestrator.checks.claimed import claimed_components
from orchestrator.checks.claims import Component
from orchestrator.checks.finding import Finding, Subject, finding
from orchestrator.checks.idle import idle_exceptions
from orchestrator.checks.outward import PASSED_OVER
from orchestrator.checks.redflags.families import signs_of
from orchestrator.checks.redflags.passed_over import passed_over
from orchestrator.checks.redflags.services import asks_injected, is_network, reaches_model, service_of
from orchestrator.checks.trees import Forked, Tree, read_commit, read_fork
from orchestrator.source.facts import Sign
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.naming import plain


def findings(subject: Subject) -> tuple[Finding, ...]:
    asked = Settings(subject, known=("all", "baseline", "spec"))
    every = asked.flag("all")
    if asked.faults:
        return tuple(asked.faults)
    forked = read_fork(subject)
    if every:
        found = [
            one for file in forked.tip.listing.files for one in _of_file(subject, forked.tip.index, file)
        ]
    else:
        found = list(_brought(subject, forked))
    told = {(one.rule, one.path, one.line) for one in found}
    claims = _claim_findings(subject, forked.tip.index)
    found += [one for one in claims if (one.rule, one.path, one.line) not in told]
    found += _not_read(subject, forked)
    judged = with_allowances(subject, forked.tip, found, "redflags")
    of_file = partial(_of_file, subject, forked.tip.index)
    return (*judged, *idle_exceptions(subject, forked, found, "redflags", of_file))


def _not_read(subject: Subject, forked: Forked) -> Iterator[Finding]:
    for path, reason in passed_over(forked.tip, forked.changed):
        yield finding(subject, "redflags/not-read", reason, path, allowed=PASSED_OVER)


def _of_file(subject: Subject, index: Index, file: SourceFile) -> Iterator[Finding]:
    return (_finding(subject, file, sign) for sign in signs_of(index, file))


def _brought(subject: Subject, forked: Forked) -> Iterator[Finding]:
    """What the branch's version of a file shows, less what the version it began from showed."""
    changed = [file for file in forked.tip.listing.files if file.path in forked.changed]
    signs = {file: list(signs_of(forked.tip.index, file)) for file in changed}
    before: Tree | None = None
    for file, shown in signs.items():
        old: Counter[tuple[str, str]] = Counter()
        if shown:
            before = before or read_commit(subject, forked.fork)
            was = before.index.files.get(file.inner)
            old = Counter((s.rule, s.symbol) for s in signs_of(before.index, was)) if was else old
        for sign in shown:
            if old[sign.rule, sign.symbol]:
                old[sign.rule, sign.symbol] -= 1
            else:
                yield _finding(subject, file, sign)


def _finding(subject: Subject, file: SourceFile, sign: Sign) -> Finding:
    return Finding(
        gate=subject.gate,
        workstream=subject.name,
        rule=sign.rule,
        message=sign.found,
        path=file.path,
        line=sign.line or None,
    )


def _claim_findings(subject: Subject, index: Index) -> Iterator[Finding]:
    claimed = claimed_components(subject)
    for sign, home in claim_signs(index, claimed.names, claimed.spec):
        yield Finding(
            gate=subject.gate,
            workstream=subject.name,
            rule=sign.rule,
            message=sign.found,
            component=sign.symbol,
            path=home.file.path if home else None,
            line=sign.line or None,
        )


def claim_signs(
    index: Index, names: Iterable[str], spec: Mapping[str, Component]
) -> Iterator[tuple[Sign, Definition | None]]:
    """What the claimed names themselves give away, each with where it is, if anywhere."""
    for name in names:
        homes = _homes(index, name)
        described = spec[name].names if name in spec else ()
        if any(index.definitions(one) for one in described):
            pass  # it goes by other names here; `components` says which of them are missing
        elif not homes and not _is_used(index, name):
            message = f"the branch claims {name}, and nothing in it defines or imports that"
            yield Sign("redflags/unknown-claim", 0, name, message), None
        service = service_of(name)
        if service and homes and not any(_reached(index, home, service[1]) for home in homes):
            message = f"{name} is claimed, and no library or request that could reach {service[0]} is used"
            yield Sign("redflags/no-client", homes[0].what.line, name, message), homes[0]


def _reached(index: Index, home: Definition, libraries: frozenset[str]) -> bool:
    near = [
        home.file,
        *(f for f in index.files.values() if not f.is_test and home.file in index.imports_of(f)),
    ]
    return is_network(index, home) or asks_injected(index, home) or reaches_model(index, near, libraries)


def _homes(index: Index, name: str) -> list[Definition]:
    """Classes and functions that carry the claimed name, or that stand in files named so."""
    wanted = plain(name)
    found = [one for known in index.names if wanted in plain(known) for one in index.definitions(known)]
    for file in index.files.values():
        if not file.is_test and wanted in plain(file.inner.rpartition("/")[2].removesuffix(".py")):
            facts = index.facts(file)
            found += [Definition(file, one) for one in facts.defined]
    return found


def _is_used(index: Index, name: str) -> bool:
    wanted = plain(name)
    return any(
        wanted in plain(one.target) and one.live
        for file in index.files.values()
        if not file.is_test
        for one in index.facts(file).imports
    )
