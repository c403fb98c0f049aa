"""All files of a tree together: who defines a name, who imports whom, what a class inherits."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from orchestrator.source.facts import Class, Facts, Function, Kind
from orchestrator.source.listing import SourceFile

_MOST_STEPS = 12


@dataclass(frozen=True, slots=True)
class Definition:
    """Where a class or function stands."""

    file: SourceFile
    what: Class | Function


class Index:
    def __init__(self, files: Iterable[SourceFile], facts: Mapping[str, Facts]) -> None:
        self.files = {file.inner: file for file in files}
        self._facts = facts

    def facts(self, file: SourceFile) -> Facts:
        return self._facts[file.id]

    def alike(self, file: SourceFile) -> list[SourceFile]:
        """Other files, no tests, of the same shape."""
        return [other for other in self._shapes[self.facts(file).shape] if other.inner != file.inner]

    @cached_property
    def _shapes(self) -> dict[str, list[SourceFile]]:
        found: dict[str, list[SourceFile]] = defaultdict(list)
        for file in self.files.values():
            if not file.is_test:
                found[self.facts(file).shape].append(file)
        return found

    def definitions(self, name: str) -> list[Definition]:
        """Every class or function of this name, in files that are no tests. A later one in a file wins."""
        return self._defined.get(name, [])

    @cached_property
    def inherited(self) -> frozenset[str]:
        """The last names of all that some class inherits from."""
        classes = (one for file in self.files.values() for one in self.facts(file).classes)
        return frozenset(base.rpartition(".")[2] for one in classes for base in one.bases)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self._defined)

    @cached_property
    def _defined(self) -> dict[str, list[Definition]]:
        found: dict[str, list[Definition]] = defaultdict(list)
        for file in self.files.values():
            if file.is_test:
                continue
            facts = self.facts(file)
            for one in {d.name: d for d in facts.defined}.values():
                found[one.name].append(Definition(file, one))
        for file in self.files.values():
            if not file.is_test:
                for name, other, _ in self.facts(file).aliases:
                    if name not in found and (known := self.resolve(file, other)) is not None:
                        found[name].append(known)
        return found

    @cached_property
    def _modules(self) -> dict[str, list[SourceFile]]:
        """Every name a file could be imported by, whatever folder is on the path."""
        found: dict[str, list[SourceFile]] = defaultdict(list)
        for inner, file in self.files.items():
            parts = inner.removesuffix(".py").split("/")
            if parts[-1] == "__init__":
                parts.pop()
            for start in range(len(parts)):
                found[".".join(parts[start:])].append(file)
        return found

    def module(self, name: str, asker: SourceFile) -> SourceFile | None:
        """The file that `import name` means; of several, the one nearest to who asks."""
        near = self._modules.get(name, ())
        return max(near, key=lambda file: _shared(file.inner, asker.inner), default=None)

    def absolute(self, target: str, asker: SourceFile) -> str:
        dots = len(target) - len(target.lstrip("."))
        if not dots:
            return target
        folder = posixpath.dirname(asker.inner)
        for _ in range(dots - 1):
            folder = posixpath.dirname(folder)
        return ".".join([*filter(None, folder.split("/")), target.lstrip(".")])

    def imported(self, target: str, asker: SourceFile) -> Iterator[SourceFile]:
        """The files of this tree that importing `target` reads."""
        name = self.absolute(target, asker)
        for candidate in (name, name.rpartition(".")[0]):
            if candidate and (file := self.module(candidate, asker)) is not None and file != asker:
                yield file
                return

    def resolve(self, file: SourceFile, name: str, steps: int = _MOST_STEPS) -> Definition | None:
        """What a name (perhaps dotted) means in a file, followed through imports and aliases."""
        if not steps:
            return None
        facts = self.facts(file)
        head, _, rest = name.partition(".")
        own = [d for d in facts.defined if d.name == name]
        if own:
            return Definition(file, own[-1])
        for alias, other, _ in facts.aliases:
            if alias == name and other != name:
                return self.resolve(file, other, steps - 1)
        for one in facts.imports:
            if one.name in (head, "*") and one.live:
                wanted = (
                    f"{one.target[:-1]}{name}"
                    if one.name == "*"
                    else ".".join(filter(None, [one.target, rest]))
                )
                found = self._outside(file, wanted, steps)
                if found is not None:
                    return found
        return None

    def _outside(self, file: SourceFile, target: str, steps: int) -> Definition | None:
        module, _, name = self.absolute(target, file).rpartition(".")
        there = self.module(module, file) if module else None
        return None if there is None or there == file else self.resolve(there, name, steps - 1)

    def parents(self, of: Definition) -> tuple[list[Definition], list[str]]:
        """Parent classes in this tree, and the names of those outside it."""
        inside, outside = [], []
        for base in of.what.bases if isinstance(of.what, Class) else ():
            found = self.resolve(of.file, base)
            if found is None or found.what == of.what:
                outside.append(base)
            else:
                inside.append(found)
        return inside, outside

    def lineage(self, of: Definition) -> list[Definition]:
        """The class and all it inherits from within this tree, itself first."""
        found = [of]
        for one in found:
            found += [p for p in self.parents(one)[0] if p not in found]
        return found

    def method(self, of: Definition, name: str) -> Definition | None:
        """The method an object of the class would run, own or inherited."""
        for one in self.lineage(of):
            methods = [m for m in one.what.methods if m.name == name] if isinstance(one.what, Class) else []
            if methods:
                return Definition(one.file, methods[-1])
        return None

    def settled(self, of: Definition, owner: Definition | None, steps: int = _MOST_STEPS) -> Function:
        """The function, or the one whose answer it gives, when that is in this tree."""
        function = of.what
        assert isinstance(function, Function)
        if function.kind != Kind.FORWARDS or not steps:
            return function
        name = function.target.rpartition(".")[2]
        found = self._target(of, owner, function.target)
        if found is None or not isinstance(found.what, Function) or found.what == function:
            return function._replace(kind=Kind.REAL)
        end = self.settled(found, owner, steps - 1)
        return end if end.kind == Kind.REAL else end._replace(found=f"through {name}: {end.found}")

    def _target(self, of: Definition, owner: Definition | None, target: str) -> Definition | None:
        receiver, _, name = target.rpartition(".")
        if not receiver:
            return self.resolve(of.file, name)
        if receiver == "self" or receiver.startswith("self."):
            part = receiver.partition(".")[2] or name
            made = self._part(owner, part) if owner is not None else None
            if made is not None and (receiver != "self" or self.method(owner, name) is None):  # type: ignore[arg-type]
                called = [name] if receiver != "self" else ["forward", "__call__"]
                return next((m for one in called if (m := self.method(made, one)) is not None), None)
            if receiver != "self":
                return None
        if receiver in ("self", "super"):
            heirs = [] if owner is None else self.lineage(owner)
            heirs = heirs[1:] if receiver == "super" else heirs[:1]
        else:
            named = self.resolve(of.file, receiver)
            if named is None:  # a module
                return self.resolve(of.file, target)
            heirs = [named]
        return next((m for heir in heirs if (m := self.method(heir, name)) is not None), None)

    def _part(self, owner: Definition, attribute: str) -> Definition | None:
        """The class of this tree that the object holds one of, under that name."""
        for heir in self.lineage(owner):
            for name, made in heir.what.parts if isinstance(heir.what, Class) else ():
                if name == attribute:
                    found = self.resolve(heir.file, made)
                    return found if found is not None and isinstance(found.what, Class) else None
        return None

    def imports_of(self, file: SourceFile) -> Iterator[SourceFile]:
        for one in self.facts(file).imports:
            if one.live and not one.typing_only:
                yield from self.imported(one.target, file)

    def closure(self, start: Iterable[SourceFile]) -> list[SourceFile]:
        """The files, and all that they import from this tree."""
        found = list(dict.fromkeys(start))
        seen = {file.inner for file in found}
        for file in found:
            for other in self.imports_of(file):
                if other.inner not in seen:
                    seen.add(other.inner)
                    found.append(other)
        return found


def _shared(a: str, b: str) -> int:
    """How many leading folders two paths share."""
    pairs = zip(posixpath.dirname(a).split("/"), posixpath.dirname(b).split("/"), strict=False)
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count
