"""Whether the tests of a component notice that it is gone: they run with its bodies replaced by `raise`."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from orchestrator.checks.claims import Component
from orchestrator.checks.components import Flaw, Look, best_definition, implementations, leaves_work
from orchestrator.checks.finding import Subject
from orchestrator.checks.junit import CaseEnd, pytest_trial
from orchestrator.checks.taken_away import Aim, without_bodies
from orchestrator.checks.tdd.proof import Run, run_tests
from orchestrator.checks.tdd.written import is_collected
from orchestrator.source.facts import Class
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import SourceFile

_LISTED = 3
_FAILS = (CaseEnd.FAILED, CaseEnd.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How the plan wants it proved. `tests` are patterns of files; without them the imports say which."""

    program: str
    tests: tuple[str, ...]


def proof_flaws(subject: Subject, look: Look, component: Component, proof: Proof) -> Iterator[Flaw]:
    """Raises:
    NoVerdict: tests could not be run.
    """
    definitions = list(_definitions(look, component))
    texts = _emptied(look, component, definitions)
    if not texts:
        why = "its description names no class or function" if not component.names else "it has no body"
        yield _flaw(
            component, definitions, "unnoticed", f"nothing of {component.name} can be taken away: {why}"
        )
        return
    tests = list(_tests(look.index, {one.file for one in definitions}, proof.tests))
    if not tests:
        wanted = f"matches {', '.join(proof.tests)}" if proof.tests else f"imports {_named(definitions)}"
        yield _flaw(component, definitions, "untested", f"no test file {wanted}")
        return
    yield from _judged(_Experiment(subject, component, definitions, tests, proof.program), texts)


def _definitions(look: Look, component: Component) -> Iterator[Definition]:
    """What the component requires, and those who do the work of what is only declared."""
    for name in component.names:
        one = best_definition(look, component, name)[0]
        if one is not None:
            yield one
            if isinstance(one.what, Class) and leaves_work(one.what):
                yield from implementations(look.index, component, one)


def _emptied(look: Look, component: Component, definitions: Iterable[Definition]) -> dict[str, str]:
    """The component's files without its bodies."""
    aims: dict[SourceFile, list[Aim]] = defaultdict(list)
    for one in definitions:
        for file, aim in _aims(look.index, component, one):
            aims[file].append(aim)
    contents = look.fetch([file.id for file in aims])
    made = {file.path: without_bodies(contents[file.id], aimed) for file, aimed in aims.items()}
    return {path: text for path, text in made.items() if text is not None}


def _aims(index: Index, component: Component, one: Definition) -> Iterator[tuple[SourceFile, Aim]]:
    """The class, the required methods that it inherits, and where it has none of its own all it inherits."""
    if not isinstance(one.what, Class):
        yield one.file, Aim(name=one.what.name)
        return
    wanted = {method for owner, method in component.methods if owner in ("", one.what.name)}
    has_work = False
    for heir in index.lineage(one):
        assert isinstance(heir.what, Class)
        own = {method.name for method in heir.what.methods}
        if not has_work or wanted & own:
            yield heir.file, Aim(name=heir.what.name, methods=frozenset(wanted & own), whole=not has_work)
        has_work = has_work or bool(own)
        wanted -= own


def _tests(index: Index, homes: set[SourceFile], patterns: Sequence[str]) -> Iterator[SourceFile]:
    """The test files that claim to cover it: those named, or those that come to it."""
    for file in index.files.values():
        if not is_collected(file.path, patterns) or index.facts(file).fault:
            continue
        named = any(fnmatchcase(file.path, pattern) for pattern in patterns)
        if named or (not patterns and homes & set(_seen(index, file))):
            yield file


def _seen(index: Index, test: SourceFile) -> list[SourceFile]:
    """All that a test file imports, its fixtures' files and modules named in strings among it."""
    folders = [test.inner]
    while folders[-1]:
        folders.append(posixpath.dirname(folders[-1]))
    fixtures = [index.files.get(posixpath.join(folder, "conftest.py")) for folder in folders[1:]]
    start = [test, *(file for file in fixtures if file is not None)]
    named = (
        module
        for file in start
        for text in index.facts(file).mentions
        for module in index.imported(text.replace(":", "."), file)
    )
    return index.closure([*start, *named])


@dataclass(frozen=True, slots=True)
class _Experiment:
    subject: Subject
    component: Component
    definitions: Sequence[Definition]
    tests: Sequence[SourceFile]
    program: str

    def run(
        self, how: str, texts: Mapping[str, str], *, shell: str = "", keeps_failures: bool = False
    ) -> Run:
        trial = pytest_trial(
            self.subject,
            f"{how} {self.component.name}",
            self.subject.commit,
            self.program,
            [test.path for test in self.tests],
            shell=shell,
            keeps_failures=keeps_failures,
        )
        return run_tests(self.subject.trials, replace(trial, texts=dict(texts)))

    def flaw(self, rule: str, message: str) -> Flaw:
        return _flaw(self.component, self.definitions, rule, message)

    @property
    def files(self) -> str:
        more = f" and {len(self.tests) - _LISTED} more" if len(self.tests) > _LISTED else ""
        return ", ".join(test.path for test in self.tests[:_LISTED]) + more


def _judged(made: _Experiment, texts: Mapping[str, str]) -> Iterator[Flaw]:
    as_it_is = made.run("with", {})
    broken = _broken(as_it_is)
    if broken is not None:
        yield made.flaw("tests-fail", f"its tests are no measure: {broken} ({made.files})")
        return
    passed = sum(case.end is CaseEnd.PASSED for case in as_it_is.cases or ())
    if not passed:
        yield made.flaw("untested", f"no test in {made.files} passes: all are skipped, or there are none")
        return
    gone = made.run("without", texts, shell="--maxfail=1", keeps_failures=True)
    if gone.cases is None or any(case.end in _FAILS for case in gone.cases):
        return
    yield made.flaw(
        "unnoticed",
        f"{passed} test(s) in {made.files} pass although every body of {_named(made.definitions)} raises: "
        "no test notices that it is gone",
    )


def _broken(run: Run) -> str | None:
    """Why a run of the tests as they are cannot be compared with another."""
    if run.cases is None:
        return f"pytest {run.ended}"
    bad = next((case for case in run.cases if case.end in _FAILS), None)
    return None if bad is None else f"{bad.test or bad.name} fails as it is: {bad.why}"


def _named(definitions: Iterable[Definition]) -> str:
    return ", ".join(dict.fromkeys(one.what.name for one in definitions))


def _flaw(component: Component, definitions: Sequence[Definition], rule: str, message: str) -> Flaw:
    at = definitions[0] if definitions else None
    return Flaw(
        rule=f"components/{rule}",
        component=component.name,
        message=message,
        path=at.file.path if at else None,
        line=at.what.line if at else None,
    )
