"""Whether the components that a branch claims are really there, read from syntax trees."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.checks.claims import Component
from orchestrator.checks.owned_up import NOTHING, owns_up
from orchestrator.checks.redflags.answers import VERBS
from orchestrator.checks.redflags.services import asks_injected, reaches_model
from orchestrator.plan_file.problems import nearest
from orchestrator.source.bodies import BY_CHANCE, DEAF, FILLS_IN, ONLY_SETS, SIZES, UNREAD
from orchestrator.source.facts import Class, Function, Import, Kind
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import Skipped, SourceFile
from orchestrator.source.naming import plain, words

_RECORDS = ("NamedTuple", "TypedDict", "BaseModel", "Enum", "Struct", "Config", "Flag", "StrEnum", "IntEnum")
_DOES = VERBS | {
    "transform",
    "process",
    "preprocess",
    "load",
    "train",
    "fit",
    "connect",
    "run",
    "update",
    "step",
}
_HOLLOW = {UNREAD, SIZES, DEAF, BY_CHANCE}
_CHANCE = {"sample", "augment", "noise", "random", "shuffle", "jitter", "dropout", "mask"}
_LANGUAGE = {"llm", "language", "languagemodel", "language_model", "api", "vlm", "chat", "llm_api", "llm-api"}
_LONGEST_LINE = 10_000
"""A pattern is not tried on longer lines: nobody wrote them, and one bad pattern would never end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    rule: str
    component: str
    message: str
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is searched. Definitions in `own` files (those the branch changed) count before all others."""

    index: Index
    skipped: Sequence[Skipped]
    fetch: Callable[[Sequence[str]], Mapping[str, bytes]] = field(repr=False)
    own: frozenset[str] = frozenset()


def component_flaws(look: Look, component: Component) -> tuple[Flaw, ...]:
    """What is missing of one component, in the order of its description."""
    chosen = {name: best_definition(look, component, name) for name in component.names}
    found: list[Flaw] = []
    for name in component.names:
        found += chosen[name][1]
    files = _files(look, component, [one for one, _ in chosen.values() if one is not None])
    found += _type_flaws(look, component, files)
    found += _import_flaws(look, component, files)
    if files:
        found += _pattern_flaws(look, component, files)
        found += _length_flaws(look, component, files)
    return tuple(dict.fromkeys(found))


def home_files(look: Look, component: Component) -> list[SourceFile]:
    """The files that define what the component requires."""
    definitions = (best_definition(look, component, name)[0] for name in component.names)
    return list(dict.fromkeys(one.file for one in definitions if one is not None))


def best_definition(look: Look, component: Component, name: str) -> tuple[Definition | None, list[Flaw]]:
    """Of all definitions of a name the one with the fewest flaws."""
    wanted = Function if name in component.functions else Class
    every = [one for one in look.index.definitions(name) if isinstance(one.what, wanted)]
    own = [one for one in every if one.file.inner in look.own]
    judged = [(one, list(_flaws_of(look, component, one))) for one in own or every]
    if judged:
        return min(judged, key=lambda pair: len(pair[1]))
    kind = "function" if wanted is Function else "class"
    return None, [
        Flaw(rule=f"components/missing-{kind}", component=component.name, message=_missing(look, kind, name))
    ]


def _missing(look: Look, kind: str, name: str) -> str:
    close = nearest(name, look.index.names, 0.7)
    near = f"; the nearest name is {close}" if close and close != name else ""
    tests = [f.path for f in look.index.files.values() if f.is_test and _defines(look.index, f, name)]
    in_tests = f"; {tests[0]} defines one, but is a test" if tests else ""
    unread = [
        f"{f.path} ({look.index.facts(f).fault})"
        for f in look.index.files.values()
        if look.index.facts(f).fault
    ]
    unread += [f"{one.path} ({one.reason})" for one in look.skipped]
    passed = f"; not read: {', '.join(unread[:3])}{', …' if len(unread) > 3 else ''}" if unread else ""
    return (
        f"no {kind} {name} is defined in the {len(look.index.files)} files searched{near}{in_tests}{passed}"
    )


def _defines(index: Index, file: SourceFile, name: str) -> bool:
    facts = index.facts(file)
    return any(one.name == name for one in facts.defined)


def _flaws_of(look: Look, component: Component, one: Definition) -> Iterator[Flaw]:
    name = one.what.name
    if isinstance(one.what, Function):
        yield from _function_flaws(look, component, one, None, name)
        return
    required = [method for owner, method in component.methods if owner == name]
    required += [method for owner, method in component.methods if not owner]
    flaws = _class_flaws(look, component, one, required)
    heirs = implementations(look.index, component, one) if flaws and leaves_work(one.what) else ()
    if all(_class_flaws(look, component, heir, required) for heir in heirs):
        yield from flaws


def _class_flaws(look: Look, component: Component, one: Definition, required: Sequence[str]) -> list[Flaw]:
    assert isinstance(one.what, Class)
    flaws = [flaw for method in required for flaw in _method_flaws(look, component, one, method)]
    if class_works(look.index, one) or NOTHING & set(words(one.what.name)):
        return flaws or list(_text_flaws(look, component, one))
    return [_flaw("empty-class", component, one, f"{one.what.name} {_how_empty(one.what)}"), *flaws]


def _text_flaws(look: Look, component: Component, of: Definition) -> Iterator[Flaw]:
    """Of a language model whose methods all write their text themselves, and none asks the model."""
    methods = [
        (heir.file, look.index.settled(Definition(heir.file, method), of))
        for heir in look.index.lineage(of)
        for method in getattr(heir.what, "methods", ())
        if not method.name.startswith("__") or method.name == "__call__"
    ]
    outside = look.index.parents(of)[1]
    if _kind(component) in _LANGUAGE and not outside and all(m.found == FILLS_IN for _, m in methods):
        for file, method in methods[:1]:
            message = f"{of.what.name}.{method.name} {method.found}"
            yield _flaw("constant-method", component, Definition(file, method), message)


def leaves_work(one: Class) -> bool:
    return one.abstract or any(m.kind == Kind.ABSTRACT or "raise" in m.found for m in one.methods)


def implementations(index: Index, component: Component, of: Definition) -> Iterator[Definition]:
    """Classes that inherit from an abstract one. A protocol is met by its methods alone: of the classes
    that do not inherit only those the same component requires count, or any class would do."""
    assert isinstance(of.what, Class)
    declared = {method.name for method in of.what.methods}
    for file in index.files.values():
        for one in () if file.is_test else index.facts(file).classes:
            heir = Definition(file, one)
            inherits = heir != of and of in index.lineage(heir)
            fits = one.name in component.classes and declared and not one.abstract
            if inherits or (fits and all(index.method(heir, name) for name in declared)):
                yield heir


def _how_empty(one: Class) -> str:
    if one.abstract:
        return "only declares what others should do"
    if not one.methods:
        return f"is only another name for {', '.join(one.bases)}" if one.bases else "has an empty body"
    return "has no method that does anything"


def class_works(index: Index, of: Definition) -> bool:
    """Whether its body, or one it inherits within the tree, does something."""
    for heir in index.lineage(of):
        assert isinstance(heir.what, Class)
        if _is_record(heir.what):
            return True
        network = any(base.rpartition(".")[2] == "Module" for base in heir.what.bases)
        for method in heir.what.methods:
            builds = method.name == "__init__"
            works = index.settled(Definition(heir.file, method), of).kind == Kind.REAL
            if works and not (builds and network):
                return True
    return False


def _is_record(one: Class) -> bool:
    declared = one.decorated or any(base.endswith(_RECORDS) for base in one.bases) or not one.methods
    return bool(one.fields) and declared


def _method_flaws(look: Look, component: Component, owner: Definition, name: str) -> Iterator[Flaw]:
    method = look.index.method(owner, name)
    if method is None:
        outside = look.index.parents(owner)[1]
        told = (
            f", nor do its parents in the folders searched; {', '.join(outside)} is not among them"
            if outside
            else ""
        )
        message = f"{owner.what.name} does not define {name}{told}"
        yield _flaw("missing-method", component, owner, message)
        return
    yield from _function_flaws(look, component, method, owner, f"{owner.what.name}.{name}")


def _function_flaws(
    look: Look, component: Component, of: Definition, owner: Definition | None, name: str
) -> Iterator[Flaw]:
    function = look.index.settled(of, owner)
    spoken = words(name.rpartition(".")[2]) or [name]
    rule = _flawed(function, spoken)
    if rule and not (owner is not None and owns_up(owner.what.name, function)):
        yield _flaw(rule, component, of, f"{name} {function.found}")


def _flawed(function: Function, spoken: Sequence[str]) -> str:
    match function.kind:
        case Kind.STUB if function.found != ONLY_SETS or spoken[0] in _DOES:
            return "stub-method"
        case Kind.ABSTRACT:
            return "stub-method"
        case Kind.CONSTANT if not (function.acts and spoken[0] not in VERBS):
            return "constant-method"
        case Kind.RANDOM if not _CHANCE & set(spoken):
            return "constant-method"
        case Kind.CANNED:
            return "constant-method"
        case Kind.IDENTITY if spoken[0] in _DOES:
            return "identity-method"
        case Kind.REAL if function.found in _HOLLOW and spoken[0] in _DOES | {"getitem"}:
            return "constant-method"
    return ""


def _files(look: Look, component: Component, definitions: Sequence[Definition]) -> list[SourceFile]:
    """Where the component lives; one without required names lives where its own name is defined."""
    if component.names:
        return list(dict.fromkeys(one.file for one in definitions))
    code = [f for f in look.index.files.values() if not f.is_test and not look.index.facts(f).fault]
    name = plain(component.name)
    named = [
        f for f in code if name in plain(f.inner) or any(name in plain(d) for d in _names_in(look.index, f))
    ]
    return named or code


def _names_in(index: Index, file: SourceFile) -> Iterator[str]:
    facts = index.facts(file)
    yield from (one.name for one in facts.defined)


def _type_flaws(look: Look, component: Component, files: Sequence[SourceFile]) -> Iterator[Flaw]:
    """What the type alone demands: a tokenizer encodes and decodes, a language model is loaded or called."""
    kind = _kind(component)
    if kind == "tokenizer" and files:
        yield from _tokenizer_flaws(look, component, files)
    if kind in _LANGUAGE and files and not _has_model(look, component, files):
        message = f"{component.name} neither loads a model nor calls an API"
        yield Flaw(
            rule="components/no-model", component=component.name, message=message, path=files[0].path, line=1
        )


def _kind(component: Component) -> str:
    return component.type.replace(" ", "_")


def _has_model(look: Look, component: Component, files: Sequence[SourceFile]) -> bool:
    if reaches_model(look.index, files):
        return True
    classes = [Definition(file, one) for file in files for one in look.index.facts(file).classes]
    return any(asks_injected(look.index, one) for one in classes)


def _tokenizer_flaws(look: Look, component: Component, files: Sequence[SourceFile]) -> Iterator[Flaw]:
    asked = {method for _, method in component.methods} | set(component.functions)
    names = set(component.classes)
    for verb in [v for v in ("encode", "decode") if v not in asked]:
        classes = [
            Definition(f, one)
            for f in files
            for one in look.index.facts(f).classes
            if not names or one.name in names
        ]
        tried = [list(_method_flaws(look, component, one, verb)) for one in classes]
        functions = [
            list(_function_flaws(look, component, Definition(f, one), None, one.name))
            for f in files
            for one in look.index.facts(f).functions
            if one.name == verb
        ]
        if not any(not flaws for flaws in (*tried, *functions)):
            yield from min((flaws for flaws in (*tried, *functions)), key=len, default=[])


def _import_flaws(look: Look, component: Component, files: Sequence[SourceFile]) -> Iterator[Flaw]:
    """An import counts in the component's files, in what they import, and in what imports them."""
    every = [f for f in look.index.files.values() if not f.is_test]
    near = look.index.closure(files)
    around = [f for f in every if f not in near and set(look.index.imports_of(f)) & set(files)]
    for wanted in component.imports if files or not component.names else ():
        name = _import_name(wanted)
        matches = [
            (f, i)
            for f in (*near, *around)
            for i in look.index.facts(f).imports
            if _matches(look.index, f, i, name)
        ]
        if any(i.used and i.live for _, i in matches):
            continue
        place, line = (
            (matches[0][0].path, matches[0][1].line) if matches else (files[0].path if files else None, None)
        )
        rule, how = _import_flaw(matches, name)
        yield Flaw(rule=rule, component=component.name, message=how, path=place, line=line)


def _import_flaw(matches: Sequence[tuple[SourceFile, Import]], name: str) -> tuple[str, str]:
    if not matches:
        return "components/missing-import", f"{name} is not imported"
    if not any(i.live for _, i in matches):
        return "components/missing-import", f"the import of {name} can never run"
    return "components/unused-import", f"{name} is imported and not used"


def _import_name(text: str) -> str:
    """`from torch import nn` and `import torch` as people write them into lists, too."""
    match = re.fullmatch(r"\s*(?:from\s+([\w.]+)\s+)?import\s+([\w.]+)(?:\s+as\s+\w+)?\s*", text)
    return ".".join(filter(None, match.groups())) if match else text.strip()


def _matches(index: Index, file: SourceFile, one: Import, wanted: str) -> bool:
    target = index.absolute(one.target, file)
    if target == wanted or target.startswith(f"{wanted}."):
        return True
    whole = target if one.name == target.rpartition(".")[2] or "." not in target else target.split(".")[0]
    deeper = wanted.startswith(f"{whole}.")
    return deeper and any(u == wanted or u.startswith(f"{wanted}.") for u in index.facts(file).uses)


def _pattern_flaws(look: Look, component: Component, files: Sequence[SourceFile]) -> Iterator[Flaw]:
    if not component.forbidden:
        return
    contents = look.fetch([file.id for file in files])
    for file in files:
        text = contents[file.id].decode("utf-8", "replace")
        for pattern in component.forbidden:
            for line, part in _hits(pattern, text):
                message = f"the forbidden pattern {pattern.pattern!r} stands here: {part.strip()[:80]}"
                yield Flaw(
                    rule="components/forbidden-pattern",
                    component=component.name,
                    message=message,
                    path=file.path,
                    line=line,
                )


def _hits(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    if "\\n" in pattern.pattern or pattern.flags & re.DOTALL:
        if match := pattern.search(text):
            yield text.count("\n", 0, match.start()) + 1, match[0]
        return
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) < _LONGEST_LINE and pattern.search(line):
            yield number, line


def _length_flaws(look: Look, component: Component, files: Sequence[SourceFile]) -> Iterator[Flaw]:
    lines = sum(look.index.facts(file).code_lines for file in files)
    if lines < component.least_lines:
        where = ", ".join(posixpath.basename(file.path) for file in files[:3])
        message = f"{lines} lines of code in {where}; {component.least_lines} are the least"
        yield Flaw(
            rule="components/too-short", component=component.name, message=message, path=files[0].path, line=1
        )


def _flaw(rule: str, component: Component, at: Definition, message: str) -> Flaw:
    return Flaw(
        rule=f"components/{rule}",
        component=component.name,
        message=message,
        path=at.file.path,
        line=at.what.line,
    )
